#include "api/list_answer.hpp"
#include "methods/tables.hpp"

namespace ruche::api {

namespace {

using Record = TaskRecord;

std::vector<ListField<Record>> fields(const Context& context) {
  const Context* shared = &context;
  return {
      {"id", FieldKind::text, [](const Record& r) { return to_text(r.value.id); }},
      {"method", FieldKind::text, [](const Record& r) { return r.value.method; }},
      {"summary", FieldKind::text, [](const Record& r) { return r.value.summary; }},
      {"state", FieldKind::text,
       [](const Record& r) { return std::string(enum_name(r.value.state)); }},
      {"user", FieldKind::text, [](const Record& r) { return r.value.user; }},
      {"parent", FieldKind::text,
       [](const Record& r) -> FieldValue {
         if (!r.value.parent) return std::monostate();
         return to_text(*r.value.parent);
       }},
      {"host", FieldKind::text,
       [shared](const Record& r) { return shared->renderer().host_name(r.value.host); }},
      {"object", FieldKind::tags,
       [](const Record& r) {
         return std::vector{r.value.object.name, to_text(r.value.object.id)};
       }},
      {"created_at", FieldKind::time, [](const Record& r) { return r.value.created_at.unix_ms; }},
      {"ended_at", FieldKind::time,
       [](const Record& r) -> FieldValue {
         if (!r.value.ended_at) return std::monostate();
         return r.value.ended_at->unix_ms;
       }},
  };
}

std::vector<std::shared_ptr<const Record>> records(const Context& context) {
  std::vector<std::shared_ptr<const Record>> kept;
  for (const auto& [id, record] : context.parts.inventory.tasks()) kept.push_back(record);
  return kept;
}

Async<void> list(Call& call, Context& context, const std::vector<ListField<Record>>& known) {
  const auto page = page_request(call, call.decode<methods::ListRequest>());
  const auto renderer = context.renderer();
  const ListSource<Record> source{[&] { return records(context); }, known, "-created_at,-id",
                                  [&](std::string& out, const Record& record) {
                                    encode_view(out, renderer.task(record.value, Detail::list));
                                  }};
  auto answer = list_answer(context, page, source);
  co_await call.respond(net::json_response(200, std::move(answer)));
}

std::shared_ptr<const Record> find_task(const Context& context, const std::string& id) {
  auto record = context.parts.inventory.find_task(id);
  if (!record) refuse_missing("task", id, "task list");
  return record;
}

Async<void> show(Call& call, Context& context) {
  const auto request = call.decode<model::TaskRef>();
  auto record = find_task(context, request.task);
  if (call.common().wait) {
    auto later = co_await wait_for_task(context, record->value.id, *call.common().wait);
    if (later) record = std::move(later);
  }
  const auto view = context.renderer().task(record->value);
  co_await respond_value(call, view);
}

Async<void> cancel(Call& call, Context& context) {
  auto request = call.decode<model::TaskRef>();
  const auto record = find_task(context, request.task);
  auto caller = call.caller(context.parts.inventory);
  core::Accepted accepted;
  accepted.dry_run = caller.dry_run;
  if (!caller.dry_run) {
    const auto revision =
        co_await context.parts.tasks.cancel(std::move(caller), std::move(request));
    co_await context.parts.inventory.reached(revision);
    accepted.revision = revision;
  }
  accepted.task = record->value;
  co_await respond_accepted(call, context, std::move(accepted));
}

}  // namespace

void add_task_handlers(Registry& registry, Context& context) {
  registry.add("task.list", [&context, known = fields(context)](Call& call) {
    return list(call, context, known);
  });
  registry.add("task.show", [&context](Call& call) { return show(call, context); });
  registry.add("task.cancel", [&context](Call& call) { return cancel(call, context); });
}

}  // namespace ruche::api
