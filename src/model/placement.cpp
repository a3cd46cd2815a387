#include "model/placement.hpp"

namespace ruche::model {

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

constexpr auto describe(Type<ObjectRef>) {
  return structure<ObjectRef>("ObjectRef", "An object that a task or an event is about.",
                              field<&ObjectRef::kind>("kind", "Kind."),
                              field<&ObjectRef::id>("id", "Id."),
                              field<&ObjectRef::name>("name", "Name at that time."));
}

constexpr auto describe(Type<Facet>) {
  return enumeration<Facet>(
      "Facet", "The part of an object that a task claims.",
      value(Facet::existence, "existence", "All of it: creation, deletion, a move."),
      value(Facet::power, "power", "Its power state."),
      value(Facet::configuration, "configuration", "Its document."),
      value(Facet::storage, "storage", "Its volumes."),
      value(Facet::memory, "memory", "Its memory."));
}

constexpr auto describe(Type<Claim>) {
  return structure<Claim>("Claim", "A task's hold on a part of an object.",
                          field<&Claim::facet>("facet", "What is held."),
                          field<&Claim::task>("task", "Who holds it."));
}

constexpr auto describe(Type<PowerWish>) {
  return enumeration<PowerWish>("PowerWish", "What was last asked for.",
                                value(PowerWish::off, "off", "Not running."),
                                value(PowerWish::on, "on", "Running."));
}

constexpr auto describe(Type<Reservation>) {
  return structure<Reservation>(
      "Reservation", "Resources promised to a guest.",
      field<&Reservation::memory>("memory_bytes", "Memory with overhead."),
      field<&Reservation::cpus>("cpus", "Virtual CPUs."));
}

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

template const ruche::TypeInfo& ruche::type_of<ruche::model::ObjectKind>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::ObjectRef>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::Facet>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::Claim>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::PowerWish>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::Reservation>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::Placement>();
