#include "core/tasks/engine.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/tasks/task_service.hpp"

namespace ruche::core {

using model::TaskState;

namespace {

constexpr Duration kPatience{600'000};  // with what may pass, once there is no other way
constexpr Duration kFirstPause{200};
constexpr Duration kLongestPause{15'000};
constexpr int kAttempts = 3;  // of what will hardly pass

// Failures of the surroundings, which end by themselves.
bool may_pass(const Error& error) {
  return error.code() == ErrorCode::unavailable || error.code() == ErrorCode::deadline_exceeded ||
         error.reason() == Reason::in_use;
}

Async<void> run_to_end(Async<void> work, bool& ended) {
  co_await std::move(work);
  ended = true;
}

}  // namespace

// A task while it is worked on.
struct Engine::Work {
  model::Task task;
  Scope* step = nullptr;  // around the step that is being applied
};

namespace {
bool is_still_open(const Draft& draft, model::TaskId id) {
  const auto& tasks = draft.inventory().tasks();
  const auto found = tasks.find(id.value);
  return found != tasks.end() && model::is_open(found->second->value.state);
}

// Tasks that waited for this one go where their object went.
void hand_over(Draft& draft, const model::Task& task) {
  const auto* placement = draft.find_placement(task.object.id);
  if (!placement || placement->host == task.host) return;
  for (const auto& claim : placement->claims) {
    if (draft.inventory().tasks().contains(claim.task.value)) {
      draft.task(claim.task).host = placement->host;
    }
  }
}
}  // namespace

namespace {

// A commit is bounded (ports::kMaxOperations). What a long plan has merged and removed is settled
// beforehand, a few steps at a time; that they are settled once more with the task is nothing.
constexpr std::size_t kLongPlan = 12;
constexpr std::size_t kSettledTogether = 4;

bool is_for_good(const model::Step& step) {
  return std::holds_alternative<model::DeleteVolume>(step) ||
         std::holds_alternative<model::MergeLayer>(step) ||
         std::holds_alternative<model::ForgetSnapshot>(step);
}

bool is_long(const model::Task& task) {
  return task.plan.size() > kLongPlan && std::ranges::any_of(task.plan, is_for_good);
}

// The end of a task is told of in its own record; the request's said that it was accepted.
model::AuditRecord ending(const model::Task& task, TaskState state, const Error* why) {
  model::AuditRecord record;
  record.user = task.user;
  record.method = task.method;
  record.object = task.object;
  record.task = task.id;
  record.outcome = state == TaskState::done        ? model::AuditOutcome::done
                   : state == TaskState::cancelled ? model::AuditOutcome::cancelled
                                                   : model::AuditOutcome::failed;
  if (why) record.reason = why->message();
  return record;
}

}  // namespace

namespace {

void release_claims_on(Draft& draft, Uuid object, model::TaskId task) {
  if (!draft.find_placement(object)) return;
  auto& claims = draft.placement(object).claims;
  std::erase_if(claims, [&](const model::Claim& claim) { return claim.task == task; });
}

}  // namespace

void release_claims(Draft& draft, const model::Task& task) {
  release_claims_on(draft, task.object.id, task.id);
  if (task.source) release_claims_on(draft, task.source->object, task.id);
  for (const auto layer : task.reads) {
    if (!draft.find_layer(layer)) continue;
    auto& users = draft.layer(layer).references;
    if (users > 0) --users;
  }
}

StepHandler& Engine::handler(const model::Step& step) const {
  for (auto* candidate : handlers_) {
    if (candidate->handles(step)) return *candidate;
  }
  throw Error(Reason::internal_error, "no handler knows this step");
}

StepContext Engine::context(const model::Task& task, std::size_t index) {
  const auto report = [this, id = task.id, index, count = task.plan.size()](Bytes done, Bytes total,
                                                                            std::string text) {
    progress_.set(id, {static_cast<std::uint32_t>(index), static_cast<std::uint32_t>(count), done,
                       total, std::move(text)});
  };
  return StepContext{task, report};
}

std::optional<std::size_t> Engine::last_pivot(const model::Task& task) const {
  if (!task.pivoted) return std::nullopt;
  for (std::size_t i = std::min<std::size_t>(task.position + 1, task.plan.size()); i-- > 0;) {
    if (handler(task.plan[i]).is_pivot(task.plan[i])) return i;
  }
  return std::nullopt;
}

bool Engine::may_be_cancelled(const model::Task& task) const {
  if (!task.pivoted) return true;
  if (task.position >= task.plan.size()) return false;
  const auto& step = task.plan[task.position];
  return handler(step).can_be_cancelled(step);
}

bool Engine::cancel_requested(const model::Task& task) const {
  const auto found = writer_.inventory().tasks().find(task.id.value);
  return found != writer_.inventory().tasks().end() && found->second->value.cancel_requested &&
         may_be_cancelled(task);
}

void Engine::throw_if_cancel_requested(const model::Task& task) const {
  if (!cancel_requested(task)) return;
  const auto kind = writer_.inventory().tasks().at(task.id.value)->value.cancel_requested;
  throw Error(Reason::task_cancelled, fmt::format("the task was cancelled ({})", enum_name(*kind)));
}

void Engine::interrupt(model::TaskId id) {
  const auto found = under_way_.find(id);
  if (found == under_way_.end() || !may_be_cancelled(found->second->task)) return;
  if (found->second->step) found->second->step->cancel(CancelReason::user);
}

Async<void> Engine::run(model::TaskId id) {
  const auto stored = writer_.inventory().tasks().find(id.value);
  if (stored == writer_.inventory().tasks().end()) co_return;
  if (!model::is_open(stored->second->value.state)) co_return;
  Work work{stored->second->value};
  under_way_[id] = &work;
  std::exception_ptr failure;
  try {
    co_await carry_out(work);
  } catch (const std::exception&) {
    failure = std::current_exception();
  }
  under_way_.erase(id);
  if (failure) std::rethrow_exception(failure);
}

Async<void> Engine::carry_out(Work& work) {
  model::Task& task = work.task;
  std::optional<Error> failure;
  if (task.error) failure = model::to_error(*task.error);
  if (task.state != TaskState::reverting) {
    try {
      co_await forward(work);
      co_await conclude(task, TaskState::done, nullptr);
      co_return;
    } catch (const Error& error) {
      failure = error;
    }
  }
  log_.info("core", "a task failed and is taken back",
            {{"task", to_text(task.id)}, {"why", failure->full_message()}});
  // The decision to go back is journalled, so that a later daemon does not go forward again.
  task.error = model::to_problem(*failure);
  co_await journal(task, TaskState::reverting);
  co_await backward(task);
  const bool by_user = failure->reason() == Reason::task_cancelled;
  co_await conclude(task, by_user ? TaskState::cancelled : TaskState::failed, &*failure);
}

Async<void> Engine::forward(Work& work) {
  model::Task& task = work.task;
  for (std::size_t i = task.position; i < task.plan.size(); ++i) {
    if (!task.pivoted) throw_if_cancel_requested(task);
    task.position = static_cast<std::uint32_t>(i);
    if (!task.pivoted && handler(task.plan[i]).is_pivot(task.plan[i])) {
      task.pivoted = true;
      co_await journal(task, TaskState::running);
    }
    if (task.pivoted) {
      co_await retry_forward(work, i);
    } else {
      co_await apply_step(work, i);
    }
    task.position = static_cast<std::uint32_t>(i + 1);
  }
}

Async<void> Engine::apply_step(Work& work, std::size_t index) {
  model::Task& task = work.task;
  const model::Step& step = task.plan[index];
  StepHandler& handles = handler(step);
  const StepContext ctx = context(task, index);
  ctx.progress({}, {}, describe_step(step, writer_.inventory()));
  const Observation seen = co_await handles.observe(step, ctx);
  if (seen == Observation::done) co_return;
  if (!handles.found_by_name(step) && !task.pivoted) co_await journal(task, TaskState::running);
  throw_if_cancel_requested(task);
  // A scope of its own, so that the user's cancellation reaches the step and nothing around it: a
  // commit of the journal is never interrupted.
  Scope scope(co_await current_executor(), "step");
  bool ended = false;
  scope.spawn("apply", run_to_end(handles.apply(step, ctx), ended));
  work.step = &scope;
  std::exception_ptr failure;
  try {
    co_await scope.join();
  } catch (const std::exception&) {
    failure = std::current_exception();
  }
  work.step = nullptr;
  if (failure) std::rethrow_exception(failure);
  if (!ended) throw_if_cancel_requested(task);
  if (!ended) throw Error(Reason::internal_error, "a step ended without a result");
}

Async<void> Engine::retry_forward(Work& work, std::size_t index) {
  const Instant give_up = clock_.now() + kPatience;
  Duration pause = kFirstPause;
  for (int attempt = 1;; ++attempt) {
    std::optional<Error> failure;
    try {
      co_return co_await apply_step(work, index);
    } catch (const Error& error) {
      failure = error;
    }
    // What may be given up is not insisted on.
    const auto& step = work.task.plan[index];
    if (handler(step).can_be_cancelled(step)) throw std::move(*failure);
    const bool go_on = may_pass(*failure) ? clock_.now() < give_up : attempt < kAttempts;
    if (!go_on) throw std::move(*failure);
    co_await sleep_for(clock_, pause);
    pause = std::min(pause * 2, kLongestPause);
  }
}

Async<void> Engine::backward(model::Task& task) {
  // What could not be finished after a pivot is settled as it is, but for the steps that come after
  // the last one. Without a pivot all of them: how far an earlier daemon came is not journalled for
  // steps that are found by name.
  const auto pivot = last_pivot(task);
  if (task.pivoted && !pivot) co_return;
  if (pivot && *pivot == task.position) {
    const auto& step = task.plan[*pivot];
    co_await handler(step).give_up(step);
  }
  const std::size_t first = pivot ? *pivot + 1 : 0;
  for (std::size_t i = task.plan.size(); i-- > first;) co_await take_back(task, i);
}

Async<void> Engine::take_back(model::Task& task, std::size_t index) {
  const model::Step& step = task.plan[index];
  const StepContext ctx = context(task, index);
  const std::string what = "taking back: " + describe_step(step, writer_.inventory());
  ctx.progress({}, {}, what);
  const Instant give_up = clock_.now() + kPatience;
  Duration pause = kFirstPause;
  for (int attempt = 1;; ++attempt) {
    std::optional<Error> failure;
    try {
      co_return co_await handler(step).revert(step, ctx);
    } catch (const Error& error) {
      failure = error;
    }
    log_.warning("core", "taking a step back failed",
                 {{"task", to_text(task.id)}, {"why", failure->full_message()}});
    const bool go_on = may_pass(*failure) ? clock_.now() < give_up : attempt < kAttempts;
    if (!go_on) {
      task.error->causes.push_back(what + " failed: " + failure->full_message());
      co_return;
    }
    ctx.progress({}, {}, what + "; trying again after: " + failure->message());
    co_await sleep_for(clock_, pause);
    pause = std::min(pause * 2, kLongestPause);
  }
}

Async<void> Engine::journal(model::Task& task, TaskState state) {
  co_await writer_.insist([&](Draft& draft) {
    if (!is_still_open(draft, task.id)) return;
    auto& stored = draft.task(task.id);
    stored.state = state;
    stored.position = task.position;
    stored.pivoted = task.pivoted;
    stored.error = task.error;
  });
}

Async<void> Engine::conclude(model::Task& task, TaskState state, const Error* why) {
  const auto pivot = last_pivot(task);
  const auto settle = [&](Draft& draft, std::size_t i) {
    const bool kept = pivot && i <= *pivot && i < task.position;
    const bool done = state == TaskState::done || kept;
    handler(task.plan[i])
        .settle(task.plan[i], done ? Outcome::done : Outcome::reverted, why, draft);
  };
  for (std::size_t i = 0; is_long(task) && i < task.plan.size(); i += kSettledTogether) {
    co_await writer_.insist([&](Draft& draft) {
      if (!is_still_open(draft, task.id)) return;
      const auto end = std::min(task.plan.size(), i + kSettledTogether);
      for (auto n = i; n < end; ++n) {
        if (is_for_good(task.plan[n])) settle(draft, n);
      }
    });
  }
  co_await writer_.insist([&](Draft& draft) {
    if (!is_still_open(draft, task.id)) return;  // an earlier attempt was written after all
    auto& stored = draft.task(task.id);
    stored.state = state;
    stored.position = task.position;
    stored.error = task.error;
    stored.ended_at = draft.now();
    for (std::size_t i = 0; i < task.plan.size(); ++i) settle(draft, i);
    release_claims(draft, task);
    hand_over(draft, task);
    draft.record(task.host, ending(task, state, why));
  });
  progress_.remove(task.id);
}

}  // namespace ruche::core
