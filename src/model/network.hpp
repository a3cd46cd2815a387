// Networks: what guests are plugged into. A Network is a port group of the built-in switch of each
// host: one definition for the cluster, which every host with a guest on it makes real.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/reflect.hpp"
#include "model/ids.hpp"

namespace ruche::model {

enum class NetworkKind { nat, isolated };

enum class Protocol { tcp, udp };

// A port of the host that leads to a guest. It is on the host where the guest is.
struct NetworkForward {
  Protocol protocol = Protocol::tcp;
  std::string host_address;  // empty: every address of the host
  std::uint16_t host_port = 0;
  GuestId guest;
  std::uint16_t guest_port = 0;
  friend bool operator==(const NetworkForward&, const NetworkForward&) = default;
};

// networks/<id>/spec
struct Network {
  NetworkId id;
  std::string name;
  std::string description;
  NetworkKind kind = NetworkKind::nat;
  std::string subnet;   // 10.140.16.0/20; chosen once, never changed
  std::string gateway;  // the host's address in it, where DHCP and DNS answer
  bool dhcp = true;
  std::string domain;   // guests are called <name>.<domain>
  std::uint32_t mtu = 1500;
  // Answers of the outside's DNS with private addresses are dropped otherwise (DNS rebinding).
  bool private_answers = false;
  std::vector<NetworkForward> forwards;
  Timestamp created_at;
};

enum class NetworkState { unknown, idle, active, unavailable };

// networks/<id>/status: written by the host that owns the network's placement.
struct NetworkStatus {
  NetworkState state = NetworkState::unknown;
  std::string bridge;  // the interface on the host
  std::vector<std::string> notices;  // what an administrator should know, a sentence each
  std::string last_error;
  friend bool operator==(const NetworkStatus&, const NetworkStatus&) = default;
};

}  // namespace ruche::model

extern template const ruche::TypeInfo& ruche::type_of<ruche::model::NetworkKind>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::Protocol>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::NetworkForward>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::Network>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::NetworkState>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::NetworkStatus>();
