// What the agent of a host does about its guests, and what tasks do when the world changes under
// them: whole hosts, one thing at a time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sim_client.hpp"

namespace ruche::sim {
namespace {

using model::GuestState;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::IsEmpty;

class AgentTest : public testing::Test {
 protected:
  AgentTest() : cluster_(1), host_(cluster_.add_host("alpha")) {
    start_all(cluster_);
    import_demo(cluster_, host_, "local");
  }
  ~AgentTest() override {
    cluster_.on_effect = nullptr;
    wait_until_quiet(cluster_);
    cluster_.run_for(seconds(2));
    wait_until_quiet(cluster_);
    EXPECT_THAT(check_at_rest(cluster_), IsEmpty());
    EXPECT_THAT(cluster_.errors(), IsEmpty());
  }

  model::GuestId create(const std::string& name, bool start,
                        model::RestartPolicy policy = model::RestartPolicy::never,
                        bool autostart = false) {
    model::CreateVm request;
    request.name = name;
    request.image = "demo";
    request.start = start;
    request.restart_policy = policy;
    request.autostart = autostart;
    const auto task = ask_and_wait(cluster_, host_, requests::create(request));
    EXPECT_EQ(task.state, model::TaskState::done);
    cluster_.run_for(seconds(1));
    return {task.object.id};
  }
  GuestState state(const std::string& name) { return state_of(read_truth(cluster_.store()), name); }
  model::GuestStatus status(model::GuestId guest) {
    return read_truth(cluster_.store()).statuses.at(guest.value);
  }
  bool reaches(const std::string& name, GuestState wanted, std::chrono::microseconds limit) {
    return cluster_.run_until([&] { return state(name) == wanted; }, limit);
  }
  std::chrono::microseconds time_until_launch() {
    const auto before = cluster_.world().clock().now();
    const auto launches = host_.machines().launches();
    cluster_.run_until([&] { return host_.machines().launches() > launches; }, minutes(5));
    return cluster_.world().clock().now() - before;
  }

