#include "core/tasks/engine.hpp"

#include <gmock/gmock.h>

#include <map>

#include "core_fixture.hpp"

namespace ruche::core {
namespace {

using keys::DocumentKind;
using model::TaskState;
using testing::ElementsAre;

// Steps are told apart by their kind: launch, pause, a reset that leaves no trace, and a deletion,
// which is the pivot. Everything that is done to them is written down.
class Script : public StepHandler {
 public:
  explicit Script(Clock& clock) : clock_(clock) {}

  bool handles(const model::Step&) const override { return true; }
  bool is_pivot(const model::Step& step) const override {
    return std::holds_alternative<model::DeleteVolume>(step);
  }
  bool found_by_name(const model::Step& step) const override {
    return !std::holds_alternative<model::ResetMachine>(step);
  }
  Async<Observation> observe(const model::Step& step, const StepContext&) override {
    co_return done.contains(step.index()) ? Observation::done : Observation::absent;
  }
  Async<void> apply(const model::Step& step, const StepContext&) override {
    said.push_back("apply " + name(step));
    if (slow.contains(step.index())) co_await sleep_for(clock_, std::chrono::minutes(1));
    if (fail.contains(step.index()) && fail[step.index()]-- > 0) throw failure;
    done.insert(step.index());
  }
  Async<void> revert(const model::Step& step, const StepContext&) override {
    said.push_back("revert " + name(step));
    if (stuck.contains(step.index()) && stuck[step.index()]-- > 0) throw failure;
    done.erase(step.index());
    co_return;
  }
  void settle(const model::Step& step, Outcome outcome, const Error*, Draft&) override {
    settled.push_back(name(step) + (outcome == Outcome::done ? " done" : " reverted"));
  }

  static std::string name(const model::Step& step) {
    if (std::holds_alternative<model::LaunchMachine>(step)) return "launch";
    if (std::holds_alternative<model::PauseMachine>(step)) return "pause";
    if (std::holds_alternative<model::ResetMachine>(step)) return "reset";
    return "delete";
  }

  std::vector<std::string> said, settled;
  std::set<std::size_t> done, slow;
  std::map<std::size_t, int> fail;   // how often apply throws
  std::map<std::size_t, int> stuck;  // how often revert throws
  Error failure{Reason::hypervisor_failed, "injected"};

 private:
  Clock& clock_;
};

const model::Step kLaunch = model::LaunchMachine{};
const model::Step kPause = model::PauseMachine{};
const model::Step kReset = model::ResetMachine{};
const model::Step kDelete = model::DeleteVolume{};

class EngineTest : public CoreTest {
 protected:
  EngineTest() : script_(world_.clock()) {
    put_guest(1, "web1", self_);
    here_ = node();
    engine_.emplace(here_->writer, world_.clock(), here_->log, progress_);
    engine_->add(script_);
  }

  void accept(std::vector<model::Step> plan) {
    world_.run_now(here_->writer.transact([&](Draft& draft) {
      model::Task task;
      task.id = task_;
      task.host = self_;
      task.object = {model::ObjectKind::guest, id(1), "web1"};
      task.plan = std::move(plan);
      draft.placement(id(1)).claims.push_back({model::Facet::power, task_});
      draft.create(keys::task(task_), task);
    }));
  }
  void run() { world_.run(engine_->run(task_)); }
  void ask_to_end() {
    world_.run_now(here_->writer.transact(
        [&](Draft& draft) { draft.task(task_).cancel_requested = model::CancelKind::user; }));
  }
  const model::Task& task() { return here_->inventory.tasks().at(task_.value)->value; }
  std::size_t claims() {
    return here_->inventory.find_guest("web1")->placement->value.claims.size();
  }

