// Network adapters and what they are plugged into.
#pragma once

#include <expected>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/json_value.hpp"
#include "drivers/qemu/arguments.hpp"
#include "ports/hypervisor.hpp"

namespace ruche::drivers::qemu {

std::expected<void, Error> add_nics(Arguments& out, const ports::MachineSpec& machine);

std::string nic_id(std::string_view name);
std::string netdev_id(std::string_view name);
// What an adapter is plugged into and the adapter itself, in the words of netdev_add and
// device_add. A tap and its accelerator are descriptors that whoever adds them names: "fd",
// "vhostfd".
json::Object user_network(const std::string& guest_name, const model::NicSpec& nic);
json::Object tap_network(const model::NicSpec& nic, const std::string& tap,
                         const std::string& vhost);
json::Object nic_device(const model::NicSpec& nic, bool boots);
std::expected<void, Error> check_nic(const model::NicSpec& nic, std::size_t index);
// The addresses of adapters on networks, and what QEMU's own gives to a guest that asks by DHCP.
std::vector<std::string> known_addresses(const std::vector<model::NicSpec>& nics);

}  // namespace ruche::drivers::qemu
