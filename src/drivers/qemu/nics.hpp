// Network adapters and what they are plugged into.
#pragma once

#include <expected>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "drivers/qemu/arguments.hpp"
#include "model/guest.hpp"

namespace ruche::drivers::qemu {

std::expected<void, Error> add_nics(Arguments& out, const std::string& guest_name,
                                    const std::vector<model::NicSpec>& nics);
// The addresses that QEMU's own network gives to a guest that asks by DHCP.
std::vector<std::string> known_addresses(const std::vector<model::NicSpec>& nics);

}  // namespace ruche::drivers::qemu
