// Events: what happened to an object, with the object as the API shows it after the change.
#pragma once

#include <optional>
#include <string>

#include "model/views.hpp"

namespace ruche::model {

enum class EventType { change, reset };
constexpr auto describe(Type<EventType>) {
  return enumeration<EventType>(
      "EventType", "What an event means.", value(EventType::change, "change", "An object changed."),
      value(EventType::reset, "reset", "Events were missed; list again and go on from here."));
}

// Exactly one is there, by the kind of the object; none after a deletion.
struct EventResource {
  std::optional<VmView> vm;
  std::optional<ImageView> image;
  std::optional<DatastoreView> datastore;
  std::optional<NetworkView> network;
  std::optional<HostView> host;
  std::optional<TaskView> task;
  std::optional<PoolView> pool;
};
constexpr auto describe(Type<EventResource>) {
  return structure<EventResource>("EventResource", "The object as the API shows it.",
                                  field<&EventResource::vm>("vm", "A virtual machine."),
                                  field<&EventResource::image>("image", "An image."),
                                  field<&EventResource::datastore>("datastore", "A datastore."),
                                  field<&EventResource::network>("network", "A network."),
                                  field<&EventResource::host>("host", "A host."),
                                  field<&EventResource::task>("task", "A task."),
                                  field<&EventResource::pool>("pool", "A resource pool."));
}

struct Event {
  std::string id;  // {store}.{revision}.{number of the change in it}
  EventType type = EventType::change;
  Timestamp at;
  std::optional<ChangeKind> change;
  std::optional<ObjectRef> object;
  EventResource resource;
};
constexpr auto describe(Type<Event>) {
  return structure<Event>("Event", "What happened to an object.",
                          field<&Event::id>("id", "Position in the stream; resume after it."),
                          field<&Event::type>("type", "A change, or a reset."),
                          field<&Event::at>("at", "When the host that answers saw it."),
                          field<&Event::change>("change", "What happened."),
                          field<&Event::object>("object", "What it happened to."),
                          field<&Event::resource>("resource", "The object after it."));
}

}  // namespace ruche::model
