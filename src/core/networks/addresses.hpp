// Who has which address and which port: allocations and conflicts, read from the inventory; pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/inventory/draft.hpp"
#include "model/ipv4.hpp"

namespace ruche::core {

// Takes the lowest free address of the network for a guest, in the draft's commit. Throws
// network_full.
std::string take_address(Draft& draft, const model::Network& network, model::GuestId guest);
void free_address(Draft& draft, model::NetworkId network, const std::string& address);

// A private subnet that overlaps with nothing the host reaches and no other network. Throws
// subnet_in_use when there is none.
model::Ipv4Prefix choose_subnet(Draft& draft, const std::vector<model::Ipv4Prefix>& occupied);
// A subnet that somebody wishes. Throws bad_subnet, subnet_in_use.
model::Ipv4Prefix check_subnet(const Draft& draft, const std::string& wished,
                               const std::vector<model::Ipv4Prefix>& occupied);

struct HostPort {
  model::Protocol protocol = model::Protocol::tcp;
  std::string address;  // empty: every one
  std::uint16_t port = 0;
};
// The guest that a port of this host leads into already, in words; nullopt when it is free.
std::optional<std::string> holder_of(const Inventory& inventory, model::HostId host,
                                     const HostPort& wanted);

}  // namespace ruche::core
