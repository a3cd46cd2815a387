// Network adapters and what they are plugged into.
#pragma once

#include <expected>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "drivers/qemu/arguments.hpp"
#include "ports/hypervisor.hpp"

namespace ruche::drivers::qemu {

std::expected<void, Error> add_nics(Arguments& out, const ports::MachineSpec& machine);
// The addresses of adapters on networks, and what QEMU's own gives to a guest that asks by DHCP.
std::vector<std::string> known_addresses(const std::vector<model::NicSpec>& nics);

}  // namespace ruche::drivers::qemu
