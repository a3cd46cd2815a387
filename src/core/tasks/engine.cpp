#include "core/tasks/engine.hpp"

#include <fmt/format.h>

#include "core/tasks/task_service.hpp"

namespace ruche::core {

using model::TaskState;

namespace {
constexpr int kForwardAttempts = 5;
constexpr Duration kForwardPause{500};

Error cancelled_error(const model::Task& task) {
  const auto kind = task.cancel_requested.value_or(model::CancelKind::user);
  return Error(Reason::task_cancelled, fmt::format("the task was cancelled ({})", enum_name(kind)));
}
}  // namespace

void release_claims(Draft& draft, const model::Task& task) {
  if (!draft.find_placement(task.object.id)) return;
  auto& claims = draft.placement(task.object.id).claims;
  std::erase_if(claims, [&](const model::Claim& claim) { return claim.task == task.id; });
}

StepHandler& Engine::handler(const model::Step& step) const {
  for (auto* candidate : handlers_) {
    if (candidate->handles(step)) return *candidate;
  }
  throw Error(Reason::internal_error, "no handler knows this step");
}

StepContext Engine::context(const model::Task& task, std::size_t index) {
  const auto report = [this, id = task.id, index, count = task.plan.size()](
                          Bytes done, Bytes total, std::string text) {
    progress_.set(id, {static_cast<std::uint32_t>(index), static_cast<std::uint32_t>(count), done,
                       total, std::move(text)});
  };
  return StepContext{task, report};
}

Async<void> Engine::run(model::TaskId id, std::function<bool()> cancelled) {
  const auto stored = writer_.inventory().tasks().find(id.value);
  if (stored == writer_.inventory().tasks().end()) co_return;
  model::Task task = stored->second->value;
  std::optional<Error> failure;
  if (task.error) failure = model::to_error(*task.error);
  if (task.state != TaskState::reverting) {
    try {
      co_await forward(task, cancelled);
      co_await conclude(task, TaskState::done, nullptr);
      co_return;
    } catch (const Error& error) {
      failure = error;
    }
  }
  log_.info("core", "a task failed and is taken back",
            {{"task", to_text(id)}, {"why", failure->full_message()}});
  // The decision to go back is journalled, so that a later daemon does not go forward again.
  task.error = model::to_problem(*failure);
  co_await journal(task, TaskState::reverting);
  co_await backward(task);
  const bool by_user = failure->reason() == Reason::task_cancelled;
  co_await conclude(task, by_user ? TaskState::cancelled : TaskState::failed, &*failure);
}

Async<void> Engine::forward(model::Task& task, const std::function<bool()>& cancelled) {
  for (std::size_t i = task.position; i < task.plan.size(); ++i) {
    if (cancelled() && !task.pivoted) throw cancelled_error(task);
    const bool pivot = handler(task.plan[i]).is_pivot(task.plan[i]);
    if (pivot && !task.pivoted) {
      task.pivoted = true;
      task.position = static_cast<std::uint32_t>(i);
      co_await journal(task, TaskState::running);
    }
    if (task.pivoted) {
      co_await retry_forward(task, i);
    } else {
      co_await apply_step(task, i);
    }
    task.position = static_cast<std::uint32_t>(i + 1);
  }
}

Async<void> Engine::apply_step(model::Task& task, std::size_t index) {
  const model::Step& step = task.plan[index];
  StepHandler& work = handler(step);
  const StepContext ctx = context(task, index);
  ctx.progress({}, {}, describe_step(step, writer_.inventory()));
  const Observation seen = co_await work.observe(step, ctx);
  if (seen == Observation::done) co_return;
  if (!work.found_by_name(step) && !task.pivoted) {
    task.position = static_cast<std::uint32_t>(index);
    co_await journal(task, TaskState::running);
  }
  co_await work.apply(step, ctx);
}

Async<void> Engine::retry_forward(model::Task& task, std::size_t index) {
  for (int attempt = 1;; ++attempt) {
    std::optional<Error> failure;
    try {
      co_return co_await apply_step(task, index);
    } catch (const Error& error) {
      failure = error;
    }
    if (attempt >= kForwardAttempts) throw std::move(*failure);
    co_await sleep_for(clock_, kForwardPause * attempt);
  }
}

Async<void> Engine::backward(model::Task& task) {
  if (task.pivoted) co_return;  // what could not be finished is settled as it is
  const std::size_t last = std::min<std::size_t>(task.position + 1, task.plan.size());
  for (std::size_t i = last; i-- > 0;) {
    const model::Step& step = task.plan[i];
    const StepContext ctx = context(task, i);
    ctx.progress({}, {}, "taking back: " + describe_step(step, writer_.inventory()));
    for (int attempt = 1; attempt <= kForwardAttempts; ++attempt) {
      std::optional<Error> failure;
      try {
        co_await handler(step).revert(step, ctx);
        break;
      } catch (const Error& error) {
        failure = error;
      }
      log_.warning("core", "taking a step back failed",
                   {{"task", to_text(task.id)}, {"why", failure->full_message()}});
      if (attempt < kForwardAttempts) co_await sleep_for(clock_, kForwardPause * attempt);
    }
  }
}

Async<void> Engine::journal(model::Task& task, TaskState state) {
  co_await writer_.insist([&](Draft& draft) {
    auto& stored = draft.task(task.id);
    stored.state = state;
    stored.position = task.position;
    stored.pivoted = task.pivoted;
    stored.error = task.error;
  });
}

Async<void> Engine::conclude(model::Task& task, TaskState state, const Error* why) {
  co_await writer_.insist([&](Draft& draft) {
    auto& stored = draft.task(task.id);
    stored.state = state;
    stored.position = task.position;
    stored.ended_at = draft.now();
    if (why) stored.error = model::to_problem(*why);
    for (std::size_t i = 0; i < task.plan.size(); ++i) {
      const bool done = state == TaskState::done || (task.pivoted && i < task.position);
      handler(task.plan[i]).settle(task.plan[i], done ? Outcome::done : Outcome::reverted, why, draft);
    }
    release_claims(draft, task);
  });
  progress_.remove(task.id);
}

}  // namespace ruche::core
