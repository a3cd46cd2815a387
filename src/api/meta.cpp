#include "api/call.hpp"
#include "methods/tables.hpp"

namespace ruche::api {

namespace {

Async<void> show(Call& call, Context& context) {
  const auto& parts = context.parts;
  methods::ApiInfo info;
  info.product = "ruche";
  info.version = parts.version;
  info.host = context.renderer().host_name(parts.self);
  info.store_id = parts.inventory.store_id();
  info.revision = parts.inventory.revision().number;
  info.stale = parts.inventory.is_stale();
  info.https = https_view(parts.https);
  for (const auto& method : methods::all()) info.features.emplace_back(method.id);
  co_await respond_value(call, info);
}

}  // namespace

void add_meta_handlers(Registry& registry, Context& context) {
  registry.add("meta.show", [&context](Call& call) { return show(call, context); });
  registry.add("meta.openapi", [&context](Call& call) {
    return call.respond(net::json_response(200, context.openapi));
  });
}

}  // namespace ruche::api
