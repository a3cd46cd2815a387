// The networking of the simulation. A SimNetworks is what a host has: networks that were realized
// and what is plugged in, which survive the death of a daemon. Every daemon opens its own
// FakeNetworks on it, a handle that can be severed.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "ports/networks.hpp"

namespace ruche::sim {

struct SimNetworks {
  ports::NetworkCapabilities capabilities{
      .available = false, .reason = "simulated without networks", .remedy = "none"};
  std::vector<model::Ipv4Prefix> occupied;
  std::map<std::uint16_t, std::string> listeners;  // port → who
  std::map<model::NetworkId, ports::NetworkPlan> realized;
  // Plugs by their address, as long as somebody holds the descriptor.
  std::map<std::string, std::weak_ptr<Descriptor>> plugged;
  std::string fail_next_realize;  // why; empty: it works
  std::uint64_t realizations = 0;

  void reboot() {
    realized.clear();
    plugged.clear();
  }
};

// What happens to a host's networks, for the kill sweep; either may sever the handle.
struct NetworkHooks {
  std::function<void(const std::string& what)> before_effect;
  std::function<void(const std::string& what)> after_effect;
};

class FakeNetworks : public ports::NetworkDriver {
 public:
  FakeNetworks(SimNetworks& host, NetworkHooks hooks) : host_(host), hooks_(std::move(hooks)) {}
  // The daemon was killed: nothing this handle does has an effect any more, every call throws.
  void sever() { severed_ = true; }

  ports::NetworkCapabilities capabilities() const override { return host_.capabilities; }
  Async<std::vector<model::Ipv4Prefix>> occupied() override;
  Async<std::optional<ports::Listener>> listener(model::Protocol protocol, std::string address,
                                                 std::uint16_t port) override;
  Async<void> realize(ports::NetworkPlan plan) override;
  Async<void> remove(model::NetworkId network) override;
  Async<ports::AttachedPort> attach(model::NetworkId network, ports::NetworkPort port) override;
  Async<void> detach(model::NetworkId network, ports::NetworkPort port) override;
  Async<model::NetworkStatus> observe(model::NetworkId network) override;
  Async<std::vector<model::NetworkId>> survey() override;

 private:
  void require_alive() const;
  void require_ability() const;
  void effect(const std::string& what, const std::function<void()>& happen);

  SimNetworks& host_;
  NetworkHooks hooks_;
  bool severed_ = false;
};

}  // namespace ruche::sim
