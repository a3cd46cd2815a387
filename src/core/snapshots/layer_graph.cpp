#include "core/snapshots/layer_graph.hpp"

#include <algorithm>

#include "core/guests/snapshot_documents.hpp"

namespace ruche::core {

namespace {

class Walk {
 public:
  Walk(const std::vector<GraphLayer>& layers, const std::set<model::LayerId>& needed)
      : needed_(needed) {
    for (const auto& layer : layers) layers_[layer.id] = &layer;
    for (const auto& [id, layer] : layers_) {
      if (layer->parent) children_[*layer->parent].push_back(id);
    }
  }

  LooseLayers all() {
    for (const auto& [id, layer] : layers_) {
      const auto below = layer->parent ? layers_.find(*layer->parent) : layers_.end();
      if (layer->own && (below == layers_.end() || !below->second->own)) visit(*layer);
    }
    return std::move(found_);
  }

 private:
  // What is left of a layer and of what stands on it.
  struct Left {
    std::optional<model::LayerId> layer;  // itself, or the one that took it in
    bool shared = false;  // somebody else's work rests on it
  };

  Left visit(const GraphLayer& layer) {
    if (!layer.own) return {layer.id, true};
    Left left{layer.id, layer.used};
    std::vector<model::LayerId> above;
    for (const auto child : children_[layer.id]) {
      const auto it = visit(*layers_.at(child));
      left.shared = left.shared || it.shared;
      if (it.layer) above.push_back(*it.layer);
    }
    if (left.shared || needed_.contains(layer.id) || above.size() > 1) return left;
    if (above.empty()) {
      found_.unused.push_back(layer.id);
      return {};
    }
    found_.merges.push_back({above.front(), layer.id});
    found_.merged.push_back(layer.id);
    return {above.front(), false};
  }

  const std::set<model::LayerId>& needed_;
  std::map<model::LayerId, const GraphLayer*> layers_;
  std::map<model::LayerId, std::vector<model::LayerId>> children_;
  LooseLayers found_;
};

}  // namespace

LooseLayers find_loose(const std::vector<GraphLayer>& layers,
                       const std::set<model::LayerId>& needed) {
  return Walk(layers, needed).all();
}

std::vector<GraphLayer> graph_of(const Inventory& inventory, model::GuestId guest) {
  std::map<model::LayerId, std::uint32_t> explained;
  for (const auto& [id, stored] : inventory.snapshots()) {
    if (stored->value.guest != guest) continue;
    for (const auto layer : layers_held(stored->value.spec)) ++explained[layer];
  }
  const auto is_own = [guest](const model::Layer& layer) {
    return layer.owner_kind == model::ObjectKind::guest && layer.owner == guest.value &&
           layer.content == model::LayerContent::disk;
  };
  std::vector<GraphLayer> graph;
  for (const auto& [id, stored] : inventory.layers()) {
    const auto& layer = stored->value;
    if (layer.parent) ++explained[*layer.parent];
    const auto below = layer.parent ? inventory.layer(*layer.parent) : nullptr;
    const bool own = is_own(layer);
    if (own || (below && is_own(below->value))) graph.push_back({{id}, layer.parent, own, false});
  }
  for (auto& layer : graph) {
    const auto stored = inventory.layer(layer.id);
    layer.used = layer.own && stored->value.references > explained[layer.id];
  }
  return graph;
}

}  // namespace ruche::core
