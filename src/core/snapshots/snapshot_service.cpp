#include "core/snapshots/snapshot_service.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "core/guests/plan_bulk.hpp"
#include "core/snapshots/copy_plans.hpp"
#include "core/snapshots/layer_lines.hpp"
#include "core/snapshots/schedules.hpp"
#include "core/snapshots/snapshot_plans.hpp"

namespace ruche::core {

Async<Accepted> SnapshotService::create(Caller caller, model::CreateSnapshot request) {
  co_return co_await accept(parts_.writer, std::move(caller), [&](Draft& draft) {
    return plans::take_snapshot(draft, site(), request);
  });
}
Async<Accepted> SnapshotService::revert(Caller caller, model::RevertToSnapshot request) {
  co_return co_await accept(parts_.writer, std::move(caller),
                            [&](Draft& draft) { return plans::revert(draft, site(), request); });
}
Async<Accepted> SnapshotService::remove(Caller caller, model::DeleteSnapshot request) {
  co_return co_await accept(parts_.writer, std::move(caller), [&](Draft& draft) {
    return plans::delete_snapshot(draft, site(), request);
  });
}
Async<Accepted> SnapshotService::flatten(Caller caller, model::FlattenVm request) {
  co_return co_await accept(parts_.writer, std::move(caller),
                            [&](Draft& draft) { return plans::flatten(draft, site(), request); });
}
Async<Accepted> SnapshotService::clone(Caller caller, model::CloneVm request) {
  const bool several = request.count > 1;
  auto accepted = co_await accept(parts_.writer, std::move(caller), [&](Draft& draft) {
    if (several) return plans::clone_many(draft, site(), request);
    return plans::clone(draft, site(), request);
  });
  if (several && accepted.dry_run) {
    Draft draft(parts_.writer.inventory(), parts_.writer.clock(), parts_.writer.random());
    const auto copy = [&](Draft& held, const model::CloneVm& order, model::NewCopy one) {
      return plans::clone(held, site(), order, std::move(one));
    };
    accepted.parts = plans::plan_parts(draft, site(), accepted.task, copy);
  }
  co_return accepted;
}
Async<Accepted> SnapshotService::make_template(Caller caller, model::TemplateVm request) {
  co_return co_await accept(parts_.writer, std::move(caller),
                            [&](Draft& draft) { return plans::make_template(draft, request); });
}
Async<Accepted> SnapshotService::set_schedule(Caller caller, model::SetSchedule request) {
  co_return co_await accept(parts_.writer, std::move(caller),
                            [&](Draft& draft) { return plans::set_schedule(draft, request); });
}
Async<Accepted> SnapshotService::remove_schedule(Caller caller, model::ScheduleRef request) {
  co_return co_await accept(parts_.writer, std::move(caller),
                            [&](Draft& draft) { return plans::remove_schedule(draft, request); });
}

namespace {

std::shared_ptr<const GuestRecord> guest_called(const Inventory& inventory,
                                                const std::string& reference) {
  auto record = inventory.find_guest(reference);
  if (record && record->complete()) return record;
  throw Error(Reason::no_such_object, fmt::format("no VM {}", reference))
      .at("/vm")
      .remedy("see them: ruche vm list");
}

model::SnapshotView view_of(const model::Snapshot& snapshot) {
  model::SnapshotView view;
  view.id = snapshot.id;
  view.name = snapshot.name;
  view.description = snapshot.description;
  view.memory = snapshot.memory.has_value();
  if (snapshot.memory) view.memory_size = snapshot.memory->size;
  for (const auto& disk : snapshot.spec.disks) view.disks += disk.size;
  view.quiesced = snapshot.quiesced;
  view.crash_consistent = snapshot.crash_consistent;
  view.pause = snapshot.pause;
  view.state = snapshot.state;
  view.schedule = snapshot.schedule;
  view.created_at = snapshot.created_at;
  return view;
}

}  // namespace

std::vector<model::SnapshotView> SnapshotService::list(const std::string& vm) const {
  const auto& inventory = parts_.writer.inventory();
  const auto record = guest_called(inventory, vm);
  const auto& guest = record->spec->value;
  const auto own = plans::snapshots_of(inventory, guest.id);
  std::map<model::SnapshotId, std::string> names;
  for (const auto& snapshot : own) names[snapshot.id] = snapshot.name;
  // Under nil: those that are the first of their line. The youngest is first, as on a stack.
  std::map<model::SnapshotId, std::vector<const model::Snapshot*>> children;
  for (auto it = own.rbegin(); it != own.rend(); ++it) {
    const bool first = !it->parent || !names.contains(*it->parent);
    children[first ? model::SnapshotId() : *it->parent].push_back(&*it);
  }
  std::vector<model::SnapshotView> views;
  std::vector<const model::Snapshot*> stack = children[model::SnapshotId()];
  while (!stack.empty()) {
    const auto& snapshot = *stack.back();
    stack.pop_back();
    auto& view = views.emplace_back(view_of(snapshot));
    if (snapshot.parent && names.contains(*snapshot.parent)) view.parent = names[*snapshot.parent];
    view.current = guest.snapshot == snapshot.id;
    const auto& next = children[snapshot.id];
    stack.insert(stack.end(), next.begin(), next.end());
  }
  return views;
}

std::vector<model::ScheduleView> SnapshotService::schedules(const std::string& vm) const {
  const auto& inventory = parts_.writer.inventory();
  const auto record = guest_called(inventory, vm);
  const auto own = plans::snapshots_of(inventory, record->spec->value.id);
  const auto now = parts_.writer.clock().wall();
  std::vector<model::ScheduleView> views;
  for (const auto& schedule : record->spec->value.schedules) {
    auto& view = views.emplace_back();
    view.name = schedule.name;
    view.every = schedule.every;
    view.keep = schedule.keep;
    view.memory = schedule.memory;
    view.quiesce = schedule.quiesce;
    view.snapshots = static_cast<std::uint32_t>(
        std::ranges::count(own, schedule.name, &model::Snapshot::schedule));
    if (!record->spec->value.is_template) view.next_at = next_snapshot(own, schedule, now);
  }
  return views;
}

Async<std::vector<model::LayerView>> SnapshotService::layers(std::string vm) const {
  const auto& inventory = parts_.writer.inventory();
  const auto record = guest_called(inventory, vm);
  std::vector<model::LayerView> views;
  std::set<model::DatastoreId> away;  // asked once: each answer may take its whole deadline
  auto lines = layer_lines(inventory, *record);
  for (auto& [layer, view] : lines) {
    try {
      const auto driver = parts_.pool.driver(layer.datastore);
      const auto volume = volume_ref(layer);
      view.path = driver->file(volume).path;
      if (!away.contains(layer.datastore)) {
        const auto used = co_await driver->used(volume);
        view.used = used;
      }
    } catch (const Error& error) {
      if (error.reason() == Reason::datastore_unavailable) away.insert(layer.datastore);
    }
    views.push_back(std::move(view));
  }
  co_return views;
}

}  // namespace ruche::core
