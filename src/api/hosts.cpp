#include "api/list_answer.hpp"
#include "methods/tables.hpp"

namespace ruche::api {

namespace {

using Record = core::HostRecord;

FieldValue of_status(const Record& record, std::string (*get)(const model::HostStatus&)) {
  if (!record.status) return std::monostate();
  return get(record.status->value);
}

std::vector<ListField<Record>> fields() {
  return {
      {"id", FieldKind::text, [](const Record& r) { return to_text(r.spec->value.id); }},
      {"name", FieldKind::text, [](const Record& r) { return r.spec->value.name; }},
      {"accelerator", FieldKind::text,
       [](const Record& r) {
         return of_status(r, [](const auto& s) { return std::string(enum_name(s.accelerator)); });
       }},
      {"version", FieldKind::text,
       [](const Record& r) { return of_status(r, [](const auto& s) { return s.version; }); }},
      {"threads", FieldKind::number,
       [](const Record& r) { return r.status ? std::int64_t{r.status->value.threads} : 0; }},
      {"created_at", FieldKind::time,
       [](const Record& r) { return r.spec->value.created_at.unix_ms; }},
  };
}

std::vector<std::shared_ptr<const Record>> records(const Context& context) {
  std::vector<std::shared_ptr<const Record>> kept;
  for (const auto& [id, record] : context.parts.inventory.hosts()) {
    if (record->spec) kept.push_back(record);
  }
  return kept;
}

Async<void> list(Call& call, Context& context, const std::vector<ListField<Record>>& known) {
  const auto page = page_request(call, call.decode<methods::ListRequest>());
  const auto renderer = context.renderer();
  const ListSource<Record> source{
      [&] { return records(context); }, known, "name",
      [&](std::string& out, const Record& record) { encode_view(out, renderer.host(record)); }};
  auto answer = list_answer(context, page, source);
  co_await call.respond(net::json_response(200, std::move(answer)));
}

Async<void> show(Call& call, Context& context) {
  const auto request = call.decode<model::HostRef>();
  const auto& parts = context.parts;
  const auto reference = request.host == "self" ? to_text(parts.self) : request.host;
  const auto record = parts.inventory.find_host(reference);
  if (!record || !record->spec) refuse_missing("host", request.host, "host list");
  const auto view = context.renderer().host(*record);
  co_await respond_value(call, view);
}

}  // namespace

void add_host_handlers(Registry& registry, Context& context) {
  registry.add("host.list",
               [&context, known = fields()](Call& call) { return list(call, context, known); });
  registry.add("host.show", [&context](Call& call) { return show(call, context); });
}

}  // namespace ruche::api
