#include "core/guests/machine_spec.hpp"

#include <fmt/format.h>

#include "core/guests/cloud_init.hpp"

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

ports::MachineSpec machine_spec(const Inventory& inventory, DatastorePool& pool,
                                ports::Sealing& sealing, model::GuestId id) {
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
  for (const auto& disk : guest.spec.disks) {
    spec.disks.push_back(machine_disk(inventory, pool, disk));
  }
  if (guest.spec.boot.kernel)
    spec.kernel_path = layer_path(inventory, pool, *guest.spec.boot.kernel);
  if (guest.spec.boot.initrd)
    spec.initrd_path = layer_path(inventory, pool, *guest.spec.boot.initrd);
  if (guest.spec.boot.uefi_vars)
    spec.uefi_vars_path = layer_path(inventory, pool, *guest.spec.boot.uefi_vars);
  for (const auto& cdrom : guest.spec.cdroms) {
    spec.cdroms.push_back(
        {cdrom.name, cdrom.layer ? layer_path(inventory, pool, *cdrom.layer) : std::string()});
  }
  const auto secret = guest.seed ? opened(*guest.seed, sealing) : model::GuestSeed{};
  spec.seed = render_seed(guest, secret);
  return spec;
}

}  // namespace ruche::core
