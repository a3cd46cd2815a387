// Snapshots and layers, drawn for people.
#pragma once

#include <string>
#include <vector>

#include "model/snapshot_requests.hpp"
#include "output.hpp"

namespace ruche::cli {

// `snapshots` in the order of their tree, as the API lists them. Says where the VM is now.
std::string snapshot_tree_text(const std::string& vm,
                               const std::vector<model::SnapshotView>& snapshots, const Look& look);

// `layers` disk by disk, the top first, as the API lists them.
std::string layers_text(const std::vector<model::LayerView>& layers);

}  // namespace ruche::cli
