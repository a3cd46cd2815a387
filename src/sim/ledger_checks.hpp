// The ledgers of hosts and resource pools against what the placements and layers add up to.
#pragma once

#include <string>
#include <vector>

#include "sim/checkers.hpp"

namespace ruche::sim {

void check_ledgers(const StoreTruth& truth, std::vector<std::string>& findings);

}  // namespace ruche::sim
