#include "core/guests/live_guests.hpp"

namespace ruche::core {

void LiveGuests::put(model::GuestId guest, std::shared_ptr<ports::Machine> machine) {
  machines_[guest] = std::move(machine);
  changed_.notify();
}

void LiveGuests::remove(model::GuestId guest) {
  if (machines_.erase(guest) > 0) changed_.notify();
}

std::shared_ptr<ports::Machine> LiveGuests::find(model::GuestId guest) const {
  const auto found = machines_.find(guest);
  return found == machines_.end() ? nullptr : found->second;
}

}  // namespace ruche::core
