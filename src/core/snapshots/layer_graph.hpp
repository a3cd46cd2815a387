// Which layers of a guest are loose: nothing needs them, or only one other layer of its own stands
// on them. Pure.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <vector>

#include "core/inventory/inventory.hpp"

namespace ruche::core {

struct GraphLayer {
  model::LayerId id;
  std::optional<model::LayerId> parent;
  bool own =
      true;   // of the guest in question; layers of others are there only as what stands on its
  bool used = false;  // by somebody else that counts on it
};

struct LayerMerge {
  model::LayerId layer;  // that stays
  model::LayerId below;  // that it stands on then, and takes in
  friend bool operator==(const LayerMerge&, const LayerMerge&) = default;
};

struct LooseLayers {
  std::vector<LayerMerge> merges;  // in order
  std::vector<model::LayerId> merged;  // what the merges take in: of no use afterwards
  std::vector<model::LayerId> unused;  // on which nothing stands
  bool empty() const { return merges.empty() && unused.empty(); }
};

// `needed` are those that a guest or a snapshot names. A layer on which anything of somebody else
// stands, however far up, is not loose. Of several loose ones in a row the upper goes first: each
// block is copied once at most, and only the layer that stays is written to. In `merged` and
// `unused` those come first that stand on others.
LooseLayers find_loose(const std::vector<GraphLayer>& layers,
                       const std::set<model::LayerId>& needed);

// The disk layers of a guest as the store has them, with what stands on them.
std::vector<GraphLayer> graph_of(const Inventory& inventory, model::GuestId guest);

}  // namespace ruche::core
