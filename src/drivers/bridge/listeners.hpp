// Who listens on a port of this host: /proc/net/{tcp,tcp6,udp,udp6} (proc(5)) and the descriptors
// of processes. Blocks for milliseconds; runs on the driver's lane.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/ipv4.hpp"
#include "model/network.hpp"

namespace ruche::drivers::bridge {

struct SocketLine {
  std::optional<model::Ipv4> address;  // nullopt: every one, or one of IPv6
  std::uint16_t port = 0;
  std::uint64_t inode = 0;
};
// The sockets of a /proc/net file that wait for others; lines that make no sense are left out.
std::vector<SocketLine> waiting_sockets(std::string_view text, model::Protocol protocol, bool ipv6);

// "nginx (process 4711)"; nullopt when nobody does. `address` empty: any.
std::optional<std::string> who_listens(model::Protocol protocol, const std::string& address,
                                       std::uint16_t port);

}  // namespace ruche::drivers::bridge
