// What the facts of a host mean for its guests: pure judgement.
#pragma once

#include <vector>

#include "model/host_facts.hpp"

namespace ruche::model {

// In the order in which people should read them; every finding is there, good or bad.
std::vector<Finding> judge_host(const HostFacts& facts);

// What guests do without because the daemon may not do it for them. Empty for root on a machine
// that has everything.
std::vector<Reduced> reduced_by(const HostFacts& facts);

// missing when something that guests need is; else degraded when anything is not as it should be.
CheckLevel overall(const std::vector<Finding>& findings);

}  // namespace ruche::model
