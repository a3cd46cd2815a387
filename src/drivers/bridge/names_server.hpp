// What dnsmasq is told of a network: its configuration, and the guests' names and addresses, which
// it reads again on SIGHUP. Pure: golden files hold them still.
#pragma once

#include <string>

#include "ports/networks.hpp"

namespace ruche::drivers::bridge {

struct NameServerPlace {
  std::string interface;  // the bridge
  std::string directory;  // where the two files below are
  std::string user;
  std::string group;
};
inline constexpr const char* kHostsFile = "hosts";
inline constexpr const char* kDhcpFile = "dhcp";

std::string name_server_configuration(const NameServerPlace& place, const ports::NetworkPlan& plan);
// hosts(5): address, name.
std::string hosts_file(const ports::NetworkPlan& plan);
// dnsmasq's --dhcp-hostsfile: hardware address, address, name.
std::string dhcp_file(const ports::NetworkPlan& plan);

}  // namespace ruche::drivers::bridge
