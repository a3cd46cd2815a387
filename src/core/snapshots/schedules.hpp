// Which snapshots are due, and which have had their time: a pure decision, made again and again.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/inventory/inventory.hpp"
#include "model/snapshot_requests.hpp"

namespace ruche::core {

// Exactly one of the two.
struct ScheduledAction {
  std::string schedule;
  std::optional<model::CreateSnapshot> take;
  std::optional<model::DeleteSnapshot> remove;
};

// At most one for each guest of the host, and none while a task holds it. A schedule is due when
// its newest snapshot is older than it says, or when there is none; so a clock that jumps, and a
// host that was off, make one snapshot and not as many as were missed.
std::vector<ScheduledAction> decide_schedules(const Inventory& inventory, model::HostId self,
                                              Timestamp now);

// When a schedule's next snapshot is due: not after `now` when it is already.
Timestamp next_snapshot(const std::vector<model::Snapshot>& snapshots,
                        const model::SnapshotSchedule& schedule, Timestamp now);

}  // namespace ruche::core
