#include "model/pool.hpp"

namespace ruche::model {

constexpr auto describe(Type<PoolLimits>) {
  return structure<PoolLimits>(
      "PoolLimits", "What the guests of a pool may use together; 0: as much as there is.",
      field<&PoolLimits::cpus>("cpus", "Virtual CPUs of those that run."),
      field<&PoolLimits::memory>("memory_bytes", "Memory with overhead of those that run."),
      field<&PoolLimits::storage>("storage_bytes", "Capacity of the disks of all of them."));
}

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

constexpr auto describe(Type<PoolLedger>) {
  return structure<PoolLedger>(
      "PoolLedger", "What the guests of a pool use.",
      field<&PoolLedger::cpus>("cpus", "Virtual CPUs of those that run."),
      field<&PoolLedger::memory>("memory_bytes", "Memory with overhead of those that run."),
      field<&PoolLedger::storage>("storage_bytes", "Capacity of the disks of all of them."),
      field<&PoolLedger::generation>("generation", "Grows with each change."));
}

}  // namespace ruche::model

template const ruche::TypeInfo& ruche::type_of<ruche::model::PoolLimits>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::ResourcePool>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::PoolLedger>();
