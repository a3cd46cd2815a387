#include "core/guests/live_guests.hpp"

namespace ruche::core {

LiveGuests::Hold::~Hold() {
  if (owner_ == nullptr) return;
  owner_->held_.erase(guest_);
  owner_->given_back_.notify();
}

Async<LiveGuests::Hold> LiveGuests::hold(model::GuestId guest) {
  while (!held_.insert(guest).second) co_await given_back_.wait();
  co_return Hold(*this, guest);
}

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
