// A guest's serial ports: the COM ports of its board. The first, 0, is its console.
#pragma once

#include "base/error.hpp"
#include "model/guest.hpp"

namespace ruche::model {

// How many it has; 0: no serial line at all.
std::uint32_t serial_port_count(const VmSpec& spec);

// For whoever asks a guest that runs with `count` of them, at least one, for another.
Error no_serial_port(std::uint32_t port, std::uint32_t count);

}  // namespace ruche::model