  model::HostId self_{id(901)};
  model::TaskId task_{id(77)};
  Script script_;
  ProgressBoard progress_;
  std::unique_ptr<CoreNode> here_;
  std::optional<Engine> engine_;
};

TEST_F(EngineTest, AppliesInOrderAndSettlesInOneCommit) {
  accept({kLaunch, kPause});
  const auto before = state_->commits();
  run();
  EXPECT_THAT(script_.said, ElementsAre("apply launch", "apply pause"));
  EXPECT_THAT(script_.settled, ElementsAre("launch done", "pause done"));
  EXPECT_EQ(task().state, TaskState::done);
  EXPECT_TRUE(task().ended_at.has_value());
  EXPECT_EQ(claims(), 0u);
  // Steps that are found by name need no journal.
  EXPECT_EQ(state_->commits() - before, 1u);
  EXPECT_FALSE(progress_.find(task_).has_value());
}

TEST_F(EngineTest, AStepThatLeavesNoTraceIsJournalledBeforeItBegins) {
  accept({kLaunch, kReset});
  const auto before = state_->commits();
  run();
  EXPECT_EQ(state_->commits() - before, 2u);
}

TEST_F(EngineTest, WhatIsDoneAlreadyIsNotDoneAgain) {
  script_.done.insert(kLaunch.index());
  accept({kLaunch, kPause});
  run();
  EXPECT_THAT(script_.said, ElementsAre("apply pause"));
}

TEST_F(EngineTest, AFailureTakesEverythingBackInReverse) {
  script_.fail[kReset.index()] = 1;
  accept({kLaunch, kPause, kReset});
  run();
  EXPECT_THAT(script_.said, ElementsAre("apply launch", "apply pause", "apply reset",
                                        "revert reset", "revert pause", "revert launch"));
  EXPECT_THAT(script_.settled, ElementsAre("launch reverted", "pause reverted", "reset reverted"));
  EXPECT_EQ(task().state, TaskState::failed);
  EXPECT_EQ(task().error->reason, "hypervisor-failed");
  EXPECT_EQ(claims(), 0u);
}

// Steps that are found by name are not journalled: a daemon that comes back to a task that is to be
// cancelled cannot know how far the first one came.
TEST_F(EngineTest, AfterARestartEveryStepIsTakenBack) {
  script_.done = {kLaunch.index(), kPause.index()};  // by the daemon before
  accept({kLaunch, kPause});
  ask_to_end();
  run();
  EXPECT_THAT(script_.said, ElementsAre("revert pause", "revert launch"));
  EXPECT_TRUE(script_.done.empty());
  EXPECT_EQ(task().state, TaskState::cancelled);
}

TEST_F(EngineTest, ATaskThatGoesBackStaysOnItsWayBack) {
  accept({kLaunch});
  world_.run_now(here_->writer.transact([&](Draft& draft) {
    draft.task(task_).state = TaskState::reverting;
    draft.task(task_).error = model::to_problem(Error(Reason::io_failed, "before the restart"));
  }));
  run();
  EXPECT_THAT(script_.said, ElementsAre("revert launch"));
  EXPECT_EQ(task().state, TaskState::failed);
  EXPECT_EQ(task().error->message, "before the restart");
}

TEST_F(EngineTest, AnUndoThatFailsIsTriedAgainUntilItWorks) {
  script_.fail[kPause.index()] = 1;
  script_.stuck[kLaunch.index()] = 8;
  accept({kLaunch, kPause});
  run();
  EXPECT_EQ(script_.said.size(), 2u + 1u + 9u);
  EXPECT_EQ(task().state, TaskState::failed);
  EXPECT_TRUE(task().error->causes.empty());
}

TEST_F(EngineTest, AnUndoThatNeverWorksIsSaidAndTheTaskEnds) {
  script_.fail[kPause.index()] = 1;
  script_.stuck[kLaunch.index()] = 1'000'000;
  accept({kLaunch, kPause});
  run();
  EXPECT_EQ(task().state, TaskState::failed);
  EXPECT_EQ(task().error->message, "injected");  // the first failure stays the first
  ASSERT_EQ(task().error->causes.size(), 1u);
  EXPECT_NE(task().error->causes[0].find("taking back"), std::string::npos);
}

TEST_F(EngineTest, AfterAPivotItOnlyGoesForward) {
  script_.fail[kDelete.index()] = 5;
  accept({kPause, kDelete});
  run();
  EXPECT_EQ(task().state, TaskState::done);
  EXPECT_TRUE(task().pivoted);
  EXPECT_EQ(std::ranges::count(script_.said, "revert pause"), 0);
}

TEST_F(EngineTest, APivotThatCannotBeFinishedIsSettledAsFarAsItCame) {
  script_.failure = Error(Reason::wrong_state, "injected");  // will not pass by waiting
  script_.fail[kPause.index()] = 1'000'000;
  accept({kDelete, kPause});
  run();
  EXPECT_EQ(task().state, TaskState::failed);
  EXPECT_THAT(script_.settled, ElementsAre("delete done", "pause reverted"));
}

TEST_F(EngineTest, WhatComesAfterThePivotIsTakenBack) {
  script_.failure = Error(Reason::wrong_state, "injected");  // will not pass by waiting
  script_.fail[kLaunch.index()] = 1'000'000;
  accept({kReset, kDelete, kPause, kLaunch});
  run();
  EXPECT_EQ(task().state, TaskState::failed);
  EXPECT_EQ(std::ranges::count(script_.said, "revert reset"), 0);
  EXPECT_EQ(std::ranges::count(script_.said, "revert delete"), 0);
  EXPECT_EQ(std::ranges::count(script_.said, "revert pause"), 1);
  EXPECT_THAT(script_.settled,
              ElementsAre("reset done", "delete done", "pause reverted", "launch reverted"));
}

TEST_F(EngineTest, ACancellationInterruptsTheStepThatWaits) {
  script_.slow.insert(kPause.index());
  accept({kLaunch, kPause});
  here_->scope.spawn("engine", engine_->run(task_));
  world_.run_for(std::chrono::seconds(10));
  EXPECT_TRUE(progress_.find(task_).has_value());
  ask_to_end();
  const auto asked = world_.clock().now();
  engine_->interrupt(task_);
  world_.run_until([&] { return !model::is_open(task().state); }, std::chrono::minutes(5));
  EXPECT_LT(world_.clock().now() - asked, std::chrono::seconds(5));
  EXPECT_EQ(task().state, TaskState::cancelled);
  EXPECT_EQ(task().error->reason, "task-cancelled");
  EXPECT_THAT(script_.said,
              ElementsAre("apply launch", "apply pause", "revert pause", "revert launch"));
}

TEST_F(EngineTest, ACancellationComesTooLateAfterThePivot) {
  script_.slow.insert(kDelete.index());
  accept({kDelete});
  here_->scope.spawn("engine", engine_->run(task_));
  world_.run_for(std::chrono::seconds(10));
  ask_to_end();
  engine_->interrupt(task_);
  world_.run_for(std::chrono::minutes(2));
  EXPECT_EQ(task().state, TaskState::done);
}

TEST_F(EngineTest, AnEndedTaskIsLeftAlone) {
  accept({kLaunch});
  run();
  script_.said.clear();
  run();
  EXPECT_TRUE(script_.said.empty());
}

TEST_F(EngineTest, TheEndIsWrittenAlsoWhenTheStoreWasAway) {
  accept({kLaunch});
  here_->store->fail_next_commit(sim::CommitFault::unavailable);
  here_->store->fail_next_commit(sim::CommitFault::unknown_applied);
  run();
  EXPECT_EQ(task().state, TaskState::done);
  // Planned again after the first refusal; the second outcome was unknown and is not settled twice.
  EXPECT_THAT(script_.settled, ElementsAre("launch done", "launch done"));
}

TEST_F(EngineTest, WaitingTasksGoWhereTheirObjectGoes) {
  accept({kLaunch});
  const model::TaskId other{id(78)};
  const model::HostId there{id(902)};
  world_.run_now(here_->writer.transact([&](Draft& draft) {
    model::Task task;
    task.id = other;
    task.host = self_;
    task.object = {model::ObjectKind::guest, id(1), "web1"};
    draft.placement(id(1)).claims.push_back({model::Facet::power, other});
    draft.create(keys::task(other), task);
  }));
  struct Mover : Script {
    using Script::Script;
    void settle(const model::Step&, Outcome, const Error*, Draft& draft) override {
      auto moved = draft.placement(guest);
      draft.erase(keys::placement(moved.host, guest));
      moved.host = to;
      const auto key = keys::placement(to, guest);
      draft.create(key, moved);
    }
    Uuid guest;
    model::HostId to;
  };
  Mover mover(world_.clock());
  mover.guest = id(1);
  mover.to = there;
  Engine engine(here_->writer, world_.clock(), here_->log, progress_);
  engine.add(mover);
  world_.run(engine.run(task_));
  EXPECT_EQ(here_->inventory.tasks().at(other.value)->value.host, there);
  EXPECT_EQ(task().host, self_);
}

}  // namespace
}  // namespace ruche::core
