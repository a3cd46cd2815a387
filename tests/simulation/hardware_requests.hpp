// Changes of hardware, and of the pool, as the random clusters ask for them: mostly possible,
// sometimes not.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "sim_client.hpp"

namespace ruche::sim {

// A guest to make. `pick(n)` is a number below n.
model::CreateVm random_guest(const SimHost& host,
                             const std::function<std::uint64_t(std::uint64_t)>& pick);

struct GuestRequest {
  std::string what;
  Request request;
};
// Once in a while the guest begins or ends to do its part.
GuestRequest hardware_request(SimHost& host, const model::Guest& guest,
                              const std::function<std::uint64_t(std::uint64_t)>& pick);

}  // namespace ruche::sim
