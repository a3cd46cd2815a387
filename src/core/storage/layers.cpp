#include "core/storage/layers.hpp"

#include "core/placement/reservations.hpp"

namespace ruche::core {

namespace {

void count(Draft& draft, const model::Layer& layer, Bytes change) {
  if (layer.content == model::LayerContent::disk) count_storage(draft, layer.owner, change);
}

}  // namespace

void count_user(Draft& draft, model::LayerId id, int change) {
  if (!draft.find_layer(id)) return;
  auto& references = draft.layer(id).references;
  if (change < 0 && references == 0) return;
  references = static_cast<std::uint32_t>(static_cast<int>(references) + change);
}

model::Layer& add_layer(Draft& draft, model::Layer layer) {
  if (layer.parent) count_user(draft, *layer.parent, 1);
  count(draft, layer, layer.size);
  const std::string key = keys::layer(layer.id);
  return draft.create(key, std::move(layer));
}

void resize_layer(Draft& draft, model::LayerId id, Bytes size) {
  auto& layer = draft.layer(id);
  count(draft, layer, size - layer.size);
  layer.size = size;
}

void remove_layer(Draft& draft, model::LayerId id) {
  const auto* layer = draft.find_layer(id);
  if (!layer) return;
  const auto parent = layer->parent;
  count(draft, *layer, Bytes{} - layer->size);
  draft.erase(keys::layer(id));
  if (parent) count_user(draft, *parent, -1);
}

}  // namespace ruche::core
