#include "api/list_answer.hpp"
#include "methods/tables.hpp"
#include "model/pool_requests.hpp"

namespace ruche::api {

namespace {

using Record = core::PoolRecord;

std::vector<ListField<Record>> fields(const Context& context) {
  const Context* shared = &context;
  return {
      {"id", FieldKind::text, [](const Record& r) { return to_text(r.spec->value.id); }},
      {"name", FieldKind::text, [](const Record& r) { return r.spec->value.name; }},
      {"description", FieldKind::text, [](const Record& r) { return r.spec->value.description; }},
      {"host", FieldKind::text,
       [shared](const Record& r) { return shared->renderer().host_name(r.spec->value.host); }},
      {"shares", FieldKind::number,
       [](const Record& r) { return std::int64_t{r.spec->value.shares}; }},
      {"created_at", FieldKind::time,
       [](const Record& r) { return r.spec->value.created_at.unix_ms; }},
  };
}

std::vector<std::shared_ptr<const Record>> records(const Context& context) {
  std::vector<std::shared_ptr<const Record>> kept;
  for (const auto& [id, record] : context.parts.inventory.pools()) {
    if (record->complete()) kept.push_back(record);
  }
  return kept;
}

Async<void> list(Call& call, Context& context, const std::vector<ListField<Record>>& known) {
  const auto page = page_request(call, call.decode<methods::ListRequest>());
  const auto renderer = context.renderer();
  const ListSource<Record> source{
      [&] { return records(context); }, known, "name",
      [&](std::string& out, const Record& record) { encode_view(out, renderer.pool(record)); }};
  auto answer = list_answer(context, page, source);
  co_await call.respond(net::json_response(200, std::move(answer)));
}

model::PoolView view_of(const Context& context, const std::string& reference) {
  const auto record = context.parts.inventory.find_pool(reference);
  if (!record) refuse_missing("resource pool", reference, "pool list");
  return context.renderer().pool(*record);
}

Async<void> show(Call& call, Context& context) {
  const auto request = call.decode<model::PoolRef>();
  const auto view = view_of(context, request.pool);
  co_await respond_value(call, view, view.etag);
}

Async<void> create(Call& call, Context& context) {
  auto request = call.decode<model::CreatePool>();
  auto caller = call.caller(context.parts.inventory);
  const auto id = co_await context.parts.pools.create(std::move(caller), std::move(request));
  const auto view = view_of(context, to_text(id));
  co_await respond_value(call, view, view.etag);
}

Async<void> set(Call& call, Context& context) {
  const auto id = view_of(context, call.parameter("pool")).id;
  const std::string patch(patch_text(call.query(), call.body()));
  const auto change = [patch](model::PoolEdit& edit) {
    auto ok = json::merge_patch_into(type_of<model::PoolEdit>(), &edit, patch,
                                     {.allow_read_only = false});
    if (!ok) throw std::move(ok.error());
  };
  auto caller = call.caller(context.parts.inventory);
  co_await context.parts.pools.edit(std::move(caller), id, change);
  const auto view = view_of(context, to_text(id));
  co_await respond_value(call, view, view.etag);
}

Async<void> remove(Call& call, Context& context) {
  const auto request = call.decode<model::PoolRef>();
  const auto view = view_of(context, request.pool);
  auto caller = call.caller(context.parts.inventory);
  co_await context.parts.pools.remove(std::move(caller), view.id);
  co_await respond_value(call, view);
}

}  // namespace

void add_pool_handlers(Registry& registry, Context& context) {
  registry.add("pool.list", [&context, known = fields(context)](Call& call) {
    return list(call, context, known);
  });
  registry.add("pool.show", [&context](Call& call) { return show(call, context); });
  registry.add("pool.create", [&context](Call& call) { return create(call, context); });
  registry.add("pool.set", [&context](Call& call) { return set(call, context); });
  registry.add("pool.delete", [&context](Call& call) { return remove(call, context); });
}

}  // namespace ruche::api
