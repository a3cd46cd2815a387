#include "core/networks/host_networks.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace ruche::core {

namespace {

constexpr Duration kLookInterval{30'000};
constexpr Duration kLongestRest{10'000};
// Several changes at once become one.
constexpr Duration kGather{100};

const model::Network* find(const Inventory& inventory, model::NetworkId id) {
  const auto found = inventory.networks().find(id.value);
  const bool known = found != inventory.networks().end() && found->second->complete();
  return known ? &found->second->spec->value : nullptr;
}

// Those that are wished, and those that its process still has. The guest is complete.
std::vector<model::NicSpec> adapters_of(const GuestRecord& record) {
  auto nics = record.spec->value.spec.nics;
  if (!record.status || !record.status->value.running) return nics;
  for (const auto& nic : record.status->value.running->spec.nics) {
    const auto same = [&](const auto& other) {
      return other.network == nic.network && other.address == nic.address;
    };
    if (nic.network && std::ranges::none_of(nics, same)) nics.push_back(nic);
  }
  return nics;
}

ports::NetworkPort port_of(const model::Guest& guest, const model::NicSpec& nic) {
  return {guest.id, nic.name, guest.name, nic.mac, nic.address};
}

// The guest's adapters on networks.
std::vector<std::pair<model::NetworkId, ports::NetworkPort>> ports_of(const GuestRecord& record) {
  std::vector<std::pair<model::NetworkId, ports::NetworkPort>> found;
  for (const auto& nic : adapters_of(record)) {
    if (nic.network) found.push_back({*nic.network, port_of(record.spec->value, nic)});
  }
  return found;
}

const model::Guest* own_guest(const GuestRecord& record, model::HostId self) {
  const bool own = record.complete() && record.placement->value.host == self;
  return own ? &record.spec->value : nullptr;
}

}  // namespace

ports::NetworkPlan network_plan(const Inventory& inventory, const model::Network& network,
                                model::HostId self) {
  ports::NetworkPlan plan{network.id,
                          network.kind,
                          network.subnet,
                          network.gateway,
                          network.dhcp,
                          network.domain,
                          network.mtu,
                          network.private_answers,
                          {},
                          {}};
  std::map<model::GuestId, std::string> addresses;
  for (const auto& [id, record] : inventory.guests()) {
    const auto* guest = own_guest(*record, self);
    if (guest == nullptr || guest->deleted_at) continue;
    for (const auto& nic : adapters_of(*record)) {
      if (nic.network != network.id) continue;
      plan.ports.push_back(port_of(*guest, nic));
      addresses.emplace(guest->id, nic.address);
      for (const auto& forward : nic.forwards) {
        plan.forwards.push_back({model::Protocol::tcp, "127.0.0.1", forward.host_port, nic.address,
                                 forward.guest_port});
      }
    }
  }
  for (const auto& forward : network.forwards) {
    const auto guest = addresses.find(forward.guest);
    if (guest == addresses.end()) continue;
    plan.forwards.push_back({forward.protocol, forward.host_address, forward.host_port,
                             guest->second, forward.guest_port});
  }
  return plan;
}

Async<void> require_free_port(ports::NetworkDriver& driver, model::Protocol protocol,
                              std::string address, std::uint16_t port, std::string field) {
  const auto listener = co_await driver.listener(protocol, std::move(address), port);
  if (!listener) co_return;
  throw Error(Reason::port_in_use,
              fmt::format("{} listens on host port {} already", listener->who, port))
      .at(std::move(field))
      .remedy("choose another host port");
}

// One change at a time; given back by its destructor.
class HostNetworks::Turn {
 public:
  explicit Turn(HostNetworks& owner) : owner_(&owner) {}
  Turn(Turn&& other) noexcept : owner_(std::exchange(other.owner_, nullptr)) {}
  Turn& operator=(Turn&&) = delete;
  ~Turn() {
    if (owner_ == nullptr) return;
    owner_->busy_ = false;
    owner_->free_.notify();
  }

 private:
  HostNetworks* owner_;
};

Async<HostNetworks::Turn> HostNetworks::take_turn() {
  while (busy_) co_await free_.wait();
  busy_ = true;
  co_return Turn(*this);
}

bool HostNetworks::is_wanted(model::NetworkId network) const {
  return std::ranges::any_of(parts_.writer.inventory().guests(), [&](const auto& entry) {
    const auto* guest = own_guest(*entry.second, parts_.self);
    if (guest == nullptr) return false;
    const auto nics = adapters_of(*entry.second);
    if (std::ranges::none_of(nics, [&](const auto& nic) { return nic.network == network; })) {
      return false;
    }
    if (entry.second->placement->value.wish == model::PowerWish::on) return true;
    const auto& status = entry.second->status;
    return status && (status->value.state == model::GuestState::running ||
                      status->value.state == model::GuestState::paused ||
                      status->value.state == model::GuestState::broken);
  });
}

Async<void> HostNetworks::ensure(model::NetworkId network) {
  const auto* document = find(parts_.writer.inventory(), network);
  if (document == nullptr) {
    throw Error(Reason::no_such_object, fmt::format("network {} is gone", to_text(network)));
  }
  auto plan = network_plan(parts_.writer.inventory(), *document, parts_.self);
  const auto known = realized_.find(network);
  if (known != realized_.end() && known->second == plan) co_return;
  here_.insert(network);
  co_await parts_.driver.realize(plan);
  realized_[network] = std::move(plan);
}

Async<std::vector<ports::AttachedPort>> HostNetworks::plug(model::GuestId id) {
  std::vector<ports::AttachedPort> plugged;
  const auto found = parts_.writer.inventory().guests().find(id.value);
  if (found == parts_.writer.inventory().guests().end() || !found->second->complete()) {
    co_return plugged;
  }
  const auto guest = found->second->spec->value;
  const auto ports = ports_of(*found->second);
  if (ports.empty()) co_return plugged;
  for (const auto& nic : guest.spec.nics) {
    if (!nic.network) continue;  // QEMU finds out by itself
    for (const auto& forward : nic.forwards) {
      co_await require_free_port(parts_.driver, model::Protocol::tcp, "127.0.0.1",
                                 forward.host_port, {});
    }
  }
  const auto turn = co_await take_turn();
  for (const auto& [network, port] : ports) {
    co_await ensure_port(network, port);
    plugged.push_back(co_await parts_.driver.attach(network, port));
  }
  co_return plugged;
}

Async<void> HostNetworks::ensure_port(model::NetworkId network, ports::NetworkPort port) {
  const auto known = realized_.find(network);
  const bool ready = known != realized_.end() &&
                     std::ranges::find(known->second.ports, port) != known->second.ports.end();
  if (!ready) co_await ensure(network);
}

Async<ports::AttachedPort> HostNetworks::plug(model::GuestId id, model::NicSpec nic) {
  const auto found = parts_.writer.inventory().guests().find(id.value);
  if (found == parts_.writer.inventory().guests().end() || !found->second->complete()) {
    throw Error(Reason::no_such_object, fmt::format("guest {} is gone", to_text(id)));
  }
  const auto port = port_of(found->second->spec->value, nic);
  const auto turn = co_await take_turn();
  co_await ensure_port(*nic.network, port);
  co_return co_await parts_.driver.attach(*nic.network, port);
}

Async<void> HostNetworks::unplug(model::GuestId id, model::NicSpec nic) {
  const auto found = parts_.writer.inventory().guests().find(id.value);
  if (found == parts_.writer.inventory().guests().end() || !found->second->spec) co_return;
  if (!nic.network) co_return;
  co_await parts_.driver.detach(*nic.network, port_of(found->second->spec->value, nic));
}

Async<void> HostNetworks::unplug(model::GuestId id) {
  const auto found = parts_.writer.inventory().guests().find(id.value);
  if (found == parts_.writer.inventory().guests().end() || !found->second->spec) co_return;
  const auto ports = ports_of(*found->second);
  for (const auto& [network, port] : ports) co_await parts_.driver.detach(network, port);
}

Async<void> HostNetworks::apply(model::NetworkId network) {
  const auto turn = co_await take_turn();
  if (is_wanted(network) || realized_.contains(network)) co_await ensure(network);
}

Async<void> HostNetworks::remove(model::NetworkId network) {
  const auto turn = co_await take_turn();
  realized_.erase(network);
  co_await parts_.driver.remove(network);
  here_.erase(network);
}

// --- looking after what is here ----------------------------------------------------------------

Async<void> HostNetworks::run() {
  co_await parts_.writer.inventory().ready();
  Instant next_look = parts_.clock.now();
  while (true) {
    const bool look = parts_.clock.now() >= next_look;
    if (look) next_look = parts_.clock.now() + kLookInterval;
    try {
      co_await reconcile(look);
    } catch (const Error& error) {
      parts_.log.warning("networks", "looking after the networks failed",
                         {{"why", error.full_message()}});
    }
    const auto left = std::chrono::duration_cast<Duration>(next_look - parts_.clock.now());
    try {
      co_await with_deadline(parts_.clock, std::clamp(left, kGather, kLongestRest), "a change",
                             parts_.writer.inventory().changed());
    } catch (const Error& error) {
      if (error.reason() != Reason::deadline) throw;
    }
    co_await sleep_for(parts_.clock, kGather);
  }
}

Async<void> HostNetworks::remove_unwanted() {
  linger_ = Duration{0};
  co_await reconcile(true);
}

Async<void> HostNetworks::reconcile(bool look) {
  if (look) {
    for (const auto id : co_await parts_.driver.survey()) here_.insert(id);
  }
  auto all = here_;
  for (const auto& [id, record] : parts_.writer.inventory().networks())
    all.insert(model::NetworkId{id});
  for (const auto id : all) {
    std::string failure;
    try {
      co_await reconcile_one(id, look);
    } catch (const Error& error) {
      failure = error.full_message();
    }
    if (failure.empty()) {
      failures_.erase(id);
    } else if (failures_[id] != failure) {
      failures_[id] = failure;
      parts_.log.warning("networks", "a network is not what it shall be",
                         {{"network", to_text(id)}, {"why", failure}});
    }
    if (!failure.empty()) {
      co_await note(id, {model::NetworkState::unavailable, {}, {}, failure});
    }
  }
}

Async<void> HostNetworks::reconcile_one(model::NetworkId network, bool look) {
  const bool was_here = here_.contains(network);
  {
    const auto turn = co_await take_turn();
    if (find(parts_.writer.inventory(), network) != nullptr && is_wanted(network)) {
      unwanted_since_.erase(network);
      if (parts_.driver.capabilities().available) co_await ensure(network);
    } else {
      co_await drop_unwanted(network);
    }
  }
  if (!look && was_here == here_.contains(network)) co_return;
  const auto status = co_await parts_.driver.observe(network);
  co_await note(network, status);
}

// With the turn held: nobody plugs in meanwhile, and who plugs in later realizes it again.
Async<void> HostNetworks::drop_unwanted(model::NetworkId network) {
  if (!here_.contains(network)) co_return;
  const auto now = parts_.clock.now();
  const bool gone = find(parts_.writer.inventory(), network) == nullptr;
  const auto since = unwanted_since_.try_emplace(network, now).first->second;
  if (!gone && now - since < linger_) co_return;
  unwanted_since_.erase(network);
  realized_.erase(network);
  co_await parts_.driver.remove(network);
  here_.erase(network);
}

Async<void> HostNetworks::note(model::NetworkId network, model::NetworkStatus status) {
  const auto& networks = parts_.writer.inventory().networks();
  const auto is_news = [&] {
    const auto found = networks.find(network.value);
    if (found == networks.end() || !found->second->complete()) return false;
    if (found->second->placement->value.host != parts_.self) return false;
    return !found->second->status || found->second->status->value != status;
  };
  if (!is_news()) co_return;
  co_await parts_.writer.transact([&](Draft& draft) {
    if (is_news()) draft.replace(keys::network_status(network), status);
  });
}

}  // namespace ruche::core
