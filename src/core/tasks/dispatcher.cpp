#include "core/tasks/dispatcher.hpp"

#include "core/tasks/accept.hpp"

namespace ruche::core {

// A task under way; its own scope, so that cancelling it interrupts the step that waits.
struct Dispatcher::Running {
  explicit Running(Executor executor) : scope(std::move(executor), "task") {}
  Scope scope;
  bool asked_to_end = false;
};

Dispatcher::Dispatcher(Executor executor, Writer& writer, Engine& engine, Log& log,
                       model::HostId self)
    : writer_(writer), engine_(engine), log_(log), self_(self), scope_(executor, "dispatcher") {}
Dispatcher::~Dispatcher() = default;

bool Dispatcher::must_wait(const model::Task& task) const {
  Draft view(writer_.inventory(), writer_.clock(), writer_.random());
  const auto* placement = view.find_placement(task.object.id);
  if (!placement) return false;
  // Claims stand in order of acceptance: only those before the task's own matter.
  for (const auto& claim : placement->claims) {
    if (claim.task == task.id) return false;
    for (const auto facet : task.claims) {
      if (conflicts(facet, claim.facet)) return true;
    }
  }
  return false;
}

bool Dispatcher::cancel_requested(model::TaskId id) const {
  const auto& tasks = writer_.inventory().tasks();
  const auto found = tasks.find(id.value);
  return found != tasks.end() && found->second->value.cancel_requested.has_value();
}

void Dispatcher::start_what_can_run() {
  for (const auto& [id, stored] : writer_.inventory().tasks()) {
    const model::Task& task = stored->value;
    if (task.host != self_ || !model::is_open(task.state)) continue;
    const auto under_way = running_.find(task.id);
    if (under_way != running_.end()) {
      if (task.cancel_requested && !under_way->second->asked_to_end) {
        under_way->second->asked_to_end = true;
        under_way->second->scope.cancel(CancelReason::user);
      }
      continue;
    }
    if (must_wait(task)) continue;
    running_.emplace(task.id, std::make_unique<Running>(scope_.executor()));
    scope_.spawn("task " + to_text(task.id), work(task.id));
  }
}

Async<void> Dispatcher::work(model::TaskId id) {
  Running& self = *running_.at(id);
  const auto asked = [this, id] { return cancel_requested(id); };
  // The first attempt may be interrupted by a cancellation of the task; the second then finds the
  // request and takes back what was done.
  for (int attempt = 0; attempt < 2; ++attempt) {
    Scope attempt_scope(scope_.executor(), "attempt");
    Scope& scope = attempt == 0 ? self.scope : attempt_scope;
    scope.spawn("engine", engine_.run(id, asked));
    std::optional<Error> failure;
    bool interrupted = false;
    try {
      co_await scope.join();
    } catch (const Cancelled&) {
      interrupted = self.asked_to_end;
      if (!interrupted) throw;
    } catch (const Error& error) {
      failure = error;
    }
    if (failure) {
      log_.error("core", "a task could not be worked on",
                 {{"task", to_text(id)}, {"why", failure->full_message()}});
    }
    if (!self.asked_to_end) break;
    const auto& tasks = writer_.inventory().tasks();
    const auto found = tasks.find(id.value);
    if (found == tasks.end() || !model::is_open(found->second->value.state)) break;
  }
  running_.erase(id);
  ended_.notify();
}

namespace {
Async<void> drain(Scope& scope) {
  try {
    co_await scope.join();
  } catch (const Cancelled&) {
    // It was cancelled by its owner, who waits here for the end.
  }
}
}  // namespace

Async<void> Dispatcher::run() {
  std::exception_ptr failure;
  try {
    co_await writer_.inventory().ready();
    while (true) {
      start_what_can_run();
      co_await writer_.inventory().changed();
    }
  } catch (const std::exception&) {
    failure = std::current_exception();
  }
  scope_.cancel(CancelReason::shutdown);
  co_await uninterrupted(drain(scope_));
  std::rethrow_exception(failure);
}

}  // namespace ruche::core
