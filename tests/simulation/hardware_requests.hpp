// Changes of hardware as the random clusters ask for them: mostly possible, sometimes not.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "sim_client.hpp"

namespace ruche::sim {

struct HardwareRequest {
  std::string what;
  Request request;
};
// `pick(n)` is a number below n. Once in a while the guest begins or ends to do its part.
HardwareRequest hardware_request(SimHost& host, const model::Guest& guest,
                                 const std::function<std::uint64_t(std::uint64_t)>& pick);

}  // namespace ruche::sim
