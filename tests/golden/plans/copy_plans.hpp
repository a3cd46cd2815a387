// Requests about copies, templates and schedules, for the golden plans.
#pragma once

#include <optional>
#include <string>

#include "core/guests/plans.hpp"

namespace ruche::core {

// Nothing when the plan is another concern's.
std::optional<Proposal> propose_copy(const std::string& plan, const std::string& request,
                                     const plans::Site& site, Draft& draft);
// What else the task holds; empty for one that is about its object only.
std::string describe_source(const Proposal& proposal);

}  // namespace ruche::core
