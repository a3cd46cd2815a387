#include "core/networks/addresses.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace ruche::core {

namespace {

// Ranges that software likes to take for itself are left out: 10.0 to 10.127 (QEMU's own network,
// Kubernetes, Podman), 172.17 (Docker), 192.168.122 (libvirt) and the usual home networks.
struct Range {
  model::Ipv4Prefix whole;
  std::uint32_t length;  // of the subnets tried in it
};
const Range kRanges[] = {
    {{{0x0a800000}, 9}, 20}, {{{0xac180000}, 13}, 22}, {{{0xc0a88000}, 17}, 24}};
constexpr int kTries = 64;

std::string scoped(model::NetworkId network, const std::string& address) {
  return to_text(network) + "/" + address;
}

bool is_free(const Draft& draft, const model::Ipv4Prefix& wanted,
             const std::vector<model::Ipv4Prefix>& occupied, std::string& in_the_way) {
  for (const auto& taken : occupied) {
    if (!taken.overlaps(wanted)) continue;
    in_the_way = to_text(taken) + ", which this host reaches another way";
    return false;
  }
  for (const auto& [id, record] : draft.inventory().networks()) {
    if (!record->spec) continue;
    const auto taken = model::parse_prefix(record->spec->value.subnet);
    if (!taken || !taken->overlaps(wanted)) continue;
    in_the_way = fmt::format("the network {} ({})", record->spec->value.name, to_text(*taken));
    return false;
  }
  return true;
}

bool meet(const HostPort& wanted, model::Protocol protocol, const std::string& address,
          std::uint16_t port) {
  if (wanted.protocol != protocol || wanted.port != port) return false;
  return wanted.address.empty() || address.empty() || wanted.address == address;
}

}  // namespace

namespace {

bool try_to_take(Draft& draft, const std::string& name, model::GuestId guest) {
  try {
    draft.take_name("address", name, guest.value);
  } catch (const Error& error) {
    if (error.reason() != Reason::name_in_use) throw;
    return false;
  }
  return true;
}

}  // namespace

std::string take_address(Draft& draft, const model::Network& network, model::GuestId guest) {
  const auto subnet = model::parse_prefix(network.subnet);
  if (!subnet) throw Error(Reason::object_broken, network.name + " has no subnet");
  for (auto n = subnet->base.number + 1; n < subnet->last().number; ++n) {
    const auto address = to_text(model::Ipv4{n});
    if (address == network.gateway) continue;
    const auto name = scoped(network.id, address);
    if (draft.inventory().name_holder("address", name)) continue;
    // Another adapter of the same plan may have it.
    if (try_to_take(draft, name, guest)) return address;
  }
  throw Error(Reason::network_full,
              fmt::format("the network {} ({}) has no free address", network.name, network.subnet))
      .at("/network")
      .remedy("purge guests from the recycle bin, or make a larger network");
}

void free_address(Draft& draft, model::NetworkId network, const std::string& address) {
  draft.free_name("address", scoped(network, address));
}

model::Ipv4Prefix choose_subnet(Draft& draft, const std::vector<model::Ipv4Prefix>& occupied) {
  std::string ignored;
  for (const auto& range : kRanges) {
    const auto subnets = std::uint64_t{1} << (range.length - range.whole.length);
    for (int i = 0; i < kTries; ++i) {
      const auto number = static_cast<std::uint32_t>(draft.random().below(subnets));
      const model::Ipv4Prefix subnet{{range.whole.base.number + (number << (32 - range.length))},
                                     range.length};
      if (is_free(draft, subnet, occupied, ignored)) return subnet;
    }
  }
  throw Error(Reason::subnet_in_use, "every private subnet that was tried is in use on this host")
      .at("/subnet")
      .remedy("say which one is free: --subnet");
}

model::Ipv4Prefix check_subnet(const Draft& draft, const std::string& wished,
                               const std::vector<model::Ipv4Prefix>& occupied) {
  const auto subnet = model::parse_prefix(wished);
  const auto refuse = [&](std::string why) {
    return Error(Reason::bad_subnet, fmt::format("{} {}", wished, why))
        .at("/subnet")
        .remedy("choose a private one of /8 to /29, such as 10.20.0.0/24");
  };
  if (!subnet) throw refuse("is no IPv4 subnet (bits behind its length must be zero)");
  if (subnet->length < 8 || subnet->length > 29) throw refuse("is too large or too small");
  for (const char* reserved : {"0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3"}) {
    if (model::parse_prefix(reserved)->overlaps(*subnet)) throw refuse("is reserved");
  }
  std::string in_the_way;
  if (is_free(draft, *subnet, occupied, in_the_way)) return *subnet;
  throw Error(Reason::subnet_in_use, fmt::format("{} overlaps with {}", wished, in_the_way))
      .at("/subnet")
      .remedy("leave the subnet out, and a free one is chosen");
}

std::optional<std::string> holder_of(const Inventory& inventory, model::HostId host,
                                     const HostPort& wanted) {
  for (const auto& [id, record] : inventory.guests()) {
    if (!record->complete() || record->placement->value.host != host) continue;
    for (const auto& nic : record->spec->value.spec.nics) {
      for (const auto& forward : nic.forwards) {
        if (meet(wanted, model::Protocol::tcp, "127.0.0.1", forward.host_port)) {
          return record->spec->value.name;
        }
      }
    }
  }
  for (const auto& [id, record] : inventory.networks()) {
    if (!record->spec) continue;
    for (const auto& forward : record->spec->value.forwards) {
      if (!meet(wanted, forward.protocol, forward.host_address, forward.host_port)) continue;
      const auto guest = inventory.guests().find(forward.guest.value);
      if (guest == inventory.guests().end() || !guest->second->complete()) continue;
      if (guest->second->placement->value.host != host) continue;
      return fmt::format("{} (network {})", guest->second->spec->value.name,
                         record->spec->value.name);
    }
  }
  return std::nullopt;
}

}  // namespace ruche::core
