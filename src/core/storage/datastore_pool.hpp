// The datastores that this host can reach, each with its driver.
#pragma once

#include <map>
#include <memory>

#include "core/inventory/inventory.hpp"
#include "ports/volumes.hpp"

namespace ruche::core {

class DatastorePool {
 public:
  DatastorePool(ports::VolumeDrivers& drivers, const Inventory& inventory, model::HostId self)
      : drivers_(drivers), inventory_(inventory), self_(self) {}

  // Throws no_such_object, or datastore_unavailable when this host does not see it.
  // Shared, because a datastore may be forgotten while somebody still asks it something.
  std::shared_ptr<ports::VolumeDriver> driver(model::DatastoreId id);
  void forget(model::DatastoreId id) { open_.erase(id); }

 private:
  ports::VolumeDrivers& drivers_;
  const Inventory& inventory_;
  model::HostId self_;
  std::map<model::DatastoreId, std::shared_ptr<ports::VolumeDriver>> open_;
};

// Whether a host sees a datastore.
bool is_visible(const model::Datastore& datastore, model::HostId host);
ports::VolumeRef volume_ref(const model::Layer& layer);
// The chain of a layer, itself first. Throws document_unreadable when a link is missing.
std::vector<model::Layer> chain_of(const Inventory& inventory, model::LayerId top);

}  // namespace ruche::core
