#include "core/guests/snapshot_documents.hpp"

#include <algorithm>

#include "core/storage/layers.hpp"
#include "model/named.hpp"

namespace ruche::core {

std::vector<model::LayerId> layers_held(const model::VmSpec& spec) {
  std::vector<model::LayerId> held;
  for (const auto& disk : spec.disks) held.push_back(disk.layer);
  for (const auto& drive : spec.cdroms) {
    if (drive.layer) held.push_back(*drive.layer);
  }
  if (spec.boot.kernel) held.push_back(*spec.boot.kernel);
  if (spec.boot.initrd) held.push_back(*spec.boot.initrd);
  return held;
}

std::vector<model::LayerId> layers_kept(const model::Snapshot& snapshot) {
  std::vector<model::LayerId> kept;
  if (snapshot.spec.boot.uefi_vars) kept.push_back(*snapshot.spec.boot.uefi_vars);
  if (snapshot.spec.tpm) kept.push_back(snapshot.spec.tpm->state);
  if (snapshot.memory) kept.push_back(snapshot.memory->layer);
  return kept;
}

std::uint32_t holds_of(const Inventory& inventory, model::GuestId guest, model::LayerId layer) {
  std::ptrdiff_t holds = 0;
  for (const auto& [id, stored] : inventory.snapshots()) {
    if (stored->value.guest != guest) continue;
    holds += std::ranges::count(layers_held(stored->value.spec), layer);
  }
  return static_cast<std::uint32_t>(holds);
}

std::string snapshot_name_key(model::GuestId guest, const std::string& name) {
  return to_text(guest) + "/" + name;
}

namespace {

// Null when it is gone, or goes in this very draft.
model::Snapshot* find_snapshot(Draft& draft, model::SnapshotId id) {
  model::Snapshot* found = nullptr;
  try {
    found = &draft.snapshot(id);
  } catch (const Error& error) {
    if (error.reason() != Reason::no_such_object) throw;
  }
  return found;
}

void go_on_from(Draft& draft, model::GuestId guest, std::optional<model::SnapshotId> from,
                std::optional<model::SnapshotId> to) {
  const auto& guests = draft.inventory().guests();
  const auto found = guests.find(guest.value);
  const bool readable = !draft.inventory().broken().contains(keys::guest_spec(guest));
  if (found == guests.end() || !found->second->spec || !readable) return;
  auto& document = draft.guest(guest);
  if (document.snapshot == from) document.snapshot = to;
}

}  // namespace

void forget_snapshot(Draft& draft, model::SnapshotId id) {
  const auto* found = find_snapshot(draft, id);
  if (found == nullptr) return;
  const model::Snapshot gone = *found;
  for (const auto layer : layers_held(gone.spec)) count_user(draft, layer, -1);
  draft.free_name("snapshot", snapshot_name_key(gone.guest, gone.name));
  draft.erase(keys::snapshot(id));
  for (const auto& [other, stored] : draft.inventory().snapshots()) {
    if (stored->value.parent != id) continue;
    if (auto* child = find_snapshot(draft, {other})) child->parent = gone.parent;
  }
  go_on_from(draft, gone.guest, id, gone.parent);
}

void go_on_in_overlays(const model::TakeSnapshot& cut, std::vector<model::DiskSpec>& disks) {
  for (const auto& overlay : cut.disks) {
    auto* disk = model::find_named(disks, overlay.disk);
    if (disk != nullptr && disk->layer == overlay.below) disk->layer = overlay.layer;
  }
}

model::RunningHardware hardware_gone_back(const model::RunningHardware& then,
                                          const model::VmSpec& now) {
  auto hardware = then;
  auto& spec = hardware.spec;
  for (auto& disk : spec.disks) {
    if (const auto* present = model::find_named(now.disks, disk.name)) disk.layer = present->layer;
  }
  spec.boot.uefi_vars = now.boot.uefi_vars;
  spec.tpm = now.tpm;
  spec.generation_id = now.generation_id;
  return hardware;
}

}  // namespace ruche::core
