// The kernel's interfaces, addresses and routes (rtnetlink(7)). Everything blocks for microseconds
// to a few milliseconds and runs on the driver's lane. Errors are io_failed with the kernel's own.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/descriptor.hpp"
#include "model/ipv4.hpp"

namespace ruche::drivers::bridge {

struct Link {
  int index = 0;
  std::string name;
  std::string alias;
  int master = 0;
};

std::vector<Link> links();
std::optional<Link> find_link(const std::string& name);
// Addresses and routes but the default one; of all interfaces except those whose name is given.
std::vector<model::Ipv4Prefix> reachable(const std::vector<int>& except_interfaces);

struct BridgeSettings {
  std::string name;
  std::string alias;
  std::string mac;
  model::Ipv4 address;
  std::uint32_t prefix_length = 24;
  std::uint32_t mtu = 1500;
};
// Made, or corrected when it is there.
void set_bridge(const BridgeSettings& settings);
// Absent is not an error.
void delete_link(const std::string& name);

// A tap that goes with its last descriptor, plugged into the bridge. Throws in_use when a process
// holds one of this name.
Descriptor open_tap(const std::string& name, const std::string& alias, const std::string& bridge,
                    std::uint32_t mtu);

// /proc/sys/net/…; false when it is not there.
bool write_sysctl(const std::string& path, const std::string& value);
std::string read_sysctl(const std::string& path);

}  // namespace ruche::drivers::bridge
