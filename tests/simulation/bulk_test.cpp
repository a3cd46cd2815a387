// One task for many guests: a task for each, some at a time, each told of.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "core/tasks/task_parts.hpp"
#include "sim_client.hpp"

namespace ruche::sim {
namespace {

using model::BulkAction;
using model::GuestState;
using model::TaskState;
using std::chrono::minutes;
using std::chrono::seconds;

class BulkTest : public testing::Test {
 protected:
  BulkTest() : cluster_(1), alpha_(cluster_.add_host("alpha")), beta_(cluster_.add_host("beta")) {
    start_all(cluster_);
    add_shared_datastore(cluster_, alpha_);
    import_demo(cluster_, alpha_, "shared");
  }
  ~BulkTest() override {
    wait_until_quiet(cluster_);
    EXPECT_THAT(check_at_rest(cluster_), testing::IsEmpty());
  }

  void make(SimHost& host, const std::vector<std::string>& names, bool running = false) {
    for (const auto& name : names) {
      ask_and_wait(cluster_, host, requests::create_demo(name, running));
    }
  }
  // Small ones, so that many fit.
  std::vector<std::string> make_many(int count) {
    std::vector<std::string> names;
    for (int i = 0; i < count; ++i) {
      model::CreateVm request;
      request.name = fmt::format("app-{}", i);
      request.image = "demo";
      request.memory = mib(16);
      ask_and_wait(cluster_, alpha_, requests::create(request));
      names.push_back(request.name);
    }
    return names;
  }
  // Every call of the hypervisor takes two seconds.
  void slow_down() {
    SimHost::Faults faults;
    faults.machines.min_latency = faults.machines.max_latency = seconds(2);
    alpha_.set_faults(faults);
  }
  void cancel(model::TaskId id) {
    auto work = [](core::HostControl& control, model::TaskId task) -> Async<void> {
      co_await control.tasks().cancel({}, {to_text(task)});
    };
    alpha_.spawn("cancel", work(alpha_.control(), id));
    wait_until_quiet(cluster_);
  }
  static model::BulkVms order(BulkAction action, std::vector<std::string> names) {
    model::BulkVms request;
    request.action = action;
    request.vms = std::move(names);
    return request;
  }
  model::Task run(const model::BulkVms& request) {
    return ask_and_wait(cluster_, alpha_, requests::bulk(request));
  }
  Error refusal(const model::BulkVms& request) {
    const auto answer = ask(alpha_, "bulk", requests::bulk(request));
    cluster_.run_for(seconds(10));
    if (!answer->refused) return Error(Reason::internal_error, "it was not refused");
    return *answer->refused;
  }
  std::map<std::string, model::TaskPart> parts(const model::Task& task) {
    std::map<std::string, model::TaskPart> by_name;
    for (const auto& part : core::parts_of(alpha_.control().inventory(), task)) {
      by_name[part.object.name] = part;
    }
    return by_name;
  }
  GuestState state(const std::string& name) { return state_of(read_truth(cluster_.store()), name); }
  std::shared_ptr<SimProcess> process(const std::string& name) {
    const auto truth = read_truth(cluster_.store());
    const auto* guest = guest_named(truth, name);
    const auto found = alpha_.machines().find(guest->id);
    return found ? found : beta_.machines().find(guest->id);
  }
  model::Task task(model::TaskId id) { return read_truth(cluster_.store()).tasks.at(id.value); }
  std::size_t open_parts() {
    const auto truth = read_truth(cluster_.store());
    return static_cast<std::size_t>(std::ranges::count_if(truth.tasks, [](const auto& entry) {
      return entry.second.parent && model::is_open(entry.second.state);
    }));
  }

