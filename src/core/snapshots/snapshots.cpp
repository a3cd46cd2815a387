#include <fmt/format.h>

#include <algorithm>

#include "core/snapshots/snapshot_plans.hpp"

namespace ruche::core::plans {

std::vector<model::Snapshot> snapshots_of(const Inventory& inventory, model::GuestId guest) {
  std::vector<model::Snapshot> own;
  for (const auto& [id, stored] : inventory.snapshots()) {
    if (stored->value.guest == guest) own.push_back(stored->value);
  }
  // Ids grow with time, but not within a millisecond.
  std::ranges::sort(own, {}, [](const model::Snapshot& snapshot) {
    return std::pair(snapshot.created_at, snapshot.id);
  });
  return own;
}

const model::Snapshot& find_snapshot(const Inventory& inventory, const model::Guest& guest,
                                     const std::string& reference) {
  for (const auto& [id, stored] : inventory.snapshots()) {
    const auto& snapshot = stored->value;
    if (snapshot.guest != guest.id) continue;
    if (snapshot.name == reference || to_text(id) == reference) return snapshot;
  }
  throw Error(Reason::no_such_object, fmt::format("{} has no snapshot {}", guest.name, reference))
      .at("/snapshot")
      .remedy(fmt::format("see them: ruche snapshot tree {}", guest.name));
}

}  // namespace ruche::core::plans
