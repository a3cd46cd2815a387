// From an accepted request to its answer.
#include "api/call.hpp"

namespace ruche::api {

namespace {

bool has_ended(const std::shared_ptr<const TaskRecord>& record) {
  return !record || !model::is_open(record->value.state);
}

}  // namespace

Async<std::shared_ptr<const TaskRecord>> wait_for_task(Context& context, model::TaskId task,
                                                       Duration limit) {
  auto& inventory = context.parts.inventory;
  auto& clock = context.parts.clock;
  const Instant end = clock.now() + limit;
  const std::string id = to_text(task);
  auto record = inventory.find_task(id);
  while (!has_ended(record)) {
    const auto left = std::chrono::duration_cast<Duration>(end - clock.now());
    if (left.count() <= 0) break;
    try {
      co_await with_deadline(clock, left, "waiting for the task", inventory.changed());
    } catch (const Error& error) {
      if (error.reason() != Reason::deadline) throw;
    }
    record = inventory.find_task(id);
  }
  co_return record;
}

Async<void> respond_accepted(Call& call, Context& context, core::Accepted accepted) {
  if (accepted.dry_run) {
    const auto plan = context.renderer().plan(accepted);
    co_await respond_value(call, plan);
    co_return;
  }
  const model::TaskId id = accepted.task.id;
  auto record = co_await wait_for_task(context, id, call.common().wait.value_or(Duration{0}));
  const model::Task& task = record ? record->value : accepted.task;
  const auto view = context.renderer().task(task);
  auto response = net::json_response(model::is_open(task.state) ? 202 : 200, json::encode(view));
  response.headers.set("Location", "/v1/tasks/" + to_text(id));
  if (accepted.replayed) response.headers.set("Idempotent-Replayed", "true");
  co_await call.respond(std::move(response));
}

}  // namespace ruche::api
