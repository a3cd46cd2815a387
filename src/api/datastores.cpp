#include "api/list_answer.hpp"
#include "methods/tables.hpp"

namespace ruche::api {

namespace {

using Record = core::DatastoreRecord;

FieldValue host_of(const Context& context, const Record& record) {
  if (!record.spec->value.host) return std::monostate();
  return context.renderer().host_name(*record.spec->value.host);
}

std::vector<ListField<Record>> fields(const Context& context) {
  const Context* shared = &context;
  return {
      {"id", FieldKind::text, [](const Record& r) { return to_text(r.spec->value.id); }},
      {"name", FieldKind::text, [](const Record& r) { return r.spec->value.name; }},
      {"kind", FieldKind::text,
       [](const Record& r) { return std::string(enum_name(r.spec->value.kind)); }},
      {"path", FieldKind::text, [](const Record& r) { return r.spec->value.path; }},
      {"shared", FieldKind::boolean,
       [](const Record& r) { return std::int64_t{r.spec->value.shared}; }},
      {"host", FieldKind::text, [shared](const Record& r) { return host_of(*shared, r); }},
      {"state", FieldKind::text,
       [](const Record& r) {
         const auto state = r.status ? r.status->value.state : model::DatastoreState::unknown;
         return std::string(enum_name(state));
       }},
      {"available_bytes", FieldKind::size,
       [](const Record& r) { return r.status ? r.status->value.available.count : 0; }},
      {"created_at", FieldKind::time,
       [](const Record& r) { return r.spec->value.created_at.unix_ms; }},
  };
}

std::vector<std::shared_ptr<const Record>> records(const Context& context) {
  std::vector<std::shared_ptr<const Record>> kept;
  for (const auto& [id, record] : context.parts.inventory.datastores()) {
    if (record->spec) kept.push_back(record);
  }
  return kept;
}

Async<void> list(Call& call, Context& context, const std::vector<ListField<Record>>& known) {
  const auto page = page_request(call, call.decode<methods::ListRequest>());
  const auto renderer = context.renderer();
  const ListSource<Record> source{[&] { return records(context); }, known, "name",
                                  [&](std::string& out, const Record& record) {
                                    encode_view(out, renderer.datastore(record));
                                  }};
  auto answer = list_answer(context, page, source);
  co_await call.respond(net::json_response(200, std::move(answer)));
}

Async<void> show(Call& call, Context& context) {
  const auto request = call.decode<model::DatastoreRef>();
  const auto record = context.parts.inventory.find_datastore(request.datastore);
  if (!record || !record->spec) refuse_missing("datastore", request.datastore, "datastore list");
  const auto view = context.renderer().datastore(*record);
  co_await respond_value(call, view);
}

Async<void> list_found(Call& call, Context& context) {
  auto request = call.decode<model::DatastoreRef>();
  methods::Page<model::FoundVm> page;
  page.items = co_await context.parts.guests.found_on(std::move(request));
  co_await respond_value(call, page);
}

}  // namespace

void add_datastore_handlers(Registry& registry, Context& context) {
  core::DatastoreService& datastores = context.parts.datastores;
  registry.add("datastore.list", [&context, known = fields(context)](Call& call) {
    return list(call, context, known);
  });
  registry.add("datastore.show", [&context](Call& call) { return show(call, context); });
  registry.add("datastore.guests", [&context](Call& call) { return list_found(call, context); });
  registry.add("datastore.create",
               service_handler(context, datastores, &core::DatastoreService::create));
  registry.add("datastore.delete",
               service_handler(context, datastores, &core::DatastoreService::remove));
}

}  // namespace ruche::api
