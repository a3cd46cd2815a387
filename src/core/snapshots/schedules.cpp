#include "core/snapshots/schedules.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

namespace ruche::core {

namespace {

using model::GuestState;
using model::Snapshot;
using model::SnapshotSchedule;

// hourly-20260102-030405, in UTC.
std::string name_at(const SnapshotSchedule& schedule, Timestamp now) {
  std::string digits;
  for (const char c : to_rfc3339(now)) {
    if (c >= '0' && c <= '9') digits += c;
  }
  return fmt::format("{}-{}-{}", schedule.name, digits.substr(0, 8), digits.substr(8, 6));
}

bool is_after(const Snapshot& snapshot, Timestamp now) {
  return snapshot.created_at.unix_ms > now.unix_ms;
}

std::vector<Snapshot> taken_by(const std::vector<Snapshot>& snapshots,
                               const SnapshotSchedule& schedule) {
  std::vector<Snapshot> own;
  std::ranges::copy_if(snapshots, std::back_inserter(own), [&](const Snapshot& snapshot) {
    return snapshot.schedule == schedule.name;
  });
  return own;
}

// The oldest beyond those that are kept. What says that it was taken later than now was taken by a
// clock that was wrong: it goes first, so that it does not stand in the way of newer ones.
std::optional<model::SnapshotId> beyond(const std::vector<Snapshot>& snapshots,
                                        const SnapshotSchedule& schedule, Timestamp now) {
  auto own = taken_by(snapshots, schedule);
  std::erase_if(own, [](const Snapshot& one) { return one.state != model::SnapshotState::ready; });
  if (own.size() <= schedule.keep) return std::nullopt;
  const auto age = [&](const Snapshot& one) {
    return std::pair(!is_after(one, now), one.created_at.unix_ms);
  };
  return std::ranges::min_element(own, {}, age)->id;
}

ScheduledAction take(const GuestRecord& record, const SnapshotSchedule& schedule, Timestamp now) {
  const auto state = record.status->value.state;
  model::CreateSnapshot request;
  request.vm = to_text(record.spec->value.id);
  request.name = name_at(schedule, now);
  request.memory = schedule.memory && (state == GuestState::running || state == GuestState::paused);
  request.quiesce = schedule.quiesce && !request.memory && state == GuestState::running;
  return {schedule.name, request, std::nullopt};
}

std::optional<ScheduledAction> decide(const GuestRecord& record,
                                      const std::vector<Snapshot>& snapshots, Timestamp now) {
  const auto& guest = record.spec->value;
  for (const auto& schedule : guest.schedules) {
    const auto next = next_snapshot(snapshots, schedule, now);
    if (next.unix_ms <= now.unix_ms) return take(record, schedule, now);
  }
  for (const auto& schedule : guest.schedules) {
    const auto oldest = beyond(snapshots, schedule, now);
    if (!oldest) continue;
    const model::DeleteSnapshot request{to_text(guest.id), to_text(*oldest), false};
    return ScheduledAction{schedule.name, std::nullopt, request};
  }
  return std::nullopt;
}

// The disks of one that is suspended agree with its memory only, and do not change.
bool is_scheduled(const GuestRecord& record, model::HostId self) {
  if (!record.complete() || !record.status || record.placement->value.host != self) return false;
  const auto& guest = record.spec->value;
  if (guest.schedules.empty() || guest.is_template || guest.deleted_at) return false;
  if (!record.placement->value.claims.empty()) return false;
  const auto state = record.status->value.state;
  return state == GuestState::running || state == GuestState::paused ||
         state == GuestState::stopped || state == GuestState::crashed;
}

}  // namespace

Timestamp next_snapshot(const std::vector<Snapshot>& snapshots, const SnapshotSchedule& schedule,
                        Timestamp now) {
  std::optional<std::int64_t> newest;
  for (const auto& snapshot : taken_by(snapshots, schedule)) {
    if (is_after(snapshot, now)) continue;
    newest = std::max(newest.value_or(INT64_MIN), snapshot.created_at.unix_ms);
  }
  return newest ? Timestamp{*newest + schedule.every.count()} : now;
}

std::vector<ScheduledAction> decide_schedules(const Inventory& inventory, model::HostId self,
                                              Timestamp now) {
  std::map<Uuid, std::vector<Snapshot>> snapshots;  // of the guests that have schedules
  for (const auto& [id, record] : inventory.guests()) {
    if (is_scheduled(*record, self)) snapshots[id];
  }
  if (snapshots.empty()) return {};
  for (const auto& [id, stored] : inventory.snapshots()) {
    const auto guest = snapshots.find(stored->value.guest.value);
    if (guest != snapshots.end()) guest->second.push_back(stored->value);
  }
  std::vector<ScheduledAction> actions;
  for (const auto& [id, own] : snapshots) {
    auto action = decide(*inventory.guests().at(id), own, now);
    if (action) actions.push_back(std::move(*action));
  }
  return actions;
}

}  // namespace ruche::core
