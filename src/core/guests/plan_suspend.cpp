#include <fmt/format.h>

#include <set>

#include "core/guests/plan_parts.hpp"
#include "core/guests/plans.hpp"
#include "core/storage/layers.hpp"
#include "model/device_abilities.hpp"

namespace ruche::core::plans {

namespace {

using model::Facet;

// The first device that cannot be saved is named.
void check_devices(const model::VmSpec& spec, const std::string& name) {
  for (const auto& device : model::devices_of(spec)) {
    const auto why = model::why_not(device.kind, model::Ability::suspend);
    if (why.empty()) continue;
    throw Error(Reason::device_forbids,
                fmt::format("{} cannot be suspended because of its {}: {}", name, device.name, why))
        .remedy(fmt::format("shut it down in place of it: ruche vm shutdown {}", name));
  }
}

}  // namespace

Proposal suspend(Draft& draft, const model::VmRef& request) {
  const auto& record = find_guest(draft, request.vm, true);
  check_power(model::PowerRequest::suspend, record);
  const auto& guest = record.spec->value;
  const auto& status = record.status->value;
  if (!status.running) {
    throw Error(Reason::wrong_state, fmt::format("what {} runs with is not known yet", guest.name))
        .remedy("try again in a moment");
  }
  if (status.thaw_at) {
    throw Error(Reason::wrong_state, fmt::format("the file systems of {} are frozen", guest.name))
        .remedy(fmt::format("thaw them first: ruche vm thaw {}", guest.name));
  }
  const auto& hardware = status.running->spec;
  check_devices(hardware, guest.name);
  check_room(draft, guest, hardware.memory, "shut the VM down in place of suspending it");
  model::Layer layer;
  layer.id = draft.new_id<model::LayerId>();
  layer.owner_kind = model::ObjectKind::guest;
  layer.owner = guest.id.value;
  layer.datastore = guest.datastore;
  layer.content = model::LayerContent::memory;
  layer.format = model::DiskFormat::raw;
  layer.size = hardware.memory;
  const auto memory = layer.id;
  add_layer(draft, std::move(layer));
  const bool paused = status.state == model::GuestState::paused;
  // QEMU gives its files away at the end of the save: a merge that still ran would write nothing
  // from then on, and not say so.
  return propose(
      record, "vm.suspend", "Suspend", {Facet::power, Facet::memory, Facet::storage},
      {model::CreateVolume{memory, hardware.memory, std::nullopt},
       model::SaveMemory{guest.id, memory, paused}, model::StopMachine{guest.id, memory}});
}

Proposal discard(Draft& draft, const model::VmRef& request) {
  const auto& record = find_guest(draft, request.vm, true);
  check_power(model::PowerRequest::discard, record);
  const auto id = record.spec->value.id;
  std::vector<model::Step> plan = {model::DiscardMemory{id}};
  if (const auto& saved = record.status->value.saved) {
    plan.push_back(model::DeleteVolume{saved->layer});
  }
  return propose(record, "vm.discard", "Discard the memory of", {Facet::power, Facet::memory},
                 std::move(plan));
}

Proposal remove_used_memory(Draft& draft, model::GuestId guest) {
  const auto& record = find_guest(draft, to_text(guest), true);
  const auto& saved = record.status->value.saved;
  std::set<model::LayerId> kept;
  for (const auto& [id, snapshot] : draft.inventory().snapshots()) {
    if (snapshot->value.memory) kept.insert(snapshot->value.memory->layer);
  }
  std::vector<model::Step> plan;
  for (const auto& [id, layer] : draft.inventory().layers()) {
    const bool own =
        layer->value.owner == guest.value && layer->value.content == model::LayerContent::memory;
    if (!own || (saved && saved->layer.value == id) || kept.contains({id})) continue;
    plan.push_back(model::DeleteVolume{{id}});
  }
  return propose(record, "vm.discard", "Remove the used memory of", {Facet::power, Facet::memory},
                 std::move(plan));
}

}  // namespace ruche::core::plans
