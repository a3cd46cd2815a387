// Guests that are suspended to disk and go on from there.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/guests/host_shutdown.hpp"
#include "sim_client.hpp"

namespace ruche::sim {
namespace {

using model::GuestState;
using model::TaskState;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class SuspendTest : public testing::Test {
 protected:
  SuspendTest() : cluster_(1), host_(cluster_.add_host("alpha")) {
    start_all(cluster_);
    import_demo(cluster_, host_, "local");
  }
  ~SuspendTest() override {
    wait_until_quiet(cluster_);
    EXPECT_THAT(check_at_rest(cluster_), IsEmpty());
    EXPECT_THAT(cluster_.errors(), IsEmpty());
  }

  void create(const std::string& name, std::function<void(model::CreateVm&)> more = {}) {
    model::CreateVm request;
    request.name = name;
    request.image = "demo";
    request.start = true;
    if (more) more(request);
    ASSERT_EQ(run(requests::create(request)).state, TaskState::done);
  }
  model::Task run(const Request& request) { return ask_and_wait(cluster_, host_, request); }
  std::string refusal(const Request& request) {
    try {
      run(request);
    } catch (const Error& error) {
      return error.full_message() + "; " + error.remedy_text();
    }
    return "accepted";
  }
  model::GuestId id(const std::string& name) {
    return guest_named(read_truth(cluster_.store()), name)->id;
  }
  model::GuestStatus status(const std::string& name) {
    return read_truth(cluster_.store()).statuses.at(id(name).value);
  }
  GuestState state(const std::string& name) { return status(name).state; }
  model::Placement placement(const std::string& name) {
    return read_truth(cluster_.store()).placements.at(id(name).value);
  }
  FakePlace& place() {
    const auto truth = read_truth(cluster_.store());
    return cluster_.storage().place(truth.datastores.begin()->second, "alpha");
  }
  std::size_t memories() {
    std::size_t count = 0;
    for (const auto& [file, volume] : place().volumes) count += file.ends_with(".memory");
    return count;
  }
  Async<void> shut_down() {
    auto& control = host_.control();
    core::HostShutdown shutdown(
        {control.guests(), control.inventory(), cluster_.world().clock(), log_, control.self()});
    co_await shutdown.run(seconds(60));
  }

  SimCluster cluster_;
  SimHost& host_;
  MemoryLog log_;
};

TEST_F(SuspendTest, HoldsNothingUntilItGoesOn) {
  create("web1");
  ASSERT_EQ(run(requests::suspend("web1")).state, TaskState::done);
  EXPECT_EQ(state("web1"), GuestState::suspended);
  EXPECT_EQ(host_.machines().find(id("web1")), nullptr);
  EXPECT_EQ(placement("web1").reserved, model::Reservation{});
  EXPECT_GT(status("web1").saved->size.count, 0);
  EXPECT_EQ(memories(), 1u);
  ASSERT_EQ(run(requests::resume("web1")).state, TaskState::done);
  EXPECT_EQ(state("web1"), GuestState::running);
  EXPECT_EQ(memories(), 0u);
}

TEST_F(SuspendTest, AStartGoesOnToo) {
  create("web1");
  run(requests::suspend("web1"));
  ASSERT_EQ(run(requests::start("web1")).state, TaskState::done);
  EXPECT_EQ(state("web1"), GuestState::running);
}

TEST_F(SuspendTest, WhatWasChangedWhileItRanComesBack) {
  create("web1", [](auto& r) {
    r.memory = mib(256);
    r.memory_max = gib(1);
  });
  run(requests::add_disk({.vm = "web1", .size = mib(32)}));
  run(requests::edit("web1", [](auto& edit) {
    edit.cpus = 2;
    edit.memory = mib(512);
  }));
  run(requests::remove_nic("web1", "nic0"));
  run(requests::suspend("web1"));
  ASSERT_EQ(run(requests::resume("web1")).state, TaskState::done);
  const auto process = host_.machines().find(id("web1"));
  EXPECT_EQ(process->spec.spec.disks.size(), 2u);
  EXPECT_EQ(process->spec.spec.memory, mib(512));
  EXPECT_EQ(process->base_memory, mib(256));
  EXPECT_EQ(status("web1").running->base_memory, mib(256));
  // And once more, and smaller again.
  run(requests::edit("web1", [](auto& edit) { edit.memory = mib(256); }));
  run(requests::suspend("web1"));
  EXPECT_EQ(run(requests::resume("web1")).state, TaskState::done);
}

TEST_F(SuspendTest, WhatWaitsForARestartGoesOnWaiting) {
  create("web1");
  run(requests::edit("web1", [](auto& edit) { edit.memory = gib(1); }));
  run(requests::suspend("web1"));
  run(requests::resume("web1"));
  EXPECT_EQ(status("web1").running->spec.memory, mib(512));
  EXPECT_EQ(host_.machines().find(id("web1"))->spec.spec.memory, mib(512));
}

TEST_F(SuspendTest, ItsHardwareStaysAsItIs) {
  create("web1");
  run(requests::suspend("web1"));
  EXPECT_THAT(refusal(requests::edit("web1", [](auto& edit) { edit.cpus = 3; })),
              HasSubstr("suspended"));
  EXPECT_THAT(refusal(requests::remove_disk("web1", "disk0")), HasSubstr("suspended"));
  EXPECT_THAT(refusal(requests::grow_disk("web1", "disk0", gib(2))), HasSubstr("suspended"));
  EXPECT_EQ(run(requests::rename("web1", "web2")).state, TaskState::done);
  EXPECT_EQ(run(requests::resume("web2")).state, TaskState::done);
}

TEST_F(SuspendTest, ADeviceThatCannotBeSavedIsNamed) {
  create("web1");
  run(requests::add_disk({.vm = "web1", .size = mib(32), .bus = model::DiskBus::nvme}));
  EXPECT_THAT(refusal(requests::suspend("web1")), HasSubstr("disk1"));
  EXPECT_EQ(state("web1"), GuestState::running);
}

TEST_F(SuspendTest, RefusesWhatHasNoRoom) {
  create("web1");
  place().other_use = place().capacity - mib(300);
  cluster_.run_for(seconds(60));
  EXPECT_THAT(refusal(requests::suspend("web1")), HasSubstr("512 MiB"));
}

TEST_F(SuspendTest, AGuestWhoseProcessEndsMeanwhileHasCrashed) {
  create("web1");
  const auto answer = ask(host_, "suspend", requests::suspend("web1"));
  cluster_.run_for(Duration{300});
  host_.machines().crash(id("web1"));
  ASSERT_TRUE(
      cluster_.run_until([&] { return state("web1") == GuestState::crashed; }, seconds(60)));
  EXPECT_EQ(memories(), 0u);
}

TEST_F(SuspendTest, OneThatIsCancelledGoesOn) {
  create("web1");
  const auto answer = ask(host_, "suspend", requests::suspend("web1"));
  cluster_.run_for(Duration{300});
  ASSERT_TRUE(answer->accepted);
  auto cancel = [](core::HostControl& control, std::string task) -> Async<void> {
    co_await control.tasks().cancel({}, {task});
  };
  host_.spawn("cancel", cancel(host_.control(), to_text(answer->accepted->task.id)));
  cluster_.run_for(seconds(5));
  EXPECT_EQ(state("web1"), GuestState::running);
  EXPECT_EQ(host_.machines().find(id("web1"))->state, ports::MachineState::running);
  EXPECT_EQ(memories(), 0u);
}

TEST_F(SuspendTest, AFailedStartLeavesItSuspended) {
  create("web1");
  run(requests::suspend("web1"));
  host_.machines().fail_next_launch("qemu: no");
  EXPECT_EQ(run(requests::resume("web1")).state, TaskState::failed);
  EXPECT_EQ(state("web1"), GuestState::suspended);
  EXPECT_THAT(status("web1").last_error, HasSubstr("qemu: no"));
  EXPECT_EQ(placement("web1").reserved, model::Reservation{});
  EXPECT_EQ(run(requests::resume("web1")).state, TaskState::done);
}

TEST_F(SuspendTest, ItOutlivesItsHost) {
  create("web1", [](auto& r) { r.autostart = true; });
  create("web2");
  run(requests::suspend("web1"));
  run(requests::suspend("web2"));
  host_.sever();
  host_.machines().reboot();
  cluster_.run_for(seconds(1));
  host_.start();
  ASSERT_TRUE(
      cluster_.run_until([&] { return state("web1") == GuestState::running; }, seconds(60)));
  EXPECT_EQ(state("web2"), GuestState::suspended);
}

TEST_F(SuspendTest, GivenUpItStartsFromItsDisks) {
  create("web1");
  run(requests::suspend("web1"));
  EXPECT_THAT(refusal(requests::stop("web1")), HasSubstr("vm discard web1"));
  ASSERT_EQ(run(requests::discard("web1")).state, TaskState::done);
  EXPECT_EQ(state("web1"), GuestState::stopped);
  EXPECT_FALSE(status("web1").running);
  EXPECT_EQ(memories(), 0u);
  EXPECT_EQ(run(requests::start("web1")).state, TaskState::done);
}

// Its memory is in the recycle bin with it, and comes back with it.
TEST_F(SuspendTest, DeletedAndUndeletedItGoesOn) {
  create("web1");
  const auto guest = id("web1");
  const auto process = [&] { return host_.machines().find(guest); };
  for (const std::string name : {"web1", "web2"}) {
    const auto old_name = read_truth(cluster_.store()).guests.at(guest.value).name;
    ASSERT_EQ(run(requests::suspend(old_name)).state, TaskState::done);
    ASSERT_EQ(run(requests::remove(old_name)).state, TaskState::done);
    cluster_.run_for(seconds(60));
    EXPECT_EQ(memories(), 1u);
    EXPECT_THAT(refusal(requests::resume(old_name)), Not(HasSubstr("accepted")));
    EXPECT_EQ(process(), nullptr);
    ASSERT_EQ(run(requests::undelete(old_name, name)).state, TaskState::done);
    EXPECT_EQ(state(name), GuestState::suspended);
    EXPECT_EQ(placement(name).reserved, model::Reservation{});
    ASSERT_EQ(run(requests::resume(name)).state, TaskState::done);
    EXPECT_EQ(state(name), GuestState::running);
    EXPECT_EQ(memories(), 0u);
  }
}

TEST_F(SuspendTest, PurgedFromTheRecycleBinItsMemoryGoes) {
  create("web1");
  run(requests::suspend("web1"));
  const auto guest = to_text(id("web1"));
  ASSERT_EQ(run(requests::remove("web1")).state, TaskState::done);
  ASSERT_EQ(run(requests::remove(guest, true)).state, TaskState::done);
  EXPECT_EQ(memories(), 0u);
}

TEST_F(SuspendTest, AHostThatGoesDownSuspendsThoseThatWantIt) {
  create("web1", [](auto& r) { r.on_host_shutdown = model::HostShutdownAction::suspend; });
  create("web2");
  create("web3", [](auto& r) { r.on_host_shutdown = model::HostShutdownAction::suspend; });
  run(requests::add_disk({.vm = "web3", .size = mib(32), .bus = model::DiskBus::nvme}));
  host_.spawn("shutdown", shut_down());
  ASSERT_TRUE(cluster_.run_until(
      [&] {
        return state("web1") == GuestState::suspended && state("web2") == GuestState::stopped &&
               state("web3") == GuestState::stopped;
      },
      seconds(60)));
}

}  // namespace
}  // namespace ruche::sim
