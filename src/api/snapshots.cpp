// Snapshots of virtual machines, their copies, and templates.
#include <fmt/format.h>

#include <algorithm>

#include "api/call.hpp"
#include "core/snapshots/copy_plans.hpp"
#include "core/snapshots/snapshot_plans.hpp"
#include "methods/tables.hpp"

namespace ruche::api {

namespace {

Async<void> list(Call& call, Context& context) {
  const auto request = call.decode<model::VmRef>();
  const methods::Page<model::SnapshotView> page{context.parts.snapshots.list(request.vm), {}};
  co_await respond_value(call, page);
}

Async<void> show(Call& call, Context& context) {
  const auto request = call.decode<model::SnapshotRef>();
  const auto record = find_vm(context, request.vm);
  const auto& guest = record->spec->value;
  const auto id = core::plans::find_snapshot(context.parts.inventory, guest, request.snapshot).id;
  const auto all = context.parts.snapshots.list(to_text(guest.id));
  const auto found = std::ranges::find(all, id, &model::SnapshotView::id);
  if (found == all.end()) refuse_missing("snapshot", request.snapshot, "snapshot tree");
  co_await respond_value(call, *found);
}

Async<void> list_schedules(Call& call, Context& context) {
  const auto request = call.decode<model::VmRef>();
  const methods::Page<model::ScheduleView> page{context.parts.snapshots.schedules(request.vm), {}};
  co_await respond_value(call, page);
}

Async<void> list_layers(Call& call, Context& context) {
  const auto request = call.decode<model::VmRef>();
  methods::Page<model::LayerView> page;
  page.items = co_await context.parts.snapshots.layers(request.vm);
  co_await respond_value(call, page);
}

// From an image or from nothing, or as a copy of a template.
Async<core::Accepted> create_vm(Context& context, core::Caller caller, model::CreateVm request) {
  if (request.from_template.empty()) {
    co_return co_await context.parts.guests.create(std::move(caller), std::move(request));
  }
  const auto record = find_vm(context, request.from_template);
  const auto& original = record->spec->value;
  if (!original.is_template) {
    throw Error(Reason::wrong_state, fmt::format("{} is no template", original.name))
        .at("/from_template")
        .remedy(fmt::format("make it one (ruche vm template {0}), or copy it as it is (ruche vm "
                            "clone {0} NAME)",
                            original.name));
  }
  auto copy = core::plans::copy_of_template(request);
  co_return co_await context.parts.snapshots.clone(std::move(caller), std::move(copy));
}

}  // namespace

void add_snapshot_handlers(Registry& registry, Context& context) {
  core::SnapshotService& snapshots = context.parts.snapshots;
  registry.add("snapshot.list", [&context](Call& call) { return list(call, context); });
  registry.add("snapshot.show", [&context](Call& call) { return show(call, context); });
  registry.add("snapshot.schedule.list",
               [&context](Call& call) { return list_schedules(call, context); });
  registry.add("vm.layers", [&context](Call& call) { return list_layers(call, context); });
  registry.add("vm.create", task_handler<model::CreateVm>(
                                context, [&context](core::Caller caller, model::CreateVm request) {
                                  return create_vm(context, std::move(caller), std::move(request));
                                }));
  const auto add = [&](std::string_view id, auto accept) {
    registry.add(id, service_handler(context, snapshots, accept));
  };
  add("snapshot.create", &core::SnapshotService::create);
  add("snapshot.revert", &core::SnapshotService::revert);
  add("snapshot.delete", &core::SnapshotService::remove);
  add("snapshot.schedule.set", &core::SnapshotService::set_schedule);
  add("snapshot.schedule.remove", &core::SnapshotService::remove_schedule);
  add("vm.clone", &core::SnapshotService::clone);
  add("vm.template", &core::SnapshotService::make_template);
  add("vm.flatten", &core::SnapshotService::flatten);
}

}  // namespace ruche::api
