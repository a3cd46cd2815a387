#include "sim/fake_networks.hpp"

#include <algorithm>

namespace ruche::sim {

void FakeNetworks::require_alive() const {
  if (severed_) throw Error(Reason::network_unavailable, "this host is no more");
}

void FakeNetworks::require_ability() const {
  require_alive();
  if (host_.capabilities.available) return;
  throw Error(Reason::network_unavailable, host_.capabilities.reason)
      .remedy(host_.capabilities.remedy);
}

void FakeNetworks::effect(const std::string& what, const std::function<void()>& happen) {
  require_alive();
  if (hooks_.before_effect) hooks_.before_effect(what);
  require_alive();
  happen();
  if (hooks_.after_effect) hooks_.after_effect(what);
  require_alive();
}

Async<std::vector<model::Ipv4Prefix>> FakeNetworks::occupied() {
  require_ability();
  co_return host_.occupied;
}

Async<std::optional<ports::Listener>> FakeNetworks::listener(model::Protocol, std::string,
                                                             std::uint16_t port) {
  require_alive();
  const auto found = host_.listeners.find(port);
  if (found == host_.listeners.end()) co_return std::nullopt;
  co_return ports::Listener{found->second};
}

Async<void> FakeNetworks::realize(ports::NetworkPlan plan) {
  require_ability();
  if (!host_.fail_next_realize.empty()) {
    throw Error(Reason::network_unavailable, std::exchange(host_.fail_next_realize, {}));
  }
  const auto subnet = model::parse_prefix(plan.subnet);
  if (!subnet) throw Error(Reason::bad_spec, plan.subnet + " is no subnet");
  for (const auto& taken : host_.occupied) {
    if (!taken.overlaps(*subnet) || host_.realized.contains(plan.id)) continue;
    throw Error(Reason::subnet_in_use, plan.subnet + " overlaps with " + to_text(taken));
  }
  effect("realize network", [&] {
    ++host_.realizations;
    host_.realized[plan.id] = plan;
  });
  co_return;
}

Async<void> FakeNetworks::remove(model::NetworkId network) {
  require_alive();
  if (!host_.realized.contains(network)) co_return;
  effect("remove network", [&] { host_.realized.erase(network); });
}

Async<ports::AttachedPort> FakeNetworks::attach(model::NetworkId network, ports::NetworkPort port) {
  require_ability();
  const auto found = host_.realized.find(network);
  if (found == host_.realized.end() ||
      std::ranges::find(found->second.ports, port) == found->second.ports.end()) {
    throw Error(Reason::network_unavailable, "the network is not ready for " + port.guest_name);
  }
  if (!host_.plugged[port.address].expired()) {
    throw Error(Reason::in_use, "a process still holds the interface of " + port.address);
  }
  ports::AttachedPort attached;
  attached.nic = port.nic;
  attached.interface = "tap-" + port.address;
  attached.tap = std::make_shared<Descriptor>();
  effect("plug in " + port.address, [&] { host_.plugged[port.address] = attached.tap; });
  co_return attached;
}

Async<void> FakeNetworks::detach(model::NetworkId, ports::NetworkPort port) {
  require_alive();
  if (!host_.plugged.contains(port.address)) co_return;
  effect("unplug " + port.address, [&] { host_.plugged.erase(port.address); });
}

Async<model::NetworkStatus> FakeNetworks::observe(model::NetworkId network) {
  require_alive();
  model::NetworkStatus status;
  status.state =
      host_.realized.contains(network) ? model::NetworkState::active : model::NetworkState::idle;
  if (!host_.capabilities.available) {
    status.state = model::NetworkState::unavailable;
    status.last_error = host_.capabilities.reason;
  }
  co_return status;
}

Async<std::vector<model::NetworkId>> FakeNetworks::survey() {
  require_alive();
  std::vector<model::NetworkId> found;
  for (const auto& [id, plan] : host_.realized) found.push_back(id);
  co_return found;
}

}  // namespace ruche::sim
