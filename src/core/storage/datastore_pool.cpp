#include "core/storage/datastore_pool.hpp"

#include <fmt/format.h>

namespace ruche::core {

namespace {
constexpr std::size_t kLongestChain = 200;
}

bool is_visible(const model::Datastore& datastore, model::HostId host) {
  return datastore.shared || datastore.host == host;
}

std::shared_ptr<ports::VolumeDriver> DatastorePool::driver(model::DatastoreId id) {
  if (const auto open = open_.find(id); open != open_.end()) return open->second;
  const auto found = inventory_.datastores().find(id.value);
  if (found == inventory_.datastores().end() || !found->second->spec) {
    throw Error(Reason::no_such_object, fmt::format("no datastore {}", to_text(id)));
  }
  const model::Datastore& datastore = found->second->spec->value;
  if (!is_visible(datastore, self_)) {
    throw Error(Reason::datastore_unavailable,
                fmt::format("this host does not see the datastore {}", datastore.name));
  }
  return open_.emplace(id, drivers_.open(datastore)).first->second;
}

ports::VolumeRef volume_ref(const model::Layer& layer) {
  return {layer.owner_kind, layer.owner, layer.id, layer.content, layer.format};
}

std::vector<model::Layer> chain_of(const Inventory& inventory, model::LayerId top) {
  std::vector<model::Layer> chain;
  std::optional<model::LayerId> next = top;
  while (next) {
    const auto layer = inventory.layer(*next);
    if (!layer || chain.size() >= kLongestChain) {
      throw Error(Reason::document_unreadable, fmt::format("the chain of layer {} is broken at {}",
                                                           to_text(top), to_text(*next)));
    }
    chain.push_back(layer->value);
    next = layer->value.parent;
  }
  return chain;
}

}  // namespace ruche::core