  SimCluster cluster_;
  SimHost& host_;
};

TEST_F(AgentTest, WhatItsAgentSaysIsInTheDocument) {
  host_.machines().with_agents = true;
  const auto guest = create("web1", true);
  cluster_.run_for(seconds(10));
  ASSERT_TRUE(status(guest).agent);
  EXPECT_TRUE(status(guest).agent->connected);
  EXPECT_EQ(status(guest).agent->os, "Simulated 1");
  EXPECT_THAT(status(guest).addresses, testing::ElementsAre("192.0.2.7"));
  ask_and_wait(cluster_, host_, requests::stop("web1"));
  EXPECT_FALSE(status(guest).agent);
  EXPECT_THAT(status(guest).addresses, IsEmpty());
}

TEST_F(AgentTest, AnIdleGuestsAgentIsAskedEverMoreRarelyAndNothingIsWritten) {
  host_.machines().with_agents = true;
  const auto guest = create("web1", true);
  cluster_.run_for(minutes(30));
  const auto asked = host_.machines().find(guest)->agent.asked;
  const auto commits = cluster_.store().commits();
  cluster_.run_for(minutes(60));
  EXPECT_LE(host_.machines().find(guest)->agent.asked - asked, 13u);
  EXPECT_LE(cluster_.store().commits() - commits, 3u);  // of other concerns
}

TEST_F(AgentTest, ASilentAgentIsShownAndAskedRarely) {
  host_.machines().with_agents = true;
  const auto guest = create("web1", true);
  cluster_.run_for(seconds(5));
  host_.machines().find(guest)->agent.silent = true;
  cluster_.run_for(minutes(20));
  ASSERT_TRUE(status(guest).agent);
  EXPECT_FALSE(status(guest).agent->connected);
  EXPECT_EQ(state("web1"), GuestState::running);
}

TEST_F(AgentTest, AFreezeEndsWhenItsTimeIsOver) {
  host_.machines().with_agents = true;
  const auto guest = create("web1", true);
  cluster_.run_for(seconds(5));
  const auto task =
      ask_and_wait(cluster_, host_, requests::freeze("web1", std::chrono::seconds(30)));
  EXPECT_EQ(task.state, model::TaskState::done);
  EXPECT_TRUE(host_.machines().find(guest)->agent.frozen);
  EXPECT_TRUE(status(guest).thaw_at);
  cluster_.run_for(seconds(20));
  EXPECT_TRUE(host_.machines().find(guest)->agent.frozen);
  cluster_.run_for(seconds(15));
  EXPECT_FALSE(host_.machines().find(guest)->agent.frozen);
  EXPECT_FALSE(status(guest).thaw_at);
}

TEST_F(AgentTest, TheNextDaemonThawsWhatAKilledOneFroze) {
  host_.machines().with_agents = true;
  const auto guest = create("web1", true);
  cluster_.run_for(seconds(5));
  ask_and_wait(cluster_, host_, requests::freeze("web1", std::chrono::seconds(30)));
  host_.kill();
  cluster_.run_for(minutes(2));
  EXPECT_TRUE(host_.machines().find(guest)->agent.frozen);  // nobody was there
  host_.start();
  cluster_.run_for(seconds(10));
  EXPECT_FALSE(host_.machines().find(guest)->agent.frozen);
  EXPECT_FALSE(status(guest).thaw_at);
}

TEST_F(AgentTest, AShutdownGoesThroughTheAgentAndThawsFirst) {
  host_.machines().with_agents = true;
  const auto guest = create("web1", true);
  cluster_.run_for(seconds(5));
  ask_and_wait(cluster_, host_, requests::freeze("web1", std::chrono::minutes(5)));
  EXPECT_TRUE(host_.machines().find(guest)->agent.frozen);
  const auto task = ask_and_wait(cluster_, host_, requests::shutdown("web1"));
  EXPECT_EQ(task.state, model::TaskState::done);
  EXPECT_FALSE(status(guest).thaw_at);
}

TEST_F(AgentTest, ACrashIsSeenWithItsLastWords) {
  const auto guest = create("web1", true);
  host_.machines().crash(guest, "qemu: out of luck");
  ASSERT_TRUE(reaches("web1", GuestState::crashed, seconds(5)));
  EXPECT_EQ(status(guest).last_error, "qemu: out of luck");
  EXPECT_EQ(status(guest).crashes, 1u);
  cluster_.run_for(minutes(5));
  EXPECT_EQ(state("web1"), GuestState::crashed);  // nobody asked for a restart
}

TEST_F(AgentTest, AGuestThatPowersItselfOffIsStoppedInOneCommit) {
  const auto guest = create("web1", true);
  const auto before = cluster_.store().commits();
  host_.machines().power_off(guest);
  ASSERT_TRUE(reaches("web1", GuestState::stopped, seconds(5)));
  EXPECT_EQ(cluster_.store().commits() - before, 1u);
}

TEST_F(AgentTest, RestartsWithGrowingPauses) {
  const auto guest = create("web1", true, model::RestartPolicy::on_crash);
  for (const int expected : {1, 2, 4, 8, 16, 32, 60, 60}) {
    host_.machines().crash(guest);
    const auto pause = time_until_launch();
    EXPECT_GE(pause, seconds(expected));
    EXPECT_LT(pause, seconds(expected) + seconds(1));
    cluster_.run_for(seconds(1));
  }
  EXPECT_EQ(status(guest).crashes, 8u);
  // A wished start begins to count anew.
  ask_and_wait(cluster_, host_, requests::stop("web1"));
  ask_and_wait(cluster_, host_, requests::start("web1"));
  cluster_.run_for(seconds(1));
  host_.machines().crash(guest);
  EXPECT_LT(time_until_launch(), seconds(2));
  cluster_.run_for(seconds(1));
}

TEST_F(AgentTest, ARestartThatFailsIsTriedAgain) {
  const auto guest = create("web1", true, model::RestartPolicy::on_crash);
  for (int i = 0; i < 3; ++i) host_.machines().fail_next_launch("qemu: not now");
  host_.machines().crash(guest);
  ASSERT_TRUE(reaches("web1", GuestState::running, minutes(2)));
  cluster_.run_for(seconds(1));
}

TEST_F(AgentTest, ARestartOutlastsTheDaemon) {
  const auto guest = create("web1", true, model::RestartPolicy::on_crash);
  host_.machines().crash(guest);
  ASSERT_TRUE(reaches("web1", GuestState::crashed, seconds(1)));
  host_.kill();
  host_.start();
  EXPECT_TRUE(reaches("web1", GuestState::running, seconds(10)));
}

TEST_F(AgentTest, SomebodyMayDecideOtherwiseDuringThePause) {
  const auto guest = create("web1", true, model::RestartPolicy::on_crash);
  host_.machines().crash(guest);
  ASSERT_TRUE(reaches("web1", GuestState::crashed, seconds(1)));
  ask_and_wait(cluster_, host_, requests::remove("web1"));
  const auto launches = host_.machines().launches();
  cluster_.run_for(minutes(5));
  EXPECT_EQ(host_.machines().launches(), launches);
}

TEST_F(AgentTest, ARestartOutlastsAnAbsentStore) {
  const auto guest = create("web1", true, model::RestartPolicy::on_crash);
  host_.machines().crash(guest);
  ASSERT_TRUE(reaches("web1", GuestState::crashed, seconds(1)));
  auto faults = SimHost::Faults{};
  faults.store.unavailable = 1;
  host_.set_faults(faults);
  cluster_.run_for(minutes(2));
  host_.clear_faults();
  EXPECT_TRUE(reaches("web1", GuestState::running, minutes(3)));
}

TEST_F(AgentTest, WhatEndedWhileTheDaemonWasAwayIsSettled) {
  const auto crashed = create("web1", true);
  const auto off = create("web2", true);
  create("web3", true);
  host_.kill();
  host_.machines().crash(crashed, "qemu: nobody saw it");
  host_.machines().power_off(off);
  host_.start();
  wait_until_quiet(cluster_);
  EXPECT_EQ(state("web1"), GuestState::crashed);
  EXPECT_EQ(status(crashed).last_error, "qemu: nobody saw it");
  EXPECT_EQ(state("web2"), GuestState::stopped);
  EXPECT_EQ(state("web3"), GuestState::running);
}

TEST_F(AgentTest, AfterARebootGuestsAreStoppedAndAutostartedOnesRunAgain) {
  const auto plain = create("web1", true);
  create("web2", true, model::RestartPolicy::never, true);
  create("web3", false, model::RestartPolicy::never, true);
  const auto deleted = create("web4", false, model::RestartPolicy::never, true);
  ask_and_wait(cluster_, host_, requests::remove("web4"));
  host_.reboot();
  host_.start();
  EXPECT_TRUE(reaches("web2", GuestState::running, seconds(20)));
  EXPECT_TRUE(reaches("web3", GuestState::running, seconds(20)));
  wait_until_quiet(cluster_);
  EXPECT_EQ(state("web1"), GuestState::stopped);
  EXPECT_EQ(status(plain).last_error, "the host was restarted");
  EXPECT_EQ(host_.machines().find(deleted), nullptr);
  // Another start of the daemon is not another boot.
  ask_and_wait(cluster_, host_, requests::stop("web2"));
  host_.kill();
  host_.start();
  wait_until_quiet(cluster_);
  cluster_.run_for(minutes(1));
  EXPECT_EQ(state("web2"), GuestState::stopped);
}

TEST_F(AgentTest, ADaemonThatDiesDuringTheBootLeavesItToTheNext) {
  for (int i = 1; i <= 4; ++i)
    create("web" + std::to_string(i), true, model::RestartPolicy::never, true);
  host_.reboot();
  int execs = 0;
  cluster_.on_effect = [&](const SimEffect& effect, EffectMoment moment) {
    if (moment != EffectMoment::after || effect.what != "commit") return;
    if (++execs == 6) host_.sever();
  };
  host_.start();
  cluster_.run_until([&] { return !host_.is_running(); }, minutes(1));
  cluster_.on_effect = nullptr;
  host_.start();
  for (int i = 1; i <= 4; ++i) {
    EXPECT_TRUE(reaches("web" + std::to_string(i), GuestState::running, seconds(20))) << i;
  }
}

TEST_F(AgentTest, AGuestIsAdoptedAsItIs) {
  const auto guest = create("web1", true);
  const auto pid = host_.machines().find(guest)->pid;
  for (int i = 0; i < 3; ++i) {
    host_.kill();
    host_.start();
    wait_until_quiet(cluster_);
  }
  EXPECT_EQ(status(guest).pid, pid);
  EXPECT_TRUE(host_.control().agent().unmanaged().empty());
}

TEST_F(AgentTest, AMonitorThatHangsMakesTheGuestBrokenUntilItAnswers) {
  const auto guest = create("web1", true);
  const auto process = host_.machines().find(guest);
  host_.kill();
  process->hangs = true;
  host_.start();
  ASSERT_TRUE(reaches("web1", GuestState::broken, minutes(2)));
  process->hangs = false;
  ASSERT_TRUE(reaches("web1", GuestState::running, minutes(2)));
  EXPECT_EQ(host_.machines().find(guest), process);
}

TEST_F(AgentTest, AGuestThatDoesNotAnswerCanBeStopped) {
  const auto guest = create("web1", true);
  const auto process = host_.machines().find(guest);
  host_.kill();
  process->hangs = process->lies = true;
  host_.start();
  ASSERT_TRUE(reaches("web1", GuestState::broken, minutes(2)));
  const auto task = ask_and_wait(cluster_, host_, requests::stop("web1"));
  EXPECT_EQ(task.state, model::TaskState::done);
  EXPECT_FALSE(process->alive());
  EXPECT_EQ(state("web1"), GuestState::stopped);
}

TEST_F(AgentTest, AProcessOfAnotherEpochIsLeftAlone) {
  const auto guest = create("web1", false);
  FakeHypervisor before(host_.machines(), cluster_.world().clock());
  ports::MachineSpec spec;
  spec.guest = guest;
  spec.epoch = 7;
  spec.store_id = "memory";
  const auto machine = cluster_.world().run_now(before.launch(spec));
  cluster_.world().run(machine->power(ports::PowerAction::resume));
  host_.kill();
  host_.start();
  wait_until_quiet(cluster_);
  cluster_.run_for(minutes(1));
  ASSERT_EQ(host_.control().agent().unmanaged().size(), 1u);
  EXPECT_NE(host_.machines().find(guest), nullptr);
  // And nothing is launched beside it, until somebody has ended it.
  EXPECT_EQ(state("web1"), GuestState::broken);
  EXPECT_THROW(ask_and_wait(cluster_, host_, requests::start("web1")), Error);
  cluster_.world().run(before.clear(guest));
  EXPECT_TRUE(reaches("web1", GuestState::stopped, minutes(2)));
}

// The agent clears away a guest that powered itself off; before its slow call arrives, the guest is
// stopped and started again. The new process must not be hit.
TEST_F(AgentTest, TheAgentAndTheTasksTakeTurns) {
  const auto guest = create("web1", true);
  auto slow = SimHost::Faults{};
  slow.machines.min_latency = slow.machines.max_latency = seconds(10);
  host_.set_faults(slow);
  host_.machines().power_off(guest);
  cluster_.run_for(seconds(25));  // the look has asked for the status, its clearing is under way
  host_.clear_faults();
  const auto stop = ask(host_, "stop", requests::stop("web1", true));
  cluster_.run_for(std::chrono::milliseconds(100));
  const auto start = ask(host_, "start", requests::start("web1"));
  cluster_.run_for(minutes(1));
  wait_until_quiet(cluster_);
  if (!start->accepted) ask_and_wait(cluster_, host_, requests::start("web1"));
  cluster_.run_for(minutes(1));
  EXPECT_EQ(state("web1"), GuestState::running);
}

// --- tasks under changing circumstances ----------------------------------------------------------

TEST_F(AgentTest, AForcedStopEndsAStartThatIsUnderWay) {
  create("web1", false);
  auto faults = SimHost::Faults{};
  faults.machines.min_latency = faults.machines.max_latency = seconds(20);
  host_.set_faults(faults);
  const auto start = ask(host_, "start", requests::start("web1"));
  cluster_.run_for(seconds(30));  // in the middle of the launch
  const auto stop = ask(host_, "stop", requests::stop("web1", true));
  cluster_.run_for(seconds(1));
  host_.clear_faults();
  wait_until_quiet(cluster_);
  ASSERT_TRUE(start->accepted && stop->accepted);
  const auto truth = read_truth(cluster_.store());
  EXPECT_EQ(truth.tasks.at(start->accepted->task.id.value).state, model::TaskState::cancelled);
  EXPECT_EQ(truth.tasks.at(stop->accepted->task.id.value).state, model::TaskState::done);
  EXPECT_EQ(state("web1"), GuestState::stopped);
  EXPECT_THAT(host_.machines().processes(), IsEmpty());
}

TEST_F(AgentTest, ACancellationAtAnyMomentLeavesAllOrNothing) {
  auto slow = SimHost::Faults{};
  slow.store.min_latency = slow.store.max_latency = std::chrono::milliseconds(10);
  slow.volumes.min_latency = slow.volumes.max_latency = std::chrono::milliseconds(10);
  slow.machines.min_latency = slow.machines.max_latency = std::chrono::milliseconds(10);
  host_.set_faults(slow);
  int done = 0;
  int cancelled = 0;
  for (int after = 0; after < 220; after += 4) {
    const auto create = ask(host_, "create", requests::create_demo("web1", true));
    cluster_.run_until([&] { return create->came(); }, seconds(10));
    ASSERT_TRUE(create->accepted);
    const auto id = create->accepted->task.id;
    cluster_.run_for(std::chrono::milliseconds(after));
    auto cancel = [](core::HostControl& control, std::string task) -> Async<void> {
      try {
        co_await control.tasks().cancel({}, {task});
      } catch (const Error&) {
        // It was quicker.
      }
    };
    host_.spawn("cancel", cancel(host_.control(), to_text(id)));
    cluster_.run_for(seconds(1));
    wait_until_quiet(cluster_);
    ASSERT_THAT(check_at_rest(cluster_), IsEmpty()) << "cancelled after " << after << " ms";
    const auto ended = read_truth(cluster_.store()).tasks.at(id.value).state;
    if (ended == model::TaskState::done) {
      ++done;
      EXPECT_EQ(state("web1"), GuestState::running);
      ask_and_wait(cluster_, host_, requests::remove("web1", true, true));
    } else {
      ++cancelled;
      EXPECT_EQ(ended, model::TaskState::cancelled);
      EXPECT_EQ(guest_named(read_truth(cluster_.store()), "web1"), nullptr);
    }
  }
  EXPECT_GT(done, 0);
  EXPECT_GT(cancelled, 0);
}

// What the guest does between its first instruction and the end of its start task.
class DuringItsStart : public AgentTest {
 protected:
  void start_and(std::function<void(model::GuestId)> happen,
                 model::RestartPolicy policy = model::RestartPolicy::never) {
    guest_ = create("web1", false, policy);
    bool once = false;
    cluster_.on_effect = [this, once, happen](const SimEffect& effect,
                                              EffectMoment moment) mutable {
      if (once || moment != EffectMoment::after || !effect.what.starts_with("resume")) return;
      once = true;
      happen(guest_);
    };
    answer_ = ask(host_, "start", requests::start("web1"));
    cluster_.run_for(std::chrono::milliseconds(500));
  }
  model::GuestId guest_;
  std::shared_ptr<Answer> answer_;
};

TEST_F(DuringItsStart, ItPowersItselfOff) {
  start_and([this](model::GuestId guest) { host_.machines().power_off(guest); });
  wait_until_quiet(cluster_);
  EXPECT_TRUE(reaches("web1", GuestState::stopped, seconds(10)));
}

TEST_F(DuringItsStart, ItCrashes) {
  start_and([this](model::GuestId guest) { host_.machines().crash(guest, "qemu: early"); });
  wait_until_quiet(cluster_);
  // The start failed with QEMU's last words, and is taken back.
  EXPECT_EQ(state("web1"), GuestState::stopped);
  EXPECT_NE(status(guest_).last_error.find("qemu: early"), std::string::npos);
}

TEST_F(DuringItsStart, ItCrashesWhileTheDaemonIsDead) {
  start_and([this](model::GuestId guest) {
    host_.sever();
    host_.machines().crash(guest, "qemu: unseen");
  });
  cluster_.bury_severed();
  host_.start();
  wait_until_quiet(cluster_);
  // The task goes on where it was: it was asked to run, so it is started.
  EXPECT_EQ(state("web1"), GuestState::running);
}

TEST_F(DuringItsStart, ItPowersItselfOffWhileTheDaemonIsDead) {
  start_and([this](model::GuestId guest) {
    host_.sever();
    host_.machines().power_off(guest);
  });
  cluster_.bury_severed();
  host_.start();
  wait_until_quiet(cluster_);
  EXPECT_EQ(state("web1"), GuestState::stopped);
  const auto truth = read_truth(cluster_.store());
  EXPECT_EQ(truth.tasks.at(answer_->accepted->task.id.value).state, model::TaskState::done);
}

TEST_F(DuringItsStart, TheStoreGoesAwayForTenMinutes) {
  start_and([this](model::GuestId) { host_.partition(); });
  cluster_.run_for(minutes(10));
  const auto process = host_.machines().find(guest_);
  ASSERT_NE(process, nullptr);
  host_.heal();
  wait_until_quiet(cluster_);
  EXPECT_EQ(state("web1"), GuestState::running);
  EXPECT_EQ(host_.machines().find(guest_), process);
}

TEST_F(AgentTest, AFailedStartIsTakenBackInTheCommitThatEndsIt) {
  const auto guest = create("web1", false);
  host_.machines().fail_next_launch("qemu: no such machine");
  const auto before = cluster_.store().commits();
  const auto task = ask_and_wait(cluster_, host_, requests::start("web1"));
  EXPECT_EQ(task.state, model::TaskState::failed);
  EXPECT_EQ(task.error->reason, "hypervisor-failed");
  EXPECT_EQ(cluster_.store().commits() - before, 3u);  // accepted, on its way back, ended
  EXPECT_EQ(status(guest).state, GuestState::stopped);
  EXPECT_NE(status(guest).last_error.find("no such machine"), std::string::npos);
}

TEST_F(AgentTest, AFailedChangeIsTakenOutAgainWithItsName) {
  create("web1", false);
  auto faults = SimHost::Faults{};
  faults.volumes.unavailable = 1;
  host_.set_faults(faults);
  const auto task = ask_and_wait(cluster_, host_, requests::rename("web1", "web2"));
  EXPECT_EQ(task.state, model::TaskState::failed);
  host_.clear_faults();
  const auto truth = read_truth(cluster_.store());
  EXPECT_NE(guest_named(truth, "web1"), nullptr);
  EXPECT_FALSE(truth.names.contains("vm/web2"));
}

TEST_F(AgentTest, AGuestThatIgnoresThePowerButton) {
  const auto guest = create("web1", true);
  host_.machines().find(guest)->ignores_shutdown = true;
  const auto task = ask_and_wait(cluster_, host_, requests::shutdown("web1"));
  EXPECT_EQ(task.state, model::TaskState::failed);
  EXPECT_EQ(task.error->reason, "guest-ignored-shutdown");
  EXPECT_EQ(state("web1"), GuestState::running);
  const auto hard = ask_and_wait(cluster_, host_, requests::shutdown("web1", true));
  EXPECT_EQ(hard.state, model::TaskState::done);
  EXPECT_EQ(state("web1"), GuestState::stopped);
}

TEST_F(AgentTest, WhatARunningGuestLosesIsInItsStatus) {
  const auto guest = create("web1", true);
  const auto error = [&] {
    return read_truth(cluster_.store()).statuses.at(guest.value).last_error;
  };
  const auto process = host_.machines().find(guest);
  process->last_words = "its TPM ended";
  process->events.push_back({ports::MachineEventKind::io_error, process->last_words});
  process->changed.notify();
  ASSERT_TRUE(cluster_.run_until([&] { return error() == "its TPM ended"; }, seconds(10)));
  EXPECT_EQ(state("web1"), GuestState::running);
  // It is said beside what comes later, and gone with the process.
  host_.machines().stop(guest, model::PauseCause::watchdog);
  ASSERT_TRUE(cluster_.run_until(
      [&] { return error() == "it did not feed its watchdog; its TPM ended"; }, seconds(10)));
  ask_and_wait(cluster_, host_, requests::stop("web1", true));
  EXPECT_EQ(error(), "");
  ask_and_wait(cluster_, host_, requests::start("web1"));
  EXPECT_EQ(error(), "");
}

TEST_F(AgentTest, ADeletedGuestDoesNotGiveAwayAnothersName) {
  const auto first = create("web1", false);
  ask_and_wait(cluster_, host_, requests::remove("web1"));
  create("web1", false);
  EXPECT_THROW(ask_and_wait(cluster_, host_, requests::remove(to_text(first))), Error);
  EXPECT_THROW(ask_and_wait(cluster_, host_, requests::rename(to_text(first), "web2")), Error);
  EXPECT_THROW(ask_and_wait(cluster_, host_, requests::undelete("web1")), Error);
  const auto task = ask_and_wait(cluster_, host_, requests::undelete("web1", "web2"));
  EXPECT_EQ(task.state, model::TaskState::done);
  EXPECT_EQ(guest_named(read_truth(cluster_.store()), "web2")->id, first);
}

TEST_F(AgentTest, AnImageIsNotRemovedUnderAGuestThatIsBeingMade) {
  auto slow = SimHost::Faults{};
  slow.volumes.min_latency = slow.volumes.max_latency = seconds(2);
  host_.set_faults(slow);
  const auto remove = ask(host_, "remove", requests::remove_image("demo"));
  const auto create = ask(host_, "create", requests::create_demo("web1"));
  cluster_.run_for(seconds(1));
  ASSERT_TRUE(remove->accepted);
  ASSERT_TRUE(create->refused);
  EXPECT_EQ(create->refused->reason(), Reason::claimed);
  host_.clear_faults();
  wait_until_quiet(cluster_);
}

}  // namespace
}  // namespace ruche::sim
