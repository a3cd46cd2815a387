// Events: what happened to an object, with the object as the API shows it after the change.
#pragma once

#include <optional>
#include <string>

#include "model/views.hpp"

namespace ruche::model {

enum class EventType { change, reset };

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

struct Event {
  std::string id;  // {store}.{revision}.{number of the change in it}
  EventType type = EventType::change;
  Timestamp at;
  std::optional<ChangeKind> change;
  std::optional<ObjectRef> object;
  EventResource resource;
};

}  // namespace ruche::model

extern template const ruche::TypeInfo& ruche::type_of<ruche::model::EventType>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::EventResource>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::Event>();
