// The guests that run on this host, as the agent holds them: live reads (console, status) go
// through it and never through the store.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <utility>

#include "model/ids.hpp"
#include "ports/hypervisor.hpp"

namespace ruche::core {

class LiveGuests {
 public:
  // The sole right to change a guest's process; the steps of tasks and the agent take turns. Given
  // back by its destructor; the LiveGuests outlives it.
  class Hold {
   public:
    Hold(LiveGuests& owner, model::GuestId guest) : owner_(&owner), guest_(guest) {}
    Hold(Hold&& other) noexcept
        : owner_(std::exchange(other.owner_, nullptr)), guest_(other.guest_) {}
    Hold& operator=(Hold&&) = delete;
    ~Hold();

   private:
    LiveGuests* owner_;
    model::GuestId guest_;
  };
  Async<Hold> hold(model::GuestId guest);

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
  std::set<model::GuestId> held_;
  Signal changed_;
  Signal given_back_;
};

}  // namespace ruche::core
