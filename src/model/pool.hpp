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

// pools/<id>/ledger: constant in size, written only by what changes it.
struct PoolLedger {
  std::uint32_t cpus = 0;
  Bytes memory;
  Bytes storage;
  std::uint64_t generation = 0;
};

}  // namespace ruche::model

extern template const ruche::TypeInfo& ruche::type_of<ruche::model::PoolLimits>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::ResourcePool>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::PoolLedger>();
