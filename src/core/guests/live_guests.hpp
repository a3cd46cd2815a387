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
  const std::map<model::GuestId, std::shared_ptr<ports::Machine>>& all() const { return machines_; }
  // Ends when a guest came or went.
  Async<void> changed() { return changed_.wait(); }

 private:
  std::map<model::GuestId, std::shared_ptr<ports::Machine>> machines_;
  Signal changed_;
};

}  // namespace ruche::core
