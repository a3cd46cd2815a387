// What happens to a guest's documents when its process starts, stops or crashes. Each function is
// idempotent and writes into a draft; the placement is always touched, so that an owner whose epoch
// has passed conflicts instead of writing.
#pragma once

#include <string>

#include "core/inventory/draft.hpp"
#include "ports/hypervisor.hpp"

namespace ruche::core {

// It has no process any more: reservation given back, wish off.
void settle_stopped(Draft& draft, model::GuestId guest, const std::string& last_error);
// Its process ended without being asked.
// Its process has ended, and what it goes on from is in that layer.
void settle_suspended(Draft& draft, model::GuestId guest, const model::SavedMemory& saved);
// A suspended guest stays one: it could not be resumed.
void stay_suspended(Draft& draft, model::GuestId guest, const std::string& last_error);
void settle_crashed(Draft& draft, model::GuestId guest, const std::string& last_words);
// What somebody should look at of a guest that has a process; empty: nothing.
std::string trouble_of(const ports::MachineStatus& machine);
// It has a process: what the hypervisor says of it.
void settle_alive(Draft& draft, model::GuestId guest, const ports::MachineStatus& machine);
// What was read of it makes no sense. Its reservation stays: a process may be left.
void settle_broken(Draft& draft, model::GuestId guest, const std::string& why);

// Gives back what the first hardware has and the second has no more: hardware addresses, addresses
// on networks, the use of CD images. Volumes are layers of their own.
void free_what_left(Draft& draft, model::GuestId guest, const model::VmSpec& from,
                    const model::VmSpec& to);

// Removes the guest's documents, names and counts (its volumes are gone already).
void forget_guest(Draft& draft, model::GuestId guest);

}  // namespace ruche::core