  SimCluster cluster_;
  SimHost& alpha_;
  SimHost& beta_;
};

TEST_F(BulkTest, EachGuestGetsATaskOnItsHost) {
  make(alpha_, {"web1", "web2"});
  make(beta_, {"web3"});
  const auto whole = run(order(BulkAction::start, {"web1", "web2", "web3"}));
  EXPECT_EQ(whole.state, TaskState::done);
  EXPECT_EQ(whole.method, "vm.bulk");
  EXPECT_EQ(whole.summary, "Start 3 VMs");
  EXPECT_TRUE(whole.claims.empty());
  for (const auto& [name, part] : parts(whole)) {
    EXPECT_EQ(part.state, TaskState::done) << name;
    EXPECT_EQ(state(name), GuestState::running);
    const auto own = task(*part.task);
    EXPECT_EQ(own.parent, whole.id);
    EXPECT_EQ(own.method, "vm.start");
    EXPECT_EQ(own.user, whole.user);
    EXPECT_EQ(own.host, name == "web3" ? beta_.id() : alpha_.id());
  }
  const auto count = core::count_parts(alpha_.control().inventory(), whole);
  EXPECT_EQ(count.all, 3u);
  EXPECT_EQ(count.ended, 3u);
}

TEST_F(BulkTest, OneThatRefusesDoesNotStopTheOthers) {
  make(alpha_, {"web1", "web3"});
  make(alpha_, {"web2"}, true);
  const auto whole = run(order(BulkAction::start, {"web1", "web2", "web3"}));
  EXPECT_EQ(whole.state, TaskState::failed);
  EXPECT_EQ(whole.error->reason, "some-failed");
  EXPECT_EQ(whole.error->message, "1 of 3 failed: web2");
  const auto told = parts(whole);
  EXPECT_EQ(told.at("web1").state, TaskState::done);
  EXPECT_EQ(told.at("web3").state, TaskState::done);
  EXPECT_EQ(told.at("web2").state, TaskState::failed);
  EXPECT_EQ(told.at("web2").error->reason, "wrong-state");
  EXPECT_EQ(task(*told.at("web2").task).parent, whole.id);
}

TEST_F(BulkTest, AClaimIsARefusalUnlessItIsForced) {
  make(alpha_, {"web1", "web2"}, true);
  process("web1")->ignores_shutdown = true;
  ask(alpha_, "shutdown", requests::shutdown("web1"));
  cluster_.run_for(seconds(1));
  auto request = order(BulkAction::stop, {"web1", "web2"});
  const auto polite = run(request);
  EXPECT_EQ(parts(polite).at("web1").error->reason, "claimed");
  EXPECT_EQ(state("web2"), GuestState::stopped);
  request.vms = {"web1"};
  request.force = true;
  EXPECT_EQ(run(request).state, TaskState::done);
  EXPECT_EQ(state("web1"), GuestState::stopped);
}

TEST_F(BulkTest, CancellingTheWholeCancelsItsParts) {
  make(alpha_, {"web1", "web2"}, true);
  make(beta_, {"web3"}, true);
  process("web1")->ignores_shutdown = true;
  process("web3")->ignores_shutdown = true;
  auto request = order(BulkAction::shutdown, {"web1", "web2", "web3"});
  request.timeout = minutes(30);
  const auto answer = ask(alpha_, "bulk", requests::bulk(request));
  cluster_.run_for(seconds(20));
  ASSERT_TRUE(answer->accepted);
  const auto id = answer->accepted->task.id;
  EXPECT_EQ(open_parts(), 2u);
  cancel(id);
  EXPECT_EQ(task(id).state, TaskState::cancelled);
  const auto told = parts(task(id));
  EXPECT_EQ(told.at("web1").state, TaskState::cancelled);
  EXPECT_EQ(told.at("web2").state, TaskState::done);
  EXPECT_EQ(told.at("web3").state, TaskState::cancelled);
  EXPECT_EQ(state("web1"), GuestState::running);
  EXPECT_EQ(state("web2"), GuestState::stopped);
}

TEST_F(BulkTest, SomeAtATimeOnAHost) {
  const auto names = make_many(24);
  slow_down();
  std::size_t most = 0;
  cluster_.on_effect = [&](const SimEffect&, EffectMoment) { most = std::max(most, open_parts()); };
  EXPECT_EQ(run(order(BulkAction::start, names)).state, TaskState::done);
  cluster_.on_effect = nullptr;
  EXPECT_EQ(most, 16u);
}

TEST_F(BulkTest, WhatWasNotBegunIsToldOf) {
  const auto names = make_many(24);
  slow_down();
  const auto answer = ask(alpha_, "bulk", requests::bulk(order(BulkAction::start, names)));
  cluster_.run_for(seconds(1));
  ASSERT_TRUE(answer->accepted);
  const auto id = answer->accepted->task.id;
  EXPECT_EQ(open_parts(), 16u);
  cancel(id);
  const auto told = parts(task(id));
  const auto never = std::ranges::count_if(told, [](const auto& entry) {
    return entry.second.state == TaskState::cancelled && !entry.second.task;
  });
  EXPECT_EQ(never, 8);
}

TEST_F(BulkTest, ADryRunPlansAllOfThemTogetherAndChangesNothing) {
  make(alpha_, {"web1", "web2"});
  model::CreateVm large;
  large.name = "large1";
  large.memory = gib(9);
  ask_and_wait(cluster_, alpha_, requests::create(large));
  large.name = "large2";
  ask_and_wait(cluster_, alpha_, requests::create(large));
  make(alpha_, {"web3"}, true);
  const auto before = read_truth(cluster_.store()).tasks.size();
  const auto request = order(BulkAction::start, {"web1", "large1", "large2", "web3"});
  const auto answer = ask(alpha_, "bulk", requests::bulk(request, true));
  cluster_.run_for(seconds(5));
  ASSERT_TRUE(answer->accepted);
  EXPECT_TRUE(answer->accepted->dry_run);
  const auto& planned = answer->accepted->parts;
  ASSERT_EQ(planned.size(), 4u);
  EXPECT_EQ(planned[0].plan.size(), 2u);
  EXPECT_EQ(planned[1].plan.size(), 2u);
  ASSERT_TRUE(planned[2].error);
  EXPECT_EQ(planned[2].error->reason, "not-enough-memory");
  ASSERT_TRUE(planned[3].error);
  EXPECT_EQ(planned[3].error->reason, "wrong-state");
  EXPECT_EQ(read_truth(cluster_.store()).tasks.size(), before);
  EXPECT_EQ(state("web1"), GuestState::stopped);
}

TEST_F(BulkTest, TheSameKeyIsTheSameTask) {
  make(alpha_, {"web1"});
  const auto request = requests::keyed(requests::bulk(order(BulkAction::start, {"web1"})), "key");
  const auto first = ask_and_wait(cluster_, alpha_, request);
  const auto again = ask_and_wait(cluster_, beta_, request);
  EXPECT_EQ(first.id, again.id);
}

TEST_F(BulkTest, OneThatIsNamedTwiceIsOne) {
  make(alpha_, {"web1"});
  const auto id = to_text(guest_named(read_truth(cluster_.store()), "web1")->id);
  const auto whole = run(order(BulkAction::start, {"web1", id}));
  EXPECT_EQ(whole.summary, "Start 1 VM");
  EXPECT_EQ(whole.state, TaskState::done);
}

TEST_F(BulkTest, TheRecycleBinAndBack) {
  make(alpha_, {"web1", "web2"});
  EXPECT_EQ(run(order(BulkAction::delete_, {"web1", "web2"})).state, TaskState::done);
  EXPECT_TRUE(guest_named(read_truth(cluster_.store()), "web1")->deleted_at);
  EXPECT_EQ(run(order(BulkAction::undelete, {"web1", "web2"})).state, TaskState::done);
  EXPECT_FALSE(guest_named(read_truth(cluster_.store()), "web1")->deleted_at);
  auto purge = order(BulkAction::delete_, {"web1", "web2"});
  purge.purge = true;
  EXPECT_EQ(run(purge).state, TaskState::done);
  EXPECT_TRUE(read_truth(cluster_.store()).guests.empty());
}

TEST_F(BulkTest, WhatMakesNoSenseIsRefusedBeforeAnything) {
  make(alpha_, {"web1"});
  const auto before = read_truth(cluster_.store()).tasks.size();
  auto request = order(BulkAction::start, {"web1"});
  request.then_stop = true;
  EXPECT_EQ(refusal(request).field(), "/then_stop");
  request = order(BulkAction::stop, {"web1"});
  request.purge = true;
  EXPECT_EQ(refusal(request).field(), "/purge");
  request = order(BulkAction::start, {"web1"});
  request.filter = "tag=web";
  EXPECT_EQ(refusal(request).field(), "/filter");
  EXPECT_EQ(refusal(order(BulkAction::start, {})).field(), "/vms");
  const auto unknown = refusal(order(BulkAction::start, {"web1", "none"}));
  EXPECT_EQ(unknown.field(), "/vms/1");
  EXPECT_EQ(unknown.reason(), Reason::no_such_object);
  request = order(BulkAction::start, {});
  request.filter = "tag=web";
  EXPECT_EQ(refusal(request).reason(), Reason::nothing_matches);
  EXPECT_EQ(read_truth(cluster_.store()).tasks.size(), before);
}

// Ids of parts are computed again and again: what they are must never change.
TEST(PartId, IsAlwaysTheSame) {
  const auto id = [](std::string_view text) { return *parse_uuid(text); };
  const model::TaskId parent{id("018f0000-1234-7abc-8def-0123456789ab")};
  const auto part = core::part_id(parent, id("018f0000-0000-7000-8000-000000000001"));
  EXPECT_EQ(to_text(part), "018f0000-1234-7978-bf75-42dcf2959f05");
  EXPECT_NE(part, core::part_id(parent, id("018f0000-0000-7000-8000-000000000002")));
}

}  // namespace
}  // namespace ruche::sim
