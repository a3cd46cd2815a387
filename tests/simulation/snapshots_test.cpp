// Snapshots: taken, gone back to, deleted, and what the disks show then.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sim_client.hpp"

namespace ruche::sim {
namespace {

using model::GuestState;
using model::TaskState;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::IsEmpty;

class SnapshotsTest : public testing::Test {
 protected:
  SnapshotsTest() : cluster_(1), host_(cluster_.add_host("alpha")) {
    start_all(cluster_);
    import_demo(cluster_, host_, "local");
  }
  ~SnapshotsTest() override {
    wait_until_quiet(cluster_);
    EXPECT_THAT(check_at_rest(cluster_), IsEmpty());
    EXPECT_THAT(cluster_.errors(), IsEmpty());
  }

  void create(const std::string& name, bool start = true,
              std::function<void(model::CreateVm&)> more = {}) {
    model::CreateVm request;
    request.name = name;
    request.image = "demo";
    request.start = start;
    if (more) more(request);
    done(requests::create(request));
  }
  model::Task run(const Request& request) {
    auto task = ask_and_wait(cluster_, host_, request);
    wait_until_quiet(cluster_);
    return task;
  }
  void done(const Request& request) {
    const auto task = run(request);
    ASSERT_EQ(task.state, TaskState::done) << (task.error ? task.error->message : "");
  }
  void take(const std::string& name, bool memory = false) {
    done(requests::snapshot("web1", name, memory));
  }
  std::string refusal(const Request& request) {
    try {
      run(request);
    } catch (const Error& error) {
      return error.full_message() + "; " + error.remedy_text();
    }
    return "accepted";
  }
  // Its CPUs stand still and go on: something more is on its disks then.
  void work() {
    done(requests::pause("web1"));
    done(requests::resume("web1"));
  }
  StoreTruth truth() { return read_truth(cluster_.store()); }
  model::Guest web1() { return *guest_named(truth(), "web1"); }
  GuestState state(const std::string& name = "web1") { return state_of(truth(), name); }
  std::shared_ptr<SimProcess> process() { return host_.machines().find(web1().id); }
  std::map<std::string, model::Snapshot> snapshots() { return snapshots_of(truth(), "web1"); }
  std::string parent_of(const std::string& name) {
    const auto all = snapshots();
    const auto parent = all.at(name).parent;
    return called(all, parent);
  }
  std::string current() { return called(snapshots(), web1().snapshot); }
  static std::string called(const std::map<std::string, model::Snapshot>& all,
                            std::optional<model::SnapshotId> id) {
    for (const auto& [name, snapshot] : all) {
      if (snapshot.id == id) return name;
    }
    return "";
  }
  Writes kept(const std::string& name) {
    return shown_of(cluster_, snapshots().at(name).spec.disks.at(0).layer);
  }
  Writes shows() { return shown_of(cluster_, "web1"); }
  std::size_t depth() { return process()->spec.disks.at(0).chain.size(); }
  FakePlace& place() {
    return cluster_.storage().place(truth().datastores.begin()->second, "alpha");
  }
  std::size_t files(const std::string& ending) {
    std::size_t count = 0;
    for (const auto& [file, volume] : place().volumes) count += file.ends_with(ending);
    return count;
  }
  // The daemon dies right after something that it does.
  void die_after(const std::string& what) {
    cluster_.on_effect = [this, what](const SimEffect& effect, EffectMoment moment) {
      if (moment == EffectMoment::after && effect.what.starts_with(what)) host_.sever();
    };
  }
  void wait_for_death() {
    ASSERT_TRUE(cluster_.run_until([&] { return !host_.is_running(); }, seconds(60)));
    cluster_.on_effect = nullptr;
  }
  void come_back() {
    host_.start();
    wait_until_quiet(cluster_);
  }

