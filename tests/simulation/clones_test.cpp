// Copies of guests, of snapshots and of templates, and snapshots that are taken by themselves.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "copy_requests.hpp"
#include "core/snapshots/copy_plans.hpp"

namespace ruche::sim {
namespace {

using model::GuestState;
using model::TaskState;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class ClonesTest : public testing::Test {
 protected:
  ClonesTest() : cluster_(1), host_(cluster_.add_host("alpha")) {
    start_all(cluster_);
    import_demo(cluster_, host_, "local");
  }
  ~ClonesTest() override {
    wait_until_quiet(cluster_);
    EXPECT_THAT(check_at_rest(cluster_), IsEmpty());
    EXPECT_THAT(cluster_.errors(), IsEmpty());
  }

  model::Task run(const Request& request) { return ask_and_wait(cluster_, host_, request); }
  void create(bool start, std::function<void(model::CreateVm&)> more = {}) {
    model::CreateVm request;
    request.name = "web1";
    request.image = "demo";
    request.start = start;
    if (more) more(request);
    ASSERT_EQ(run(requests::create(request)).state, TaskState::done);
  }
  std::string refusal(const Request& request) {
    try {
      run(request);
    } catch (const Error& error) {
      return fmt::format("{}: {}; {}", error.reason_name(), error.full_message(),
                         error.remedy_text());
    }
    return "accepted";
  }
  StoreTruth truth() { return read_truth(cluster_.store()); }
  model::Guest guest(const std::string& name) {
    const auto now = truth();
    const auto* found = guest_named(now, name);
    if (found == nullptr) throw Error(Reason::no_such_object, "no guest " + name);
    return *found;
  }
  bool is_there(const std::string& name) { return guest_named(truth(), name) != nullptr; }
  model::Layer layer(model::LayerId id) { return truth().layers.at(id.value); }
  model::LayerId top(const std::string& name) { return guest(name).spec.disks.front().layer; }
  std::shared_ptr<Answer> begin(const Request& request) {
    auto answer = ask(host_, "request", request);
    cluster_.run_until([&] { return answer->came(); }, minutes(1));
    EXPECT_TRUE(answer->accepted);
    return answer;
  }
  // A copy then takes its time.
  void slow_disks() {
    auto slow = SimHost::Faults{};
    slow.volumes.min_latency = slow.volumes.max_latency = seconds(2);
    host_.set_faults(slow);
  }
  std::vector<std::string> snapshots() {
    std::vector<std::string> names;
    for (const auto& [id, stored] : host_.control().inventory().snapshots()) {
      names.push_back(stored->value.name);
    }
    return names;
  }

  SimCluster cluster_;
  SimHost& host_;
};

TEST_F(ClonesTest, TwentyCopiesOfATemplateInOneTask) {
  create(false);
  ASSERT_EQ(run(requests::make_template("web1")).state, TaskState::done);
  model::CreateVm request;
  request.name = "app";
  request.from_template = "web1";
  request.count = 20;
  ASSERT_EQ(run(requests::from_template(request)).state, TaskState::done);
  std::set<std::string> macs;
  for (int n = 1; n <= 20; ++n) {
    const auto copy = guest(fmt::format("app-{:02}", n));
    macs.insert(copy.spec.nics.front().mac);
    EXPECT_EQ(layer(copy.spec.disks.front().layer).parent, top("web1"));
  }
  EXPECT_EQ(macs.size(), 20u);
  EXPECT_EQ(layer(top("web1")).references, 20u);
}

TEST_F(ClonesTest, ACopyIsSomebodyElse) {
  create(true, [](auto& r) {
    r.user = "admin";
    r.forwards = {{2222, 22}};
    r.tpm = true;
    r.boot = model::BootKind::uefi;
    r.autostart = true;
  });
  const auto task = run(requests::copy("web1", "web2"));
  ASSERT_EQ(task.state, TaskState::done);
  EXPECT_THAT(task.summary, HasSubstr("without its forwards"));
  const auto first = guest("web1");
  const auto second = guest("web2");
  EXPECT_NE(first.uid, second.uid);
  EXPECT_NE(first.spec.generation_id, second.spec.generation_id);
  EXPECT_NE(first.spec.nics.front().mac, second.spec.nics.front().mac);
  EXPECT_NE(first.spec.tpm->state, second.spec.tpm->state);
  EXPECT_NE(first.spec.boot.uefi_vars, second.spec.boot.uefi_vars);
  EXPECT_THAT(second.spec.nics.front().forwards, IsEmpty());
  EXPECT_EQ(second.spec.cloud_init->host_name, "web2");
  EXPECT_TRUE(second.spec.cloud_init->copied);
  EXPECT_FALSE(second.spec.autostart);
  EXPECT_EQ(state_of(truth(), "web1"), GuestState::running);
  EXPECT_EQ(run(requests::start("web2")).state, TaskState::done);
}

TEST_F(ClonesTest, AFullCopyStandsOnTheImageOnly) {
  create(true);
  const auto image = layer(top("web1")).parent;
  ASSERT_EQ(run(requests::copy("web1", "web2")).state, TaskState::done);
  ASSERT_EQ(run(requests::copy("web2", "web3", true)).state, TaskState::done);
  ASSERT_EQ(run(requests::copy("web3", "web4")).state, TaskState::done);
  EXPECT_EQ(layer(top("web2")).owner, guest("web2").id.value);
  EXPECT_EQ(layer(top("web4")).parent, image);
}

TEST_F(ClonesTest, ItsOriginalIsHeldWhileItIsCopied) {
  create(false);
  slow_disks();
  const auto answer = begin(requests::copy("web1", "web2"));
  EXPECT_THAT(refusal(requests::start("web1")), HasSubstr("Clone web1 as web2"));
  EXPECT_THAT(refusal(requests::remove("web1", true)), Not(HasSubstr("accepted")));
  wait_until_quiet(cluster_);
  EXPECT_TRUE(is_there("web2"));
  EXPECT_EQ(run(requests::start("web1")).state, TaskState::done);
}

TEST_F(ClonesTest, AForcedStopOfTheOriginalEndsTheCopy) {
  create(true);
  slow_disks();
  const auto answer = begin(requests::copy("web1", "web2"));
  ASSERT_EQ(run(requests::stop("web1", true)).state, TaskState::done);
  wait_until_quiet(cluster_);
  EXPECT_EQ(state_of(truth(), "web1"), GuestState::stopped);
  EXPECT_FALSE(is_there("web2"));
  EXPECT_EQ(run(requests::start("web1")).state, TaskState::done);
}

TEST_F(ClonesTest, ATemplateMayGoIntoTheBinWhileItIsCopied) {
  create(false);
  run(requests::make_template("web1"));
  const auto answer = begin(requests::copy("web1", "web2"));
  run(requests::remove("web1"));
  wait_until_quiet(cluster_);
  EXPECT_EQ(state_of(truth(), "web2"), GuestState::stopped);
}

Request snapshot(std::string vm, std::string name) {
  return [=](core::HostControl& c) {
    model::CreateSnapshot request;
    request.vm = vm;
    request.name = name;
    return c.snapshots().create({}, request);
  };
}
Request revert(std::string vm, std::string name) {
  return [=](core::HostControl& c) { return c.snapshots().revert({}, {vm, name, false}); };
}
Request forget(std::string vm, std::string name) {
  return [=](core::HostControl& c) { return c.snapshots().remove({}, {vm, name, false}); };
}
model::CloneVm of_snapshot(std::string name, bool linked, std::uint32_t count) {
  model::CloneVm request;
  request.vm = "web1";
  request.name = std::move(name);
  request.snapshot = "before";
  request.linked = linked;
  request.count = count;
  return request;
}

TEST_F(ClonesTest, NobodyGoesBackWhileItIsCopied) {
  create(false);
  run(snapshot("web1", "before"));
  slow_disks();
  const auto answer = begin(requests::copy("web1", "web2"));
  EXPECT_THAT(refusal(revert("web1", "before")), HasSubstr("Clone web1 as web2"));
  wait_until_quiet(cluster_);
  EXPECT_EQ(run(revert("web1", "before")).state, TaskState::done);
}

TEST_F(ClonesTest, CopiesOutliveTheSnapshotThatTheyStandOn) {
  create(true);
  run(snapshot("web1", "before"));
  const auto kept = layer(top("web1")).parent;
  ASSERT_EQ(run(requests::copy(of_snapshot("app", true, 3))).state, TaskState::done);
  EXPECT_EQ(layer(top("app-3")).parent, kept);
  ASSERT_EQ(run(forget("web1", "before")).state, TaskState::done);
  EXPECT_EQ(layer(top("app-3")).parent, kept);
  EXPECT_EQ(run(requests::start("app-3")).state, TaskState::done);
}

TEST_F(ClonesTest, WhatIsCopiedStaysUntilItIs) {
  create(true);
  run(snapshot("web1", "before"));
  const auto answer = begin(requests::copy(of_snapshot("web2", false, 1)));
  run(forget("web1", "before"));
  wait_until_quiet(cluster_);
  EXPECT_EQ(state_of(truth(), "web2"), GuestState::stopped);
}

TEST_F(ClonesTest, SeveralOfOneThatChangesAreRefused) {
  create(true);
  model::CloneVm request;
  request.vm = "web1";
  request.name = "app";
  request.count = 3;
  EXPECT_THAT(refusal(requests::copy(request)), HasSubstr("ruche snapshot create web1"));
}

TEST_F(ClonesTest, AllNamesMustBeFree) {
  create(false);
  run(requests::make_template("web1"));
  run(requests::copy("web1", "app-2", true));
  model::CloneVm request;
  request.vm = "web1";
  request.name = "app";
  request.linked = true;
  request.count = 3;
  EXPECT_THAT(refusal(requests::copy(request)), HasSubstr("app-2 is taken"));
}

TEST_F(ClonesTest, ATemplateStaysAsItIs) {
  create(false);
  run(requests::make_template("web1"));
  EXPECT_THAT(refusal(requests::start("web1")), HasSubstr("--from-template web1"));
  EXPECT_THAT(refusal(requests::edit("web1", [](auto& edit) { edit.cpus = 3; })),
              HasSubstr("template"));
  EXPECT_THAT(refusal(requests::grow_disk("web1", "disk0", gib(2))), HasSubstr("template"));
  EXPECT_THAT(refusal(requests::add_disk({.vm = "web1", .size = mib(32)})), HasSubstr("template"));
  EXPECT_EQ(run(requests::describe("web1", "the golden one")).state, TaskState::done);
  run(requests::copy("web1", "web2", true));
  EXPECT_THAT(refusal(requests::make_template("web1", true)), HasSubstr("one copy stands on"));
  EXPECT_THAT(refusal(requests::remove("web1", true)), HasSubstr("in-use"));
  run(requests::remove("web2", true));
  EXPECT_EQ(run(requests::make_template("web1", true)).state, TaskState::done);
  EXPECT_EQ(run(requests::start("web1")).state, TaskState::done);
}

TEST_F(ClonesTest, ATemplateDecidesItsHardware) {
  model::CreateVm request;
  request.name = "app";
  request.from_template = "web1";
  request.tags = {"blue"};
  EXPECT_EQ(core::plans::copy_of_template(request).tags, request.tags);
  request.cpus = 4;
  try {
    core::plans::copy_of_template(request);
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.field(), "/cpus");
  }
}

TEST_F(ClonesTest, OneThatRunsCannotBecomeATemplate) {
  create(true);
  EXPECT_THAT(refusal(requests::make_template("web1")), HasSubstr("vm shutdown web1"));
}

TEST_F(ClonesTest, ScheduledSnapshotsComeAndGo) {
  create(true);
  ASSERT_EQ(run(requests::set_schedule({.vm = "web1", .name = "hourly", .keep = 3})).state,
            TaskState::done);
  cluster_.run_for(minutes(5));
  EXPECT_EQ(snapshots().size(), 1u);
  cluster_.run_for(hours(48));
  EXPECT_EQ(snapshots().size(), 3u);
  for (const auto& name : snapshots()) EXPECT_THAT(name, HasSubstr("hourly-"));
  run(requests::remove_schedule("web1", "hourly"));
  cluster_.run_for(hours(5));
  EXPECT_EQ(snapshots().size(), 3u);
}

TEST_F(ClonesTest, AClockThatJumpsMakesOneSnapshot) {
  create(false);
  run(requests::set_schedule({.vm = "web1", .name = "hourly", .keep = 10}));
  cluster_.run_for(minutes(5));
  host_.jump_clock(hours(24 * 365));
  cluster_.run_for(minutes(30));
  EXPECT_EQ(snapshots().size(), 2u);
  host_.jump_clock(-hours(24 * 365));
  cluster_.run_for(minutes(20));
  EXPECT_EQ(snapshots().size(), 2u);
  cluster_.run_for(hours(24));
  EXPECT_EQ(snapshots().size(), 10u);
  const auto now = host_.control().writer().clock().wall().unix_ms;
  for (const auto& [id, stored] : host_.control().inventory().snapshots()) {
    EXPECT_LE(stored->value.created_at.unix_ms, now) << stored->value.name;
  }
}

}  // namespace
}  // namespace ruche::sim
