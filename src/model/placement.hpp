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
constexpr auto describe(Type<ObjectKind>) {
  return enumeration<ObjectKind>(
      "ObjectKind", "Kinds of object.", value(ObjectKind::guest, "vm", "A guest."),
      value(ObjectKind::image, "image", "An image."),
      value(ObjectKind::datastore, "datastore", "A datastore."),
      value(ObjectKind::network, "network", "A network."),
      value(ObjectKind::host, "host", "A host."), value(ObjectKind::task, "task", "A task."),
      value(ObjectKind::user, "user", "A user."),
      value(ObjectKind::token, "token", "An API token."),
      value(ObjectKind::pool, "pool", "A resource pool."));
}

struct ObjectRef {
  ObjectKind kind = ObjectKind::guest;
  Uuid id;
  std::string name;  // as it was when the reference was made
  friend bool operator==(const ObjectRef&, const ObjectRef&) = default;
};
constexpr auto describe(Type<ObjectRef>) {
  return structure<ObjectRef>("ObjectRef", "An object that a task or an event is about.",
                              field<&ObjectRef::kind>("kind", "Kind."),
                              field<&ObjectRef::id>("id", "Id."),
                              field<&ObjectRef::name>("name", "Name at that time."));
}

enum class Facet { existence, power, configuration, storage, memory };
constexpr auto describe(Type<Facet>) {
  return enumeration<Facet>(
      "Facet", "The part of an object that a task claims.",
      value(Facet::existence, "existence", "All of it: creation, deletion, a move."),
      value(Facet::power, "power", "Its power state."),
      value(Facet::configuration, "configuration", "Its document."),
      value(Facet::storage, "storage", "Its volumes."),
      value(Facet::memory, "memory", "Its memory."));
}

struct Claim {
  Facet facet = Facet::existence;
  TaskId task;
};
constexpr auto describe(Type<Claim>) {
  return structure<Claim>("Claim", "A task's hold on a part of an object.",
                          field<&Claim::facet>("facet", "What is held."),
                          field<&Claim::task>("task", "Who holds it."));
}

enum class PowerWish { off, on };
constexpr auto describe(Type<PowerWish>) {
  return enumeration<PowerWish>("PowerWish", "What was last asked for.",
                                value(PowerWish::off, "off", "Not running."),
                                value(PowerWish::on, "on", "Running."));
}

struct Reservation {
  Bytes memory;  // the guest's memory plus the measured overhead of its process
  std::uint32_t cpus = 0;
  friend bool operator==(const Reservation&, const Reservation&) = default;
};
constexpr auto describe(Type<Reservation>) {
  return structure<Reservation>(
      "Reservation", "Resources promised to a guest.",
      field<&Reservation::memory>("memory_bytes", "Memory with overhead."),
      field<&Reservation::cpus>("cpus", "Virtual CPUs."));
}

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
constexpr auto describe(Type<Placement>) {
  return structure<Placement>(
      "Placement", "Which host owns an object.", field<&Placement::kind>("kind", "Kind of object."),
      field<&Placement::object>("object", "Its id."), field<&Placement::host>("host", "The owner."),
      field<&Placement::epoch>("epoch", "Grows at every change of owner."),
      field<&Placement::wish>("wish", "Whether it shall run."),
      field<&Placement::reserved>("reserved", "What it holds of the host."),
      field<&Placement::pool>("pool", "The resource pool that it counts in."),
      field<&Placement::claims>("claims", "Open tasks that hold a part of it."));
}

}  // namespace ruche::model
