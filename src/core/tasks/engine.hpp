// The plan engine: journals, applies, and reverts in reverse. What a step does is known to the
// StepHandler of its concern; the engine only knows the order.
#pragma once

#include <functional>
#include <map>
#include <memory>

#include "base/log.hpp"
#include "core/inventory/writer.hpp"
#include "core/tasks/progress.hpp"

namespace ruche::core {

enum class Observation { absent, partial, done };
enum class Outcome { done, reverted };

// What a step needs to know of the task it belongs to.
struct StepContext {
  const model::Task& task;
  std::function<void(Bytes done, Bytes total, std::string text)> progress;
};

// The work of one concern's steps. Everything is idempotent: after a crash the engine observes, and
// applies or reverts again.
class StepHandler {
 public:
  virtual ~StepHandler() = default;
  virtual bool handles(const model::Step& step) const = 0;
  virtual Async<Observation> observe(const model::Step& step, const StepContext& context) = 0;
  virtual Async<void> apply(const model::Step& step, const StepContext& context) = 0;
  virtual Async<void> revert(const model::Step& step, const StepContext& context) = 0;
  // The step's consequence for the documents, written in the commit that ends the task. For a
  // failed task `why` is the cause. After a failure every step of the plan is reverted, begun or
  // not.
  virtual void settle(const model::Step& step, Outcome outcome, const Error* why, Draft& draft) = 0;
  // A step that cannot be taken back; once it has begun (journalled), the task only goes forward.
  virtual bool is_pivot(const model::Step& step) const = 0;
  // Of a pivot, or of a step that comes after one: whether it may be interrupted all the same,
  // because giving it up is going forward, or because it is taken back.
  virtual bool can_be_cancelled(const model::Step&) const { return false; }
  // Called before a task ends in whose such pivot failed or was interrupted, maybe before it did
  // anything: makes whole what it may have left. Again after a crash.
  virtual Async<void> give_up(const model::Step&) { co_return; }
  // Whether observe() finds out by itself that the step was begun; if not, the engine journals it
  // before it starts.
  virtual bool found_by_name(const model::Step& step) const = 0;
};

class Engine {
 public:
  Engine(Writer& writer, Clock& clock, Log& log, ProgressBoard& progress)
      : writer_(writer), clock_(clock), log_(log), progress_(progress) {}

  void add(StepHandler& handler) { handlers_.push_back(&handler); }
  // Works an open task to its end, from wherever an earlier daemon left it. Cancelling it with
  // shutdown leaves the task as it is, for the next daemon.
  Async<void> run(model::TaskId id);
  // The task's document says that it shall end: interrupts the step that is being applied. A task
  // that has pivoted goes on.
  void interrupt(model::TaskId id);

 private:
  struct Work;
  StepHandler& handler(const model::Step& step) const;
  // The last step that has begun and that cannot be taken back. What comes after it can.
  std::optional<std::size_t> last_pivot(const model::Task& task) const;
  bool may_be_cancelled(const model::Task& task) const;
  bool cancel_requested(const model::Task& task) const;
  void throw_if_cancel_requested(const model::Task& task) const;
  Async<void> carry_out(Work& work);
  Async<void> forward(Work& work);
  Async<void> apply_step(Work& work, std::size_t index);
  Async<void> retry_forward(Work& work, std::size_t index);
  Async<void> backward(model::Task& task);
  Async<void> take_back(model::Task& task, std::size_t index);
  Async<void> journal(model::Task& task, model::TaskState state);
  Async<void> conclude(model::Task& task, model::TaskState state, const Error* why);
  StepContext context(const model::Task& task, std::size_t index);

  Writer& writer_;
  Clock& clock_;
  Log& log_;
  ProgressBoard& progress_;
  std::vector<StepHandler*> handlers_;
  std::map<model::TaskId, Work*> under_way_;
};

// Removes the task's claims from the placements of its object and of its source, as far as they
// still exist, and lets go of the layers that it reads.
void release_claims(Draft& draft, const model::Task& task);

}  // namespace ruche::core
