#include "api/list_answer.hpp"
#include "core/networks/network_service.hpp"
#include "methods/tables.hpp"

namespace ruche::api {

namespace {

using Record = core::NetworkRecord;

std::vector<ListField<Record>> fields() {
  return {
      {"id", FieldKind::text, [](const Record& r) { return to_text(r.spec->value.id); }},
      {"name", FieldKind::text, [](const Record& r) { return r.spec->value.name; }},
      {"description", FieldKind::text, [](const Record& r) { return r.spec->value.description; }},
      {"kind", FieldKind::text,
       [](const Record& r) { return std::string(enum_name(r.spec->value.kind)); }},
      {"subnet", FieldKind::text, [](const Record& r) { return r.spec->value.subnet; }},
      {"state", FieldKind::text,
       [](const Record& r) {
         const auto state = r.status ? r.status->value.state : model::NetworkState::unknown;
         return std::string(enum_name(state));
       }},
      {"created_at", FieldKind::time,
       [](const Record& r) { return r.spec->value.created_at.unix_ms; }},
  };
}

std::vector<std::shared_ptr<const Record>> records(const Context& context) {
  std::vector<std::shared_ptr<const Record>> kept;
  for (const auto& [id, record] : context.parts.inventory.networks()) {
    if (record->complete()) kept.push_back(record);
  }
  return kept;
}

Async<void> list(Call& call, Context& context, const std::vector<ListField<Record>>& known) {
  const auto page = page_request(call, call.decode<methods::ListRequest>());
  const auto renderer = context.renderer();
  const ListSource<Record> source{
      [&] { return records(context); }, known, "name",
      [&](std::string& out, const Record& record) { encode_view(out, renderer.network(record)); }};
  auto answer = list_answer(context, page, source);
  co_await call.respond(net::json_response(200, std::move(answer)));
}

Async<void> show(Call& call, Context& context) {
  const auto request = call.decode<model::NetworkRef>();
  const auto record = context.parts.inventory.find_network(request.network);
  if (!record) refuse_missing("network", request.network, "network list");
  const auto view = context.renderer().network(*record);
  co_await respond_value(call, view, view.etag);
}

Async<void> forwards(Call& call, Context& context) {
  const auto request = call.decode<model::NetworkRef>();
  const auto record = context.parts.inventory.find_network(request.network);
  if (!record) refuse_missing("network", request.network, "network list");
  methods::Page<model::ForwardView> page;
  page.items = context.renderer().network(*record).forwards;
  co_await respond_value(call, page);
}

void apply_patch(const std::string& patch, model::NetworkEdit& edit) {
  auto ok = json::merge_patch_into(type_of<model::NetworkEdit>(), &edit, patch,
                                   {.allow_read_only = false});
  if (!ok) throw std::move(ok.error());
}

Async<void> set(Call& call, Context& context) {
  const std::string patch(patch_text(call.query(), call.body()));
  const auto change = [patch](model::NetworkEdit& edit) { apply_patch(patch, edit); };
  auto caller = call.caller(context.parts.inventory);
  auto accepted =
      co_await context.parts.networks.edit(std::move(caller), call.parameter("network"), change);
  co_await respond_accepted(call, context, std::move(accepted));
}

}  // namespace

void add_network_handlers(Registry& registry, Context& context) {
  core::NetworkService& networks = context.parts.networks;
  registry.add("network.list",
               [&context, known = fields()](Call& call) { return list(call, context, known); });
  registry.add("network.show", [&context](Call& call) { return show(call, context); });
  registry.add("network.forwards", [&context](Call& call) { return forwards(call, context); });
  registry.add("network.set", [&context](Call& call) { return set(call, context); });
  const auto add = [&](std::string_view id, auto accept) {
    registry.add(id, service_handler(context, networks, accept));
  };
  add("network.create", &core::NetworkService::create);
  add("network.delete", &core::NetworkService::remove);
  add("network.forward", &core::NetworkService::add_forward);
  add("network.unforward", &core::NetworkService::remove_forward);
}

}  // namespace ruche::api