  SimCluster cluster_;
  SimHost& host_;
};

TEST_F(SnapshotsTest, ARunningGuestGoesOnInALayerOfItsOwn) {
  create("web1");
  const auto before = shows();
  take("before");
  EXPECT_EQ(state(), GuestState::running);
  EXPECT_EQ(depth(), 3u);
  EXPECT_TRUE(begins_with(kept("before"), before));
  EXPECT_LT(kept("before").size(), shows().size()) << "it did not go on";
  EXPECT_EQ(current(), "before");
  EXPECT_TRUE(snapshots().at("before").crash_consistent);
  work();
  take("after");
  EXPECT_EQ(parent_of("after"), "before");
  EXPECT_EQ(parent_of("before"), "");
  EXPECT_GT(kept("after").size(), kept("before").size());
}

TEST_F(SnapshotsTest, AStoppedGuestToo) {
  create("web1", false);
  take("before");
  EXPECT_FALSE(snapshots().at("before").crash_consistent);
  EXPECT_EQ(kept("before"), shows());
  done(requests::start("web1"));
  EXPECT_GT(shows().size(), kept("before").size());
  EXPECT_EQ(depth(), 3u);
}

TEST_F(SnapshotsTest, GoingBackToEveryOneOfATree) {
  create("web1");
  for (const auto* name : {"one", "two", "three"}) {
    take(name);
    work();
  }
  for (const auto* name : {"one", "three", "two", "one"}) {
    SCOPED_TRACE(name);
    const auto then = kept(name);
    done(requests::revert("web1", name));
    EXPECT_EQ(state(), GuestState::stopped);
    EXPECT_EQ(shows(), then);
    EXPECT_EQ(current(), name);
    done(requests::start("web1"));
    EXPECT_TRUE(begins_with(shows(), then));
    EXPECT_EQ(kept(name), then);
  }
  take("branch");
  EXPECT_EQ(parent_of("branch"), "one");
  EXPECT_EQ(snapshots().size(), 4u);
}

TEST_F(SnapshotsTest, GoingBackMayStartItAtOnce) {
  create("web1");
  take("before");
  const auto then = kept("before");
  work();
  done(requests::revert("web1", "before", true));
  EXPECT_EQ(state(), GuestState::running);
  EXPECT_TRUE(begins_with(shows(), then));
  EXPECT_EQ(shows().size(), then.size() + 1);
}

TEST_F(SnapshotsTest, GoingBackBringsTheHardwareOfThen) {
  create("web1", false);
  take("before");
  done(requests::add_disk({.vm = "web1", .size = mib(32)}));
  done(requests::edit("web1", [](auto& edit) { edit.cpus = 3; }));
  take("after");
  done(requests::revert("web1", "before"));
  EXPECT_EQ(web1().spec.disks.size(), 1u);
  EXPECT_EQ(web1().spec.cpus, 1u);
  done(requests::revert("web1", "after"));
  EXPECT_EQ(web1().spec.disks.size(), 2u);
  EXPECT_EQ(web1().spec.cpus, 3u);
}

TEST_F(SnapshotsTest, WithMemoryItGoesOnFromThatInstant) {
  create("web1", true, [](auto& r) {
    r.memory = mib(256);
    r.memory_max = gib(1);
  });
  done(requests::add_disk({.vm = "web1", .size = mib(32)}));
  take("before", true);
  EXPECT_EQ(state(), GuestState::running);
  EXPECT_FALSE(snapshots().at("before").crash_consistent);
  EXPECT_EQ(files(".memory"), 1u);
  const auto then = kept("before");
  work();
  done(requests::remove_disk("web1", "disk1"));
  for (int again = 0; again < 2; ++again) {
    done(requests::revert("web1", "before"));
    EXPECT_EQ(state(), GuestState::running);
    EXPECT_EQ(process()->spec.spec.disks.size(), 2u);
    EXPECT_TRUE(begins_with(shows(), then));
    EXPECT_EQ(kept("before"), then);
    EXPECT_EQ(files(".memory"), 1u) << "it stays for the next time";
  }
  done(requests::delete_snapshot("web1", "before"));
  EXPECT_EQ(files(".memory"), 0u);
}

TEST_F(SnapshotsTest, TheFirmwareGoesBackToo) {
  create("web1", true, [](auto& r) { r.boot = model::BootKind::uefi; });
  take("before", true);
  EXPECT_EQ(files(".vars"), 2u);
  work();
  done(requests::revert("web1", "before"));
  EXPECT_EQ(state(), GuestState::running);
  done(requests::delete_snapshot("web1", "before"));
  EXPECT_EQ(files(".vars"), 1u);
}

TEST_F(SnapshotsTest, WhereWritesCannotBeTrackedItStandsStillMeanwhile) {
  create("web1");
  host_.machines().capabilities.no_write_tracking = "no userfaultfd";
  take("slow", true);
  EXPECT_EQ(state(), GuestState::running);
  EXPECT_GE(snapshots().at("slow").pause, Duration{1'000});
}

TEST_F(SnapshotsTest, APausedOneStaysPaused) {
  create("web1");
  done(requests::pause("web1"));
  take("disks");
  EXPECT_EQ(state(), GuestState::paused);
  take("memory", true);
  EXPECT_EQ(state(), GuestState::paused);
  EXPECT_EQ(process()->state, ports::MachineState::paused);
  done(requests::resume("web1"));
  EXPECT_GT(shows().size(), kept("memory").size());
}

TEST_F(SnapshotsTest, TheAgentFreezesForTheInstant) {
  host_.machines().with_agents = true;
  create("web1");
  cluster_.run_for(seconds(5));
  done(requests::snapshot(model::CreateSnapshot{"web1", "quiet", {}, false, true}));
  EXPECT_FALSE(process()->agent.frozen);
  EXPECT_TRUE(snapshots().at("quiet").quiesced);
  EXPECT_FALSE(snapshots().at("quiet").crash_consistent);
}

TEST_F(SnapshotsTest, DeletingMergesUpwards) {
  create("web1");
  for (const auto* name : {"one", "two", "three"}) {
    take(name);
    work();
  }
  const auto top = shows();
  const auto three = kept("three");
  ASSERT_EQ(depth(), 5u);
  done(requests::delete_snapshot("web1", "two"));  // in the middle
  EXPECT_EQ(parent_of("three"), "one");
  EXPECT_EQ(depth(), 4u);
  done(requests::delete_snapshot("web1", "one"));  // the root
  EXPECT_EQ(parent_of("three"), "");
  EXPECT_EQ(depth(), 3u);
  EXPECT_EQ(kept("three"), three);
  done(requests::delete_snapshot("web1", "three"));  // the leaf
  EXPECT_EQ(depth(), 2u);
  EXPECT_EQ(shows(), top);
  EXPECT_EQ(current(), "");
  EXPECT_EQ(files(".qcow2"), 2u);
}

TEST_F(SnapshotsTest, DeletingWhileItIsStopped) {
  create("web1");
  take("one");
  work();
  take("two");
  done(requests::stop("web1", true));
  const auto top = shows();
  done(requests::delete_snapshot("web1", "one"));
  done(requests::delete_snapshot("web1", "two"));
  EXPECT_EQ(shows(), top);
  EXPECT_EQ(files(".qcow2"), 2u);
}

TEST_F(SnapshotsTest, DeletingWithAllThatCameAfter) {
  create("web1");
  for (const auto* name : {"one", "two", "three"}) take(name);
  done(requests::revert("web1", "two", true));
  take("branch");
  done(requests::delete_snapshot("web1", "two", true));
  EXPECT_EQ(snapshots().size(), 1u);
  EXPECT_EQ(current(), "one");
  EXPECT_EQ(depth(), 3u);
  EXPECT_EQ(files(".qcow2"), 3u);
}

TEST_F(SnapshotsTest, ALeafOfAnotherBranchGoesWithItsLayers) {
  create("web1");
  take("one");
  work();
  take("two");
  done(requests::revert("web1", "one"));
  const auto then = shows();
  done(requests::delete_snapshot("web1", "two"));
  EXPECT_EQ(files(".qcow2"), 3u);
  EXPECT_EQ(shows(), then);
}

TEST_F(SnapshotsTest, FlatItStandsOnNothing) {
  create("web1");
  done(requests::flatten("web1"));
  EXPECT_EQ(depth(), 1u);
  done(requests::stop("web1", true));
  EXPECT_EQ(run(requests::remove_image("demo")).state, TaskState::done);
}

TEST_F(SnapshotsTest, WhatStandsOnALayerKeepsIt) {
  create("web1");
  take("base");
  work();
  const auto then = kept("base");
  model::CloneVm copy;
  copy.vm = "web1";
  copy.name = "web2";
  copy.linked = true;
  copy.snapshot = "base";
  done(requests::clone(copy));
  EXPECT_EQ(shown_of(cluster_, "web2"), then);
  done(requests::delete_snapshot("web1", "base"));
  EXPECT_EQ(depth(), 3u) << "the copy stands on it still";
  EXPECT_EQ(shown_of(cluster_, "web2"), then);
  done(requests::remove("web2", true));
  cluster_.run_for(std::chrono::minutes(3));
  wait_until_quiet(cluster_);
  EXPECT_EQ(depth(), 2u);
}

TEST_F(SnapshotsTest, TidyingGivesWay) {
  create("web1");
  take("base");
  work();
  take("later");
  model::CloneVm copy;
  copy.vm = "web1";
  copy.name = "web2";
  copy.linked = true;
  copy.snapshot = "base";
  done(requests::clone(copy));
  done(requests::delete_snapshot("web1", "base"));
  const auto removed = ask(host_, "remove", requests::remove("web2", true));
  const auto tidies = [&] { return process()->merge.has_value(); };
  ASSERT_TRUE(cluster_.run_until(tidies, std::chrono::minutes(3)));
  done(requests::delete_snapshot("web1", "later"));
  EXPECT_THAT(snapshots(), IsEmpty());
  cluster_.run_for(std::chrono::minutes(3));
  wait_until_quiet(cluster_);
  EXPECT_EQ(depth(), 2u);
}

TEST_F(SnapshotsTest, PurgingAGuestTakesItsSnapshotsAlong) {
  create("web1");
  take("one", true);
  take("two");
  done(requests::remove("web1", true, true));
  EXPECT_THAT(truth().snapshots, IsEmpty());
  EXPECT_EQ(files(".qcow2"), 1u);
  EXPECT_EQ(files(".memory"), 0u);
}

TEST_F(SnapshotsTest, WhatCannotBeIsRefused) {
  create("web1", false);
  EXPECT_THAT(refusal(requests::snapshot("web1", "warm", true)), HasSubstr("memory"));
  EXPECT_THAT(refusal(requests::snapshot(model::CreateSnapshot{"web1", "quiet", {}, false, true})),
              HasSubstr("quiesce"));
  EXPECT_THAT(refusal(requests::revert("web1", "nothing")), HasSubstr("snapshot tree web1"));
  EXPECT_THAT(refusal(requests::delete_snapshot("web1", "nothing")), HasSubstr("nothing"));
  take("one");
  EXPECT_THAT(refusal(requests::snapshot("web1", "one")), HasSubstr("one"));
  done(requests::start("web1"));
  done(requests::add_disk({.vm = "web1", .size = mib(32), .bus = model::DiskBus::nvme}));
  EXPECT_THAT(refusal(requests::snapshot("web1", "two", true)), HasSubstr("disk1"));
  done(requests::remove_disk("web1", "disk1"));
  done(requests::suspend("web1"));
  EXPECT_THAT(refusal(requests::snapshot("web1", "two")), HasSubstr("suspended"));
}

TEST_F(SnapshotsTest, NothingOfOneThatFailsIsLeft) {
  create("web1");
  const auto answer = ask(host_, "snapshot", requests::snapshot("web1", "warm", true));
  cluster_.run_for(Duration{500});
  place().other_use = place().capacity;
  cluster_.run_for(seconds(5));
  ASSERT_TRUE(answer->accepted);
  EXPECT_EQ(truth().tasks.at(answer->accepted->task.id.value).state, TaskState::failed);
  EXPECT_THAT(snapshots(), IsEmpty());
  EXPECT_EQ(state(), GuestState::running);
  EXPECT_EQ(process()->state, ports::MachineState::running);
  place().other_use = {};
  cluster_.run_for(std::chrono::minutes(3));
  wait_until_quiet(cluster_);
  EXPECT_EQ(depth(), 2u) << "the cut was merged again";
  EXPECT_EQ(files(".memory"), 0u);
}

TEST_F(SnapshotsTest, OneThatIsCancelledLeavesTheGuestRunning) {
  create("web1");
  const auto answer = ask(host_, "snapshot", requests::snapshot("web1", "warm", true));
  cluster_.run_for(Duration{500});
  ASSERT_TRUE(answer->accepted);
  auto cancel = [](core::HostControl& control, std::string task) -> Async<void> {
    co_await control.tasks().cancel({}, {task});
  };
  host_.spawn("cancel", cancel(host_.control(), to_text(answer->accepted->task.id)));
  wait_until_quiet(cluster_);
  EXPECT_EQ(truth().tasks.at(answer->accepted->task.id.value).state, TaskState::cancelled);
  EXPECT_THAT(snapshots(), IsEmpty());
  EXPECT_EQ(process()->state, ports::MachineState::running);
}

TEST_F(SnapshotsTest, AMonitorThatHangsDelaysItOnly) {
  create("web1");
  const auto answer = ask(host_, "snapshot", requests::snapshot("web1", "warm", true));
  cluster_.run_for(Duration{500});
  process()->hangs = true;
  cluster_.run_for(seconds(2));
  process()->hangs = false;
  wait_until_quiet(cluster_);
  ASSERT_TRUE(answer->accepted);
  EXPECT_EQ(snapshots().size(), 1u);
}

TEST_F(SnapshotsTest, AProcessThatEndsMeanwhileHasCrashed) {
  create("web1");
  const auto answer = ask(host_, "snapshot", requests::snapshot("web1", "warm", true));
  cluster_.run_for(Duration{500});
  host_.machines().crash(web1().id);
  wait_until_quiet(cluster_);
  EXPECT_EQ(state(), GuestState::crashed);
  EXPECT_THAT(snapshots(), IsEmpty());
  done(requests::start("web1"));
}

TEST_F(SnapshotsTest, ItsProcessEndsWhileTheDaemonIsDeadRightAfterTheCut) {
  for (const bool memory : {false, true}) {
    SCOPED_TRACE(memory);
    create("web1");
    die_after("cut");
    ask(host_, "snapshot", requests::snapshot("web1", "before", memory));
    wait_for_death();
    host_.machines().crash(web1().id);
    come_back();
    EXPECT_EQ(state(), GuestState::crashed);
    EXPECT_THAT(check_at_rest(cluster_), IsEmpty());
    done(requests::start("web1"));
    done(requests::remove("web1", true, true));
  }
}

TEST_F(SnapshotsTest, AnInstantThatHasPassedIsNotCaughtAgain) {
  create("web1");
  for (const auto* what : {"go on", "cut", "stop"}) {
    SCOPED_TRACE(what);
    die_after(what);
    ask(host_, "snapshot", requests::snapshot("web1", "warm", true));
    wait_for_death();
    cluster_.run_for(seconds(30));
    come_back();
    EXPECT_EQ(state(), GuestState::running);
    EXPECT_EQ(process()->state, ports::MachineState::running);
    // Before the cut it had not come yet.
    EXPECT_EQ(snapshots().size(), what == std::string("stop") ? 1u : 0u);
    cluster_.run_for(std::chrono::minutes(3));
    wait_until_quiet(cluster_);
    EXPECT_EQ(depth(), 2u + snapshots().size()) << "the cut was merged again";
  }
  done(requests::revert("web1", "warm"));
  EXPECT_EQ(state(), GuestState::running);
}

TEST_F(SnapshotsTest, AStopDoesNotWaitForAMerge) {
  create("web1");
  take("one");
  work();
  const auto answer = ask(host_, "delete", requests::delete_snapshot("web1", "one"));
  cluster_.run_for(Duration{500});
  ASSERT_TRUE(process()->merge);
  const auto stopped = ask(host_, "stop", requests::stop("web1"));
  cluster_.run_for(seconds(10));
  ASSERT_TRUE(stopped->accepted);
  EXPECT_EQ(state(), GuestState::stopped);
  const auto top = shows();
  cluster_.run_for(std::chrono::minutes(3));
  wait_until_quiet(cluster_);
  if (!snapshots().empty()) done(requests::delete_snapshot("web1", "one"));
  EXPECT_EQ(shows(), top);
  EXPECT_EQ(files(".qcow2"), 2u);
}

TEST_F(SnapshotsTest, AMergeThatEndsWhileNoDaemonLooksIsFound) {
  create("web1");
  take("one");
  work();
  die_after("merge in");
  ask(host_, "delete", requests::delete_snapshot("web1", "one"));
  wait_for_death();
  const auto top = shows();
  cluster_.run_for(seconds(30));
  EXPECT_FALSE(process()->merge);
  EXPECT_EQ(depth(), 2u);
  come_back();
  EXPECT_THAT(snapshots(), IsEmpty());
  EXPECT_EQ(files(".qcow2"), 2u);
  EXPECT_EQ(shows(), top);
}

TEST_F(SnapshotsTest, AFailedStartOnTheWayBackTakesItBack) {
  create("web1");
  take("warm", true);
  work();
  const auto top = shows();
  done(requests::stop("web1", true));
  host_.machines().fail_next_launch("qemu: no");
  EXPECT_EQ(run(requests::revert("web1", "warm")).state, TaskState::failed);
  EXPECT_TRUE(begins_with(shows(), top)) << "what it had been since is lost";
  done(requests::revert("web1", "warm"));
  EXPECT_EQ(state(), GuestState::running);
}

TEST_F(SnapshotsTest, FiftyDeep) {
  create("web1");
  for (int i = 0; i < 50; ++i) take("s" + std::to_string(i));
  EXPECT_EQ(depth(), 52u);
  EXPECT_EQ(parent_of("s49"), "s48");
  const auto then = kept("s0");
  done(requests::revert("web1", "s0", true));
  EXPECT_TRUE(begins_with(shows(), then));
  done(requests::revert("web1", "s49", true));
  done(requests::delete_snapshot("web1", "s0", true));
  EXPECT_EQ(depth(), 2u);
  EXPECT_EQ(files(".qcow2"), 2u);
}

}  // namespace
}  // namespace ruche::sim
