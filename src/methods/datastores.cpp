#include "methods/tables.hpp"

namespace ruche::methods {

std::vector<Method> datastore_methods() {
  return {
      list_of<model::DatastoreView>({
          .id = "datastore.list",
          .path = "/v1/datastores",
          .request = &type_of<ListRequest>,
          .summary = "List datastores",
          .description = "The storage pools with their room.",
          .command = "datastore list",
          .examples = {{"All of them", "ruche datastore list"}},
          .columns = {{"NAME", "name"},
                      {"STATE", "status.state"},
                      {"KIND", "kind"},
                      {"SIZE", "status.capacity_bytes"},
                      {"FREE", "status.available_bytes"},
                      {"VOLUMES", "layers"},
                      {"PATH", "path"}},
          .list_fields = {"id", "name", "kind", "path", "shared", "host", "state",
                          "available_bytes", "created_at"},
      }),
      value_of<model::DatastoreRef, model::DatastoreView>({
          .id = "datastore.show",
          .path = "/v1/datastores/{datastore}",
          .summary = "Show a datastore",
          .description = "Its place, its room and whether it answers.",
          .command = "datastore show",
          .examples = {{"The default one", "ruche datastore show default"}},
      }),
      task_of<model::CreateDatastore>({
          .id = "datastore.create",
          .verb = Verb::post,
          .path = "/v1/datastores",
          .role = Role::administrator,
          .summary = "Add a datastore",
          .description = "The directory is made when it does not exist.",
          .command = "datastore create",
          .examples = {{"A directory of this host", "ruche datastore create fast --path /srv/fast",
                        R"({"name": "fast", "path": "/srv/fast"})"}},
      }),
      task_of<model::DatastoreRef>({
          .id = "datastore.delete",
          .verb = Verb::delete_,
          .path = "/v1/datastores/{datastore}",
          .role = Role::administrator,
          .summary = "Remove a datastore",
          .description = "Refused while it holds volumes.",
          .command = "datastore delete",
          .examples = {{"Remove it", "ruche datastore delete fast"}},
      }),
  };
}

}  // namespace ruche::methods
