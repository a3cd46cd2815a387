#include "methods/tables.hpp"

namespace ruche::methods {

namespace {

std::vector<Method> looking() {
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
          .examples = {{"The default one", "ruche datastore show local"}},
      }),
      list_of<model::FoundVm>({
          .id = "datastore.guests",
          .path = "/v1/datastores/{datastore}/guests",
          .role = Role::administrator,
          .request = &type_of<model::DatastoreRef>,
          .summary = "List virtual machines that could be registered",
          .description = "Guests whose files are on the datastore and that the store does not "
                         "know, at most a thousand. What their files say is not to be trusted.",
          .command = "datastore guests",
          .examples = {{"On the default one", "ruche datastore guests local"}},
          .columns = {{"NAME", "name"},
                      {"ID", "id"},
                      {"CPUS", "cpus"},
                      {"MEMORY", "memory_bytes"},
                      {"DISKS", "disks"},
                      {"PROBLEM", "problem"}},
      }),
  };
}

std::vector<Method> changing() {
  return {
      task_of<model::CreateDatastore>({
          .id = "datastore.create",
          .verb = Verb::post,
          .path = "/v1/datastores",
          .role = Role::administrator,
          .summary = "Add a datastore",
          .description = "The directory is made when it does not exist. With `adopt` it may be "
                         "the place of a datastore that another Ruche had: whoever still uses it "
                         "finds it gone, and the guests in it can be registered here.",
          .command = "datastore create",
          .examples = {{"A directory of this host", "ruche datastore create fast --path /srv/fast",
                        R"({"name": "fast", "path": "/srv/fast"})"},
                       {"One that survived the host it belonged to",
                        "ruche datastore create old --path /srv/old --adopt"}},
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

}  // namespace

std::vector<Method> datastore_methods() {
  auto methods = looking();
  for (auto& method : changing()) methods.push_back(std::move(method));
  return methods;
}

}  // namespace ruche::methods
