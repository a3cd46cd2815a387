// What this host makes of the networks: a network is here as long as a guest of this host that is
// on it runs, and for a moment longer. Guests are plugged in when they are launched; everything
// else follows the documents.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/log.hpp"
#include "core/inventory/writer.hpp"
#include "ports/networks.hpp"

namespace ruche::core {

class HostNetworks {
 public:
  struct Parts {
    Writer& writer;
    ports::NetworkDriver& driver;
    Clock& clock;
    Log& log;
    model::HostId self;
  };
  explicit HostNetworks(Parts parts) : parts_(std::move(parts)) {}

  // The guest's adapters on networks, each plugged in; its networks are realized for it. On an
  // ordinary start no process is started for that.
  Async<std::vector<ports::AttachedPort>> plug(model::GuestId guest);
  Async<void> unplug(model::GuestId guest);
  // The same of one adapter of a guest that runs.
  Async<ports::AttachedPort> plug(model::GuestId guest, model::NicSpec nic);
  Async<void> unplug(model::GuestId guest, model::NicSpec nic);
  // Makes the network what its document says, if it is here.
  Async<void> apply(model::NetworkId network);
  Async<void> remove(model::NetworkId network);
  // Looks after what is here, until cancelled.
  Async<void> run();
  // Takes away at once what no guest needs: the host goes down.
  Async<void> remove_unwanted();

 private:
  class Turn;
  Async<Turn> take_turn();
  bool is_wanted(model::NetworkId network) const;
  Async<void> ensure(model::NetworkId network);
  Async<void> ensure_port(model::NetworkId network, ports::NetworkPort port);
  Async<void> reconcile(bool look);
  Async<void> reconcile_one(model::NetworkId network, bool look);
  Async<void> drop_unwanted(model::NetworkId network);
  Async<void> note(model::NetworkId network, model::NetworkStatus status);

  Parts parts_;
  std::map<model::NetworkId, ports::NetworkPlan> realized_;
  std::set<model::NetworkId> here_;  // something of it is on the host
  std::map<model::NetworkId, Instant> unwanted_since_;
  std::map<model::NetworkId, std::string> failures_;  // told once
  Duration linger_{10'000};  // a guest that is restarted keeps its network
  bool busy_ = false;
  Signal free_;
};

// All that this host shall have of a network.
ports::NetworkPlan network_plan(const Inventory& inventory, const model::Network& network,
                                model::HostId self);

// Throws port_in_use with who listens there.
Async<void> require_free_port(ports::NetworkDriver& driver, model::Protocol protocol,
                              std::string address, std::uint16_t port, std::string field);

}  // namespace ruche::core
