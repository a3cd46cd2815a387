// What a guest has on its datastores, layer by layer, for people.
#pragma once

#include <vector>

#include "core/inventory/inventory.hpp"
#include "model/snapshot_requests.hpp"

namespace ruche::core {

// A layer as it is shown, but for what only its datastore knows: the path and what it takes.
struct LayerLine {
  model::Layer layer;
  model::LayerView view;
};

// Each disk's chain, the top first, down to the image; behind it what only snapshots have of that
// disk. Then firmware variables, TPM state and memories, and what else belongs to the guest.
std::vector<LayerLine> layer_lines(const Inventory& inventory, const GuestRecord& guest);

}  // namespace ruche::core
