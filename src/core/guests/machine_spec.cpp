#include "core/guests/machine_spec.hpp"

#include <fmt/format.h>

#include "core/guests/cloud_init.hpp"
#include "core/guests/share_place.hpp"
#include "core/guests/snapshot_documents.hpp"
#include "core/placement/pools.hpp"

namespace ruche::core {

std::string layer_path(const Inventory& inventory, DatastorePool& pool, model::LayerId id) {
  const auto layer = inventory.layer(id);
  if (!layer)
    throw Error(Reason::document_unreadable, fmt::format("layer {} is gone", to_text(id)));
  return pool.driver(layer->value.datastore)->file(volume_ref(layer->value)).path;
}

ports::MachineDisk machine_disk(const Inventory& inventory, DatastorePool& pool,
                                const model::DiskSpec& disk) {
  ports::MachineDisk files{disk.name, {}};
  for (const auto& layer : chain_of(inventory, disk.layer)) {
    files.chain.push_back(pool.driver(layer.datastore)->file(volume_ref(layer)));
  }
  return files;
}

namespace {

// The process gets what the one that was saved had.
void go_on_from(ports::MachineSpec& spec, const GuestRecord& record, std::string memory_path) {
  if (!record.status || !record.status->value.running) {
    throw Error(Reason::memory_unusable, fmt::format("what {} ran with is not known", spec.name))
        .remedy(fmt::format("give its memory up: ruche vm discard {}", spec.name));
  }
  const auto& running = *record.status->value.running;
  spec.spec = running.spec;
  spec.saved = {std::move(memory_path), running.base_memory, running.ports};
}

void go_back_to(ports::MachineSpec& spec, const Inventory& inventory, model::SnapshotId id,
                std::string memory_path) {
  const auto found = inventory.snapshots().find(id.value);
  if (found == inventory.snapshots().end() || !found->second->value.running) {
    throw Error(Reason::memory_unusable,
                fmt::format("the snapshot that {} shall go on from is gone", spec.name));
  }
  const auto hardware = hardware_gone_back(*found->second->value.running, spec.spec);
  spec.spec = hardware.spec;
  spec.saved = {std::move(memory_path), hardware.base_memory, hardware.ports};
}

std::uint32_t shares_of(const Inventory& inventory, const model::Guest& guest) {
  if (!guest.pool) return model::kUsualShares;
  const auto pool = inventory.pools().find(guest.pool->value);
  const bool known = pool != inventory.pools().end() && pool->second->spec;
  return known ? pool->second->spec->value.shares : model::kUsualShares;
}

}  // namespace

ports::MachineSpec machine_spec(const Inventory& inventory, DatastorePool& pool,
                                ports::Sealing& sealing, const model::LaunchMachine& step) {
  const auto id = step.guest;
  const auto found = inventory.guests().find(id.value);
  if (found == inventory.guests().end() || !found->second->complete()) {
    throw Error(Reason::no_such_object, fmt::format("guest {} is gone", to_text(id)));
  }
  const model::Guest& guest = found->second->spec->value;
  ports::MachineSpec spec;
  spec.guest = id;
  spec.name = guest.name;
  spec.store_id = inventory.store_id();
  spec.epoch = found->second->placement->value.epoch;
  spec.uid = guest.uid;
  spec.spec = guest.spec;
  if (step.memory) {
    auto path = layer_path(inventory, pool, *step.memory);
    if (step.snapshot) go_back_to(spec, inventory, *step.snapshot, std::move(path));
    if (!step.snapshot) go_on_from(spec, *found->second, std::move(path));
  }
  const auto& hardware = spec.spec;
  require_apart(inventory, found->second->placement->value.host, hardware);
  spec.cpu_weight = cpu_weight(shares_of(inventory, guest), hardware.cpus);
  for (const auto& disk : hardware.disks) {
    spec.disks.push_back(machine_disk(inventory, pool, disk));
  }
  const auto& boot = hardware.boot;
  if (boot.kernel) spec.kernel_path = layer_path(inventory, pool, *boot.kernel);
  if (boot.initrd) spec.initrd_path = layer_path(inventory, pool, *boot.initrd);
  if (boot.uefi_vars) spec.uefi_vars_path = layer_path(inventory, pool, *boot.uefi_vars);
  if (hardware.tpm) spec.tpm_state_path = layer_path(inventory, pool, hardware.tpm->state);
  for (const auto& cdrom : hardware.cdroms) {
    spec.cdroms.push_back(
        {cdrom.name, cdrom.layer ? layer_path(inventory, pool, *cdrom.layer) : std::string()});
  }
  const auto secret = guest.seed ? opened(*guest.seed, sealing) : model::GuestSeed{};
  spec.seed = render_seed(guest, secret);
  return spec;
}

}  // namespace ruche::core
