// The orderly end of all guests of a host that goes down.
#pragma once

#include "base/clock.hpp"
#include "base/log.hpp"
#include "core/guests/guest_service.hpp"

namespace ruche::core {

class HostShutdown {
 public:
  struct Parts {
    GuestService& guests;
    const Inventory& inventory;
    Clock& clock;
    Log& log;
    model::HostId self;
  };
  explicit HostShutdown(Parts parts) : parts_(std::move(parts)) {}

  // Presses every guest's power button, or suspends those that are to be suspended, and waits,
  // those with the highest start_order first; who has not gone by then loses its power. Ends when
  // no guest of this host has a process, at the latest some seconds after `patience`. Guests that
  // autostart come back with the host.
  Async<void> run(Duration patience);

 private:
  std::vector<const GuestRecord*> alive() const;
  std::vector<const GuestRecord*> next_to_go() const;
  Async<void> shut_down_next(std::vector<const GuestRecord*> guests, Instant end);
  Async<void> ask(std::string guest, bool paused, Duration patience);
  Async<void> suspend_or_ask(model::GuestId guest, Instant end);
  Async<void> cut_off(std::string guest);
  Async<bool> wait_until_empty(Instant deadline);

  Parts parts_;
};

}  // namespace ruche::core
