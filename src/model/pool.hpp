// Resource pools: what a group of guests may use of a host together, and what is kept for them.
#pragma once

#include <string>

#include "base/reflect.hpp"
#include "model/placement.hpp"

namespace ruche::model {

inline constexpr std::uint32_t kUsualShares = 100;
inline constexpr std::uint32_t kMostShares = 10'000;

// Together at most; nothing: as much as there is.
struct PoolLimits {
  std::uint32_t cpus = 0;
  Bytes memory;
  Bytes storage;
  friend bool operator==(const PoolLimits&, const PoolLimits&) = default;
};
constexpr auto describe(Type<PoolLimits>) {
  return structure<PoolLimits>(
      "PoolLimits", "What the guests of a pool may use together; 0: as much as there is.",
      field<&PoolLimits::cpus>("cpus", "Virtual CPUs of those that run."),
      field<&PoolLimits::memory>("memory_bytes", "Memory with overhead of those that run."),
      field<&PoolLimits::storage>("storage_bytes", "Capacity of the disks of all of them."));
}

// pools/<id>/spec. Whoever changes it touches the pool's ledger too, so that who compares the
// ledger's revision rests on the limits that were read with it.
struct ResourcePool {
  PoolId id;
  std::string name;
  std::string description;
  HostId host;  // that keeps the reservation; guests in the pool are on it
  PoolLimits limits;
  Reservation reservation;
  std::uint32_t shares = kUsualShares;
  Timestamp created_at;
};
constexpr auto describe(Type<ResourcePool>) {
  using P = ResourcePool;
  return structure<P>(
      "ResourcePool", "A group of guests that share limits and what is kept for them.",
      field<&P::id>("id", "Immutable id."),
      field<&P::name>("name", "Unique name.", {.format = "name"}),
      field<&P::description>("description", "Notes."),
      field<&P::host>("host", "The host that keeps the reservation."),
      field<&P::limits>("limits", "What its guests may use together."),
      field<&P::reservation>("reservation", "What its host keeps for its guests."),
      field<&P::shares>("shares", "Weight of each virtual CPU where guests compete."),
      field<&P::created_at>("created_at", "When it was made."));
}

// pools/<id>/ledger: constant in size, written only by what changes it.
struct PoolLedger {
  std::uint32_t cpus = 0;
  Bytes memory;
  Bytes storage;
  std::uint64_t generation = 0;
};
constexpr auto describe(Type<PoolLedger>) {
  return structure<PoolLedger>(
      "PoolLedger", "What the guests of a pool use.",
      field<&PoolLedger::cpus>("cpus", "Virtual CPUs of those that run."),
      field<&PoolLedger::memory>("memory_bytes", "Memory with overhead of those that run."),
      field<&PoolLedger::storage>("storage_bytes", "Capacity of the disks of all of them."),
      field<&PoolLedger::generation>("generation", "Grows with each change."));
}

}  // namespace ruche::model
