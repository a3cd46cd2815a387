// Which datastore a new object goes to; pure.
#pragma once

#include <string>

#include "core/inventory/inventory.hpp"

namespace ruche::core {

// The one asked for (name or id), or when `reference` is empty the only one or the one called
// "local". Throws no_such_object, datastore_unavailable (this host does not see it), bad_request
// (several to choose from).
const model::Datastore& choose_datastore(const Inventory& inventory, const std::string& reference,
                                         model::HostId host);

}  // namespace ruche::core
