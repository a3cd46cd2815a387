// What the documents of snapshots say of layers, and how one goes. The plans and steps of snapshots
// are a room of their own; this is what guests themselves need of them.
#pragma once

#include <vector>

#include "core/inventory/draft.hpp"
#include "model/snapshot.hpp"
#include "model/step.hpp"

namespace ruche::core {

// Layers that a snapshot with this specification counts as a user of, each as often as it is named:
// tops of disks, media, what it boots from.
std::vector<model::LayerId> layers_held(const model::VmSpec& spec);
// Layers that are a snapshot's own: copies of small files, memory.
std::vector<model::LayerId> layers_kept(const model::Snapshot& snapshot);
// How often the snapshots of its own guest hold a layer.
std::uint32_t holds_of(const Inventory& inventory, model::GuestId guest, model::LayerId layer);

// Gives back its name and what it counts; its children go on from its parent, and so does its
// guest. Of several those that were taken later go first, so that none is re-parented to one that
// goes. One that is gone already is not an error.
void forget_snapshot(Draft& draft, model::SnapshotId id);
std::string snapshot_name_key(model::GuestId guest, const std::string& name);

// Disks that were cut go on in their new layers; again is nothing.
void go_on_in_overlays(const model::TakeSnapshot& cut, std::vector<model::DiskSpec>& disks);

// What a process has that goes on from a snapshot's memory: what it had then, on the volumes and
// with the generation that the guest's specification says now.
model::RunningHardware hardware_gone_back(const model::RunningHardware& then,
                                          const model::VmSpec& now);

}  // namespace ruche::core
