#include "model/event.hpp"

namespace ruche::model {

constexpr auto describe(Type<EventType>) {
  return enumeration<EventType>(
      "EventType", "What an event means.", value(EventType::change, "change", "An object changed."),
      value(EventType::reset, "reset", "Events were missed; list again and go on from here."));
}

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

template const ruche::TypeInfo& ruche::type_of<ruche::model::EventType>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::EventResource>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::Event>();
