#include "sim/ledger_checks.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace ruche::sim {

namespace {

using Findings = std::vector<std::string>;

// What the guests of each pool use, from their placements and their disks.
std::map<Uuid, model::PoolLedger> uses_of_pools(const StoreTruth& truth) {
  std::map<Uuid, model::PoolLedger> uses;
  for (const auto& [id, placement] : truth.placements) {
    if (!placement.pool) continue;
    auto& use = uses[placement.pool->value];
    use.memory += placement.reserved.memory;
    use.cpus += placement.reserved.cpus;
  }
  for (const auto& [id, layer] : truth.layers) {
    const auto owner = truth.placements.find(layer.owner);
    if (owner == truth.placements.end() || !owner->second.pool) continue;
    if (layer.content == model::LayerContent::disk) {
      uses[owner->second.pool->value].storage += layer.size;
    }
  }
  return uses;
}

void check_pool(const model::ResourcePool& pool, const model::PoolLedger& ledger,
                const model::PoolLedger& use, Findings& findings) {
  const auto say = [](const model::PoolLedger& l) {
    return fmt::format("{}, {} CPUs and {} of disks", to_text(l.memory), l.cpus,
                       to_text(l.storage));
  };
  const bool exact =
      ledger.memory == use.memory && ledger.cpus == use.cpus && ledger.storage == use.storage;
  if (!exact) {
    findings.push_back(fmt::format("the ledger of the pool {} says {}, its guests have {}",
                                   pool.name, say(ledger), say(use)));
  }
  const auto& limits = pool.limits;
  const bool within = (limits.memory.count == 0 || use.memory <= limits.memory) &&
                      (limits.cpus == 0 || use.cpus <= limits.cpus) &&
                      (limits.storage.count == 0 || use.storage <= limits.storage);
  if (!within) {
    findings.push_back(fmt::format("the pool {} is over its limits with {}", pool.name, say(use)));
  }
}

void check_pools(const StoreTruth& truth, Findings& findings) {
  const auto uses = uses_of_pools(truth);
  for (const auto& [id, pool] : truth.pools) {
    const auto ledger = truth.pool_ledgers.find(id);
    if (ledger == truth.pool_ledgers.end()) {
      findings.push_back("the pool " + pool.name + " has no ledger");
      continue;
    }
    const auto use = uses.find(id);
    check_pool(pool, ledger->second, use == uses.end() ? model::PoolLedger() : use->second,
               findings);
  }
  for (const auto& [id, ledger] : truth.pool_ledgers) {
    if (!truth.pools.contains(id)) findings.push_back("a ledger of no pool: " + to_text(id));
  }
  for (const auto& [id, use] : uses) {
    if (!truth.pools.contains(id)) findings.push_back("guests are in no pool: " + to_text(id));
  }
  for (const auto& [id, placement] : truth.placements) {
    const auto pool = placement.pool ? truth.pools.find(placement.pool->value) : truth.pools.end();
    if (pool != truth.pools.end() && pool->second.host != placement.host) {
      findings.push_back("a guest is in a pool of another host: " + to_text(id));
    }
  }
}

// A host holds what guests without a pool use, and for each pool what is reserved for it or used by
// its guests, whichever is more.
void check_host_ledgers(const StoreTruth& truth, Findings& findings) {
  std::map<Uuid, model::Reservation> sums;
  const auto hold = [&](Uuid host, Bytes memory, std::uint32_t cpus) {
    sums[host].memory += memory;
    sums[host].cpus += cpus;
  };
  for (const auto& [id, placement] : truth.placements) {
    if (placement.pool) continue;
    hold(placement.host.value, placement.reserved.memory, placement.reserved.cpus);
  }
  auto uses = uses_of_pools(truth);
  for (const auto& [id, pool] : truth.pools) {
    const auto& use = uses[id];
    hold(pool.host.value, std::max(pool.reservation.memory, use.memory),
         std::max(pool.reservation.cpus, use.cpus));
  }
  for (const auto& [host, ledger] : truth.ledgers) {
    const auto& sum = sums[host];
    if (ledger.memory_reserved != sum.memory || ledger.cpus_reserved != sum.cpus) {
      findings.push_back(fmt::format("the ledger says {} and {} CPUs, the placements {} and {}",
                                     to_text(ledger.memory_reserved), ledger.cpus_reserved,
                                     to_text(sum.memory), sum.cpus));
    }
    if (ledger.memory_reserved > ledger.memory_total || ledger.cpus_reserved > ledger.cpus_total) {
      findings.push_back("a host has promised more than it has");
    }
  }
}

}  // namespace

void check_ledgers(const StoreTruth& truth, std::vector<std::string>& findings) {
  check_pools(truth, findings);
  check_host_ledgers(truth, findings);
}

}  // namespace ruche::sim
