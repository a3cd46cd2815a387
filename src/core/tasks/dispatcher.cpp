#include "core/tasks/dispatcher.hpp"

#include <algorithm>

#include "core/tasks/accept.hpp"

namespace ruche::core {

namespace {
constexpr Duration kFirstPause{500};
constexpr Duration kLongestPause{30'000};
}  // namespace

Dispatcher::Dispatcher(Executor executor, Writer& writer, Engine& engine, Log& log,
                       model::HostId self)
    : writer_(writer), engine_(engine), log_(log), self_(self), scope_(executor, "dispatcher") {}
Dispatcher::~Dispatcher() = default;

namespace {

// Claims stand in order of acceptance: only those before the task's own matter.
bool is_behind_others(const Draft& view, const model::Hold& hold, model::TaskId task) {
  const auto* placement = view.find_placement(hold.object);
  if (!placement) return false;
  for (const auto& claim : placement->claims) {
    if (claim.task == task) return false;
    for (const auto facet : hold.claims) {
      if (conflicts(facet, claim.facet)) return true;
    }
  }
  return false;
}

}  // namespace

bool Dispatcher::must_wait(const model::Task& task) const {
  Draft view(writer_.inventory(), writer_.clock(), writer_.random());
  if (is_behind_others(view, {task.object.id, task.claims}, task.id)) return true;
  return task.source && is_behind_others(view, *task.source, task.id);
}

bool Dispatcher::is_ours(model::TaskId id) const {
  const auto& tasks = writer_.inventory().tasks();
  const auto found = tasks.find(id.value);
  return found != tasks.end() && found->second->value.host == self_ &&
         model::is_open(found->second->value.state);
}

void Dispatcher::start_what_can_run() {
  for (const auto& [id, stored] : writer_.inventory().tasks()) {
    const model::Task& task = stored->value;
    if (!is_ours(task.id)) continue;
    if (running_.contains(task.id)) {
      if (task.cancel_requested) engine_.interrupt(task.id);
    } else if (!must_wait(task)) {
      running_.insert(task.id);
      scope_.spawn("task " + to_text(task.id), work(task.id));
    }
  }
}

Async<void> Dispatcher::work(model::TaskId id) {
  Duration pause = kFirstPause;
  while (is_ours(id)) {
    std::optional<Error> failure;
    try {
      co_await engine_.run(id);
    } catch (const Error& error) {
      failure = error;
    }
    if (!failure) break;
    log_.error("core", "a task could not be worked on; it is tried again",
               {{"task", to_text(id)}, {"why", failure->full_message()}});
    co_await sleep_for(writer_.clock(), pause);
    pause = std::min(pause * 2, kLongestPause);
  }
  running_.erase(id);
}

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
