#include "core/storage/datastore_service.hpp"

#include <fmt/format.h>

#include "core/storage/datastore_pool.hpp"
#include "core/tasks/accept.hpp"

namespace ruche::core {

using model::Facet;
using model::ObjectKind;

Async<Accepted> DatastoreService::create(Caller caller, model::CreateDatastore request) {
  const auto propose = [&](Draft& draft) {
    for (const auto& [id, record] : draft.inventory().datastores()) {
      if (!record->spec || record->spec->value.path != request.path) continue;
      // The same path on another host is another place.
      if (!request.shared && !is_visible(record->spec->value, parts_.self)) continue;
      throw Error(Reason::in_use, fmt::format("{} is the datastore {} already", request.path,
                                              record->spec->value.name))
          .at("/path");
    }
    model::Datastore datastore;
    datastore.id = draft.new_id<model::DatastoreId>();
    datastore.name = request.name;
    datastore.kind = request.kind;
    datastore.path = request.path;
    datastore.shared = request.shared;
    if (!request.shared) datastore.host = parts_.self;
    datastore.created_at = draft.now();
    draft.take_name("datastore", datastore.name, datastore.id.value);
    draft.create(
        keys::placement(parts_.self, datastore.id.value),
        model::Placement{
            .kind = ObjectKind::datastore, .object = datastore.id.value, .host = parts_.self});
    draft.create(keys::datastore_status(datastore.id), model::DatastoreStatus{});
    const model::DatastoreId id = datastore.id;
    draft.create(keys::datastore_spec(id), std::move(datastore));
    return Proposal{"datastore.create",
                    "Add datastore " + request.name,
                    {ObjectKind::datastore, id.value, request.name},
                    {Facet::existence},
                    parts_.self,
                    {model::AttachDatastore{id, request.adopt}}};
  };
  co_return co_await accept(parts_.writer, std::move(caller), propose);
}

Async<Accepted> DatastoreService::remove(Caller caller, model::DatastoreRef request) {
  const auto propose = [&](Draft& draft) {
    const auto record = draft.inventory().find_datastore(request.datastore);
    if (!record) {
      throw Error(Reason::no_such_object, fmt::format("no datastore {}", request.datastore))
          .at("/datastore")
          .remedy("see them: ruche datastore list");
    }
    const model::Datastore& datastore = record->spec->value;
    std::size_t layers = 0;
    for (const auto& [id, layer] : draft.inventory().layers()) {
      if (layer->value.datastore == datastore.id) ++layers;
    }
    if (layers > 0) {
      throw Error(Reason::in_use,
                  fmt::format("{} volumes and image files are on {}", layers, datastore.name))
          .remedy("delete the guests and images on it first (vm delete --purge, image delete)");
    }
    return Proposal{"datastore.delete",
                    "Remove datastore " + datastore.name,
                    {ObjectKind::datastore, datastore.id.value, datastore.name},
                    {Facet::existence},
                    parts_.self,
                    {model::DetachDatastore{datastore.id}}};
  };
  co_return co_await accept(parts_.writer, std::move(caller), propose);
}

}  // namespace ruche::core
