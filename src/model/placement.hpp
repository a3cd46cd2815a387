// Placements: which host owns an object, under which epoch, what it reserves and who holds claims
// on it. placements/<host>/<object> is touched by every commit about the object, so that an agent
// watches one prefix.
#pragma once

#include <optional>
#include <vector>

#include "base/reflect.hpp"
#include "model/ids.hpp"

namespace ruche::model {

enum class ObjectKind { guest, image, datastore, network, host, task, user, token, pool };

struct ObjectRef {
  ObjectKind kind = ObjectKind::guest;
  Uuid id;
  std::string name;  // as it was when the reference was made
  friend bool operator==(const ObjectRef&, const ObjectRef&) = default;
};

enum class Facet { existence, power, configuration, storage, memory };

struct Claim {
  Facet facet = Facet::existence;
  TaskId task;
};

enum class PowerWish { off, on };

struct Reservation {
  Bytes memory;  // the guest's memory plus the measured overhead of its process
  std::uint32_t cpus = 0;
  friend bool operator==(const Reservation&, const Reservation&) = default;
};

struct Placement {
  ObjectKind kind = ObjectKind::guest;
  Uuid object;
  HostId host;
  std::uint64_t epoch = 1;  // grows at every change of owner
  PowerWish wish = PowerWish::off;
  Reservation reserved;  // nothing while it is off
  std::optional<PoolId> pool;  // in whose ledger that, and the disks, are counted
  std::vector<Claim> claims;
};

}  // namespace ruche::model

extern template const ruche::TypeInfo& ruche::type_of<ruche::model::ObjectKind>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::ObjectRef>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::Facet>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::Claim>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::PowerWish>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::Reservation>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::Placement>();
