// Snapshots for the golden plans: what there is already, what is asked for, and what ids are
// called.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/guests/plans.hpp"
#include "model/snapshot_requests.hpp"
#include "sim/sim_host.hpp"

namespace ruche::core {

// What has happened to the guest "web1" before.
struct SnapshotHistory {
  std::vector<model::CreateSnapshot> taken;
  std::optional<model::CloneVm> copy;  // made then
  std::vector<std::string> deleted;    // then
  std::string purged;                  // a guest, then
};
constexpr auto describe(Type<SnapshotHistory>) {
  using H = SnapshotHistory;
  return structure<H>("SnapshotHistory", "What has happened to web1.",
                      field<&H::taken>("taken", "Snapshots, in their order."),
                      field<&H::copy>("copy", "A copy of it that was made."),
                      field<&H::deleted>("deleted", "Snapshots that were deleted then."),
                      field<&H::purged>("purged", "A guest that was purged then."));
}

void live_through(sim::SimCluster& cluster, const SnapshotHistory& history);

// Nothing when the plan is another concern's.
std::optional<Proposal> propose_snapshot(const std::string& plan, const std::string& request,
                                         const plans::Site& site, Draft& draft);

// Calls `name` with every id that has to do with snapshots, and what it is called.
void name_snapshots(const Proposal& proposal, const Inventory& inventory,
                    const std::function<void(Uuid, const std::string&)>& name);

}  // namespace ruche::core
