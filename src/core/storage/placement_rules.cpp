#include "core/storage/placement_rules.hpp"

#include <fmt/format.h>

#include "core/storage/datastore_pool.hpp"

namespace ruche::core {

const model::Datastore& choose_datastore(const Inventory& inventory, const std::string& reference,
                                         model::HostId host) {
  if (!reference.empty()) {
    const auto record = inventory.find_datastore(reference);
    if (!record) {
      throw Error(Reason::no_such_object, fmt::format("no datastore {}", reference))
          .at("/datastore")
          .remedy("see them: ruche datastore list");
    }
    if (!is_visible(record->spec->value, host)) {
      throw Error(Reason::datastore_unavailable,
                  fmt::format("this host does not see the datastore {}", reference))
          .at("/datastore");
    }
    return record->spec->value;
  }
  const model::Datastore* chosen = nullptr;
  std::size_t visible = 0;
  for (const auto& [id, record] : inventory.datastores()) {
    if (!record->spec || !is_visible(record->spec->value, host)) continue;
    ++visible;
    const auto& datastore = record->spec->value;
    if (!chosen || datastore.name == "local") chosen = &datastore;
  }
  if (!chosen) {
    throw Error(Reason::no_such_object, "this host has no datastore")
        .at("/datastore")
        .remedy("add one: ruche datastore create NAME --path DIR");
  }
  if (visible > 1 && chosen->name != "local") {
    throw Error(Reason::bad_request, fmt::format("{} datastores to choose from", visible))
        .at("/datastore")
        .remedy("name one; see them: ruche datastore list");
  }
  return *chosen;
}

}  // namespace ruche::core
