// The plans of snapshots: pure decisions over a draft. docs/adr/0025 says why they are as they are.
#pragma once

#include "core/guests/plans.hpp"
#include "model/snapshot_requests.hpp"

namespace ruche::core::plans {

Proposal take_snapshot(Draft& draft, const Site& site, const model::CreateSnapshot& request);
Proposal revert(Draft& draft, const Site& site, const model::RevertToSnapshot& request);
Proposal delete_snapshot(Draft& draft, const Site& site, const model::DeleteSnapshot& request);
// Every disk takes in all layers that it stands on, the image's as well.
Proposal flatten(Draft& draft, const Site& site, const model::FlattenVm& request);
// Layers of the guest that nothing needs any more, or that only one other of its own stands on:
// what deletions left because copies stood on them, and cuts whose task failed. Has no steps when
// there are none.
Proposal tidy_layers(Draft& draft, model::GuestId guest);
// Whether tidy_layers() would have anything to do; cheap.
bool has_loose_layers(const Inventory& inventory, model::GuestId guest);

// The snapshot that a reference (name or id) means; no_such_object with a remedy.
const model::Snapshot& find_snapshot(const Inventory& inventory, const model::Guest& guest,
                                     const std::string& reference);
// Of one guest, oldest first.
std::vector<model::Snapshot> snapshots_of(const Inventory& inventory, model::GuestId guest);

}  // namespace ruche::core::plans
