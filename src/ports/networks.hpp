// The edge to a host's networking: what makes the switch of one host. Everything is described, not
// commanded: `realize` is told what a network shall be, whole, and makes it so.
//
// The driver never changes an interface, a rule or a process that is not its own; its own it finds
// again by their names and marks, also after kill -9 of the daemon. What it made works without the
// daemon: guests keep their network, DHCP and DNS.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/async.hpp"
#include "base/descriptor.hpp"
#include "model/ipv4.hpp"
#include "model/network.hpp"

namespace ruche::ports {

struct NetworkCapabilities {
  bool available = false;
  std::string reason;  // why not
  std::string remedy;
};

// A guest's place on a network, whether it runs or not: what it may send and how it is called.
struct NetworkPort {
  model::GuestId guest;
  std::string nic;
  std::string guest_name;
  std::string mac;
  std::string address;
  friend bool operator==(const NetworkPort&, const NetworkPort&) = default;
};

// A forward with the address it leads to.
struct PortRule {
  model::Protocol protocol = model::Protocol::tcp;
  std::string host_address;  // empty: every address of the host
  std::uint16_t host_port = 0;
  std::string address;
  std::uint16_t port = 0;
  friend bool operator==(const PortRule&, const PortRule&) = default;
};

// All that a host shall have of a network.
struct NetworkPlan {
  model::NetworkId id;
  model::NetworkKind kind = model::NetworkKind::nat;
  std::string subnet;
  std::string gateway;
  bool dhcp = true;
  std::string domain;
  std::uint32_t mtu = 1500;
  bool private_answers = false;
  std::vector<NetworkPort> ports;
  std::vector<PortRule> forwards;
  friend bool operator==(const NetworkPlan&, const NetworkPlan&) = default;
};

// What a hypervisor plugs into: an open tap. It works as long as somebody holds the descriptor, and
// is gone with the last one; a daemon that dies takes nothing from a guest that runs.
struct AttachedPort {
  std::string nic;
  std::string interface;
  std::shared_ptr<Descriptor> tap;
  std::shared_ptr<Descriptor> vhost;  // null: QEMU carries the packets itself
};

// Who uses a port of the host besides our own rules.
struct Listener {
  std::string who;  // "nginx (process 4711)"
};

class NetworkDriver {
 public:
  virtual ~NetworkDriver() = default;
  virtual NetworkCapabilities capabilities() const = 0;
  // What this host reaches by its addresses and routes, its default route and our own left out.
  virtual Async<std::vector<model::Ipv4Prefix>> occupied() = 0;
  // Nullopt when nobody listens on this port at this address (empty: any).
  virtual Async<std::optional<Listener>> listener(model::Protocol protocol, std::string address,
                                                  std::uint16_t port) = 0;
  // Throws network_unavailable with what is missing, subnet_in_use when something else reaches the
  // subnet meanwhile. On failure what was there before may stay, never half of a rule set.
  virtual Async<void> realize(NetworkPlan plan) = 0;
  // Nothing of it stays. Absent is not an error. Guests that are still plugged in lose it.
  virtual Async<void> remove(model::NetworkId network) = 0;
  // The network is realized with this port in its plan; again replaces a plug that nobody holds.
  // Throws in_use when a process holds it.
  virtual Async<AttachedPort> attach(model::NetworkId network, NetworkPort port) = 0;
  // Pulls the plug, whoever holds it. Absent is not an error.
  virtual Async<void> detach(model::NetworkId network, NetworkPort port) = 0;
  // Looks again: idle when nothing of it is here.
  virtual Async<model::NetworkStatus> observe(model::NetworkId network) = 0;
  // Networks of which something is here.
  virtual Async<std::vector<model::NetworkId>> survey() = 0;
};

}  // namespace ruche::ports
