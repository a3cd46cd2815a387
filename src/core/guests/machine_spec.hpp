// From documents to what a hypervisor is told: everything complete, files by their paths.
#pragma once

#include <string>

#include "core/storage/datastore_pool.hpp"
#include "model/step.hpp"
#include "ports/hypervisor.hpp"
#include "ports/sealing.hpp"

namespace ruche::core {

// Everything that a launch needs. Throws memory_unusable for a suspended guest or a snapshot of
// which nobody knows what it had.
ports::MachineSpec machine_spec(const Inventory& inventory, DatastorePool& pool,
                                ports::Sealing& sealing, const model::LaunchMachine& step);
// The files of a disk, top first.
ports::MachineDisk machine_disk(const Inventory& inventory, DatastorePool& pool,
                                const model::DiskSpec& disk);
// Throws document_unreadable when the layer is gone.
std::string layer_path(const Inventory& inventory, DatastorePool& pool, model::LayerId id);

}  // namespace ruche::core
