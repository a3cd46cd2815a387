// Where folders that guests mount may not lie: among the files of guests.
#pragma once

#include "core/inventory/inventory.hpp"
#include "model/guest.hpp"

namespace ruche::core {

// Throws bad_spec when a folder holds, or lies in, a datastore that this host has.
void require_apart(const Inventory& inventory, model::HostId host, const model::VmSpec& spec);

}  // namespace ruche::core
