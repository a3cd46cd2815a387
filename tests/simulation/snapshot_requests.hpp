// What the random simulation asks of the snapshots of a guest, and the copies of it.
#pragma once

#include <functional>
#include <string>

#include "hardware_requests.hpp"

namespace ruche::sim {

GuestRequest snapshot_request(SimHost& host, const model::Guest& guest,
                              const std::function<std::uint64_t(std::uint64_t)>& pick);

}  // namespace ruche::sim
