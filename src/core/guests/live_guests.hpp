// The guests that run on this host, as the agent holds them: live reads (console, status) go
// through it and never through the store.
#pragma once

#include <map>
#include <memory>

#include "model/ids.hpp"
#include "ports/hypervisor.hpp"

namespace ruche::core {

class LiveGuests {
 public:
  void put(model::GuestId guest, std::shared_ptr<ports::Machine> machine);
  void remove(model::GuestId guest);
  // Null when the guest does not run here. Keep the pointer while using the machine.
  std::shared_ptr<ports::Machine> find(model::GuestId guest) const;
  std::size_t size() const { return machines_.size(); }

 private:
  std::map<model::GuestId, std::shared_ptr<ports::Machine>> machines_;
};

}  // namespace ruche::core
