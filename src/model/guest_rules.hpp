// Rules of guests, pure: whole-spec validation (one named reason a rule) and the life cycle.
#pragma once

#include <expected>
#include <optional>
#include <string>

#include "base/error.hpp"
#include "model/guest.hpp"
#include "model/placement.hpp"

namespace ruche::model {

// Checks a complete specification before any effect; the first rule that is broken is the error.
std::expected<void, Error> check_spec(const VmSpec& spec);
std::expected<void, Error> check_tags(const std::vector<std::string>& tags);

// What a user may ask of a guest's power.
enum class PowerRequest { start, shutdown, stop, reset, pause, resume, suspend, discard, remove };

// The error that a request meets in this state, or nothing. Exhaustive over both.
std::optional<Error> refuse_power(PowerRequest request, GuestState state, std::string_view name);

// What a guest reserves while it runs: its memory plus its process's measured overhead.
Reservation reservation_of(const VmSpec& spec, Bytes overhead);

// What a user sees as the state: the observed one, or "starting", "stopping", … while a task that
// changes it is open. `method` is that task's.
std::string shown_state(GuestState observed, std::string_view method, bool deleted);

}  // namespace ruche::model
