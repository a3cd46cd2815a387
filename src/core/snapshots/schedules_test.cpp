#include "core/snapshots/schedules.hpp"

#include <gtest/gtest.h>

namespace ruche::core {
namespace {

using model::Snapshot;
using model::SnapshotSchedule;

constexpr std::int64_t kMinute = 60'000;
constexpr std::int64_t kHour = 60 * kMinute;
constexpr std::int64_t kNow = 1'770'000'000'000;

Snapshot taken(std::int64_t at, const std::string& schedule = "hourly") {
  Snapshot snapshot;
  snapshot.schedule = schedule;
  snapshot.created_at = Timestamp{at};
  snapshot.state = model::SnapshotState::ready;
  return snapshot;
}

std::int64_t next(const std::vector<Snapshot>& snapshots) {
  SnapshotSchedule hourly;
  hourly.name = "hourly";
  return next_snapshot(snapshots, hourly, Timestamp{kNow}).unix_ms - kNow;
}

TEST(Schedules, the_first_is_due_at_once) { EXPECT_EQ(next({}), 0); }

TEST(Schedules, the_next_is_due_when_the_newest_is_old_enough) {
  EXPECT_EQ(next({taken(kNow - 5 * kHour), taken(kNow - 20 * kMinute)}), 40 * kMinute);
  EXPECT_EQ(next({taken(kNow - kHour)}), 0);
  EXPECT_EQ(next({taken(kNow - 100 * kHour)}), -99 * kHour);
}

TEST(Schedules, those_of_others_do_not_count) {
  EXPECT_EQ(next({taken(kNow - kMinute, "nightly"), taken(kNow - kMinute, "")}), 0);
}

TEST(Schedules, those_of_the_future_do_not_count) {
  EXPECT_EQ(next({taken(kNow + 1000 * kHour)}), 0);
  EXPECT_EQ(next({taken(kNow + 1000 * kHour), taken(kNow - 10 * kMinute)}), 50 * kMinute);
}

TEST(Schedules, one_that_is_being_taken_counts) {
  auto snapshot = taken(kNow);
  snapshot.state = model::SnapshotState::creating;
  EXPECT_EQ(next({snapshot}), kHour);
}

}  // namespace
}  // namespace ruche::core
