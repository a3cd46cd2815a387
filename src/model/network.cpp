#include "model/network.hpp"

namespace ruche::model {

constexpr auto describe(Type<NetworkKind>) {
  return enumeration<NetworkKind>(
      "NetworkKind", "How a network is joined to the rest of the world.",
      value(NetworkKind::nat, "nat", "Guests reach the outside behind the host's addresses."),
      value(NetworkKind::isolated, "isolated", "Guests reach each other and the host only."));
}

constexpr auto describe(Type<Protocol>) {
  return enumeration<Protocol>("Protocol", "A transport protocol.",
                               value(Protocol::tcp, "tcp", "TCP."),
                               value(Protocol::udp, "udp", "UDP."));
}

constexpr auto describe(Type<NetworkForward>) {
  return structure<NetworkForward>(
      "NetworkForward", "A port of the host that leads to a guest.",
      field<&NetworkForward::protocol>("protocol", "Protocol."),
      field<&NetworkForward::host_address>("host_address", "Only at this address of the host.",
                                           {.format = "ipv4"}),
      field<&NetworkForward::host_port>("host_port", "Port on the host.", {.min = 1}),
      field<&NetworkForward::guest>("guest", "The guest."),
      field<&NetworkForward::guest_port>("guest_port", "Port in the guest.", {.min = 1}));
}

constexpr auto describe(Type<Network>) {
  return structure<Network>(
      "Network", "A network as the store keeps it.", field<&Network::id>("id", "Immutable id."),
      field<&Network::name>("name", "Unique name.", {.format = "name"}),
      field<&Network::description>("description", "Notes.", {.max_length = 4096}),
      field<&Network::kind>("kind", "How it is joined to the rest of the world."),
      field<&Network::subnet>("subnet", "Its IPv4 subnet.", {.format = "cidr"}),
      field<&Network::gateway>("gateway", "The host's address in it.", {.format = "ipv4"}),
      field<&Network::dhcp>("dhcp", "Guests learn their address by DHCP."),
      field<&Network::domain>("domain", "Guests are called <name>.<domain>.",
                              {.format = "hostname"}),
      field<&Network::mtu>("mtu", "Largest packet.", {.min = 576, .max = 9000}),
      field<&Network::private_answers>("private_answers",
                                       "Let DNS answers with private addresses through."),
      field<&Network::forwards>("forwards", "Host ports that lead to guests."),
      field<&Network::created_at>("created_at", "When it was added."));
}

constexpr auto describe(Type<NetworkState>) {
  return enumeration<NetworkState>(
      "NetworkState", "What the host has of a network.",
      value(NetworkState::unknown, "unknown", "Not looked at yet."),
      value(NetworkState::idle, "idle", "Nothing: no guest needs it at the moment."),
      value(NetworkState::active, "active", "It works."),
      value(NetworkState::unavailable, "unavailable", "It does not work; see last_error."));
}

constexpr auto describe(Type<NetworkStatus>) {
  return structure<NetworkStatus>(
      "NetworkStatus", "What was last seen of a network.",
      field<&NetworkStatus::state>("state", "State."),
      field<&NetworkStatus::bridge>("bridge", "Its interface on the host."),
      field<&NetworkStatus::notices>("notices", "What one should know about it."),
      field<&NetworkStatus::last_error>("last_error", "Why it is unavailable."));
}

}  // namespace ruche::model

template const ruche::TypeInfo& ruche::type_of<ruche::model::NetworkKind>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::Protocol>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::NetworkForward>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::Network>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::NetworkState>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::NetworkStatus>();
