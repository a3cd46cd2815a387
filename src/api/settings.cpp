#include "api/list_answer.hpp"
#include "methods/tables.hpp"
#include "model/host.hpp"

namespace ruche::api {

namespace {

Async<void> show(Call& call, Context& context) {
  const auto& inventory = context.parts.inventory;
  const auto etag = etag_of(inventory, inventory.key_revision("settings/cluster"));
  co_await respond_value(call, inventory.settings(), etag);
}

void apply_patch(const std::string& patch, model::Settings& settings) {
  auto ok = json::merge_patch_into(type_of<model::Settings>(), &settings, patch,
                                   {.allow_read_only = false});
  if (!ok) throw std::move(ok.error());
}

Async<void> set(Call& call, Context& context) {
  const std::string patch(patch_text(call.query(), call.body()));
  const auto change = [patch](model::Settings& settings) { apply_patch(patch, settings); };
  auto caller = call.caller(context.parts.inventory);
  co_await context.parts.settings.edit(std::move(caller), change);
  co_await show(call, context);
}

}  // namespace

void add_setting_handlers(Registry& registry, Context& context) {
  registry.add("setting.show", [&context](Call& call) { return show(call, context); });
  registry.add("setting.set", [&context](Call& call) { return set(call, context); });
}

}  // namespace ruche::api
