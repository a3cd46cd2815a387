// The invariants of a cluster (docs/architecture.md), checked against the truth: the store's own
// content, the processes of all hosts and the files of all datastores. They know nothing of the
// workload.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "model/guest.hpp"
#include "model/host.hpp"
#include "model/placement.hpp"
#include "model/pool.hpp"
#include "model/snapshot.hpp"
#include "model/storage.hpp"
#include "model/task.hpp"
#include "sim/sim_host.hpp"

namespace ruche::sim {

// Everything in the store, decoded; what cannot be decoded is a violation by itself.
struct StoreTruth {
  std::map<Uuid, model::Guest> guests;
  std::map<Uuid, model::GuestStatus> statuses;
  std::map<Uuid, model::Placement> placements;
  std::map<Uuid, model::Layer> layers;
  std::map<Uuid, model::Snapshot> snapshots;
  std::map<Uuid, model::Image> images;
  std::map<Uuid, model::Upload> uploads;
  std::map<Uuid, model::Datastore> datastores;
  std::map<Uuid, model::Network> networks;
  std::map<Uuid, model::ResourcePool> pools;
  std::map<Uuid, model::PoolLedger> pool_ledgers;
  std::map<Uuid, model::Host> hosts;
  std::map<Uuid, model::Ledger> ledgers;
  std::map<Uuid, model::Task> tasks;
  std::map<std::string, Uuid> names;  // "vm/web1", "uid/1879048192", "mac/52:54:00:…"
  std::vector<std::string> unreadable;
};
StoreTruth read_truth(const MemoryStoreState& store);

// What must hold at every moment: no guest and no volume twice, ledgers of hosts and pools exact
// and within limits.
// Remembers what it has decoded.
class AlwaysChecker {
 public:
  std::vector<std::string> check(SimCluster& cluster);

 private:
  template <class T>
  struct Seen {
    ports::Revision revision;
    T value;
  };
  std::optional<ports::Revision> checked_;  // of the documents
  std::map<std::string, Seen<model::Placement>> placements_;
  std::map<std::string, Seen<model::Ledger>> ledgers_;
  std::map<std::string, Seen<model::ResourcePool>> pools_;
  std::map<std::string, Seen<model::PoolLedger>> pool_ledgers_;
  std::map<std::string, Seen<model::Layer>> layers_;
};

// What must hold when everything is healed, every daemon runs and nothing is left to do: every task
// has ended, documents agree with processes and files, nothing is left over.
std::vector<std::string> check_at_rest(SimCluster& cluster);

// Quiet: every daemon has started and no task is open. Checked cheaply.
bool is_quiet(SimCluster& cluster);

}  // namespace ruche::sim
