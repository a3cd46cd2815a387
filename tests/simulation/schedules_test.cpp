// What a host decides about the schedules of its guests.
#include "core/snapshots/schedules.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "core_fixture.hpp"

namespace ruche::core {
namespace {

using model::GuestState;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::int64_t kMinute = 60'000;
constexpr std::int64_t kHour = 60 * kMinute;
constexpr Timestamp kNow{1'770'000'000'000};  // 2026-02-02T02:40:00Z

class SchedulesTest : public CoreTest {
 protected:
  SchedulesTest() {
    guest_.id = {id(1)};
    guest_.name = "web1";
    guest_.schedules = {{.name = "hourly", .every = Duration{kHour}, .keep = 2}};
    placement_.object = guest_.id.value;
    placement_.host = self_;
    status_.state = GuestState::running;
  }

  void taken(int number, std::int64_t at, const std::string& schedule = "hourly") {
    model::Snapshot snapshot;
    snapshot.id = {id(number)};
    snapshot.guest = guest_.id;
    snapshot.name = fmt::format("s{}", number);
    snapshot.schedule = schedule;
    snapshot.state = model::SnapshotState::ready;
    snapshot.created_at = Timestamp{kNow.unix_ms + at};
    put_document(keys::DocumentKind::snapshot, keys::snapshot(snapshot.id), snapshot);
  }
  // In words: "take hourly-… memory", "remove 2".
  std::vector<std::string> decided() {
    put_document(keys::DocumentKind::guest_spec, keys::guest_spec(guest_.id), guest_);
    put_document(keys::DocumentKind::guest_status, keys::guest_status(guest_.id), status_);
    put_document(keys::DocumentKind::placement, keys::placement(self_, guest_.id.value),
                 placement_);
    const auto here = node();
    std::vector<std::string> words;
    for (const auto& action : decide_schedules(here->inventory, self_, kNow)) {
      if (action.take) {
        words.push_back(fmt::format("take {}{}{}", action.take->name,
                                    action.take->memory ? " memory" : "",
                                    action.take->quiesce ? " quiesce" : ""));
      } else {
        words.push_back(fmt::format("remove {}", action.remove->snapshot.substr(34)));
      }
    }
    return words;
  }

  model::HostId self_{id(901)};
  model::Guest guest_;
  model::GuestStatus status_;
  model::Placement placement_;
};

TEST_F(SchedulesTest, TheFirstIsTakenAtOnce) {
  EXPECT_THAT(decided(), ElementsAre("take hourly-20260202-024000"));
}

TEST_F(SchedulesTest, MemoryOnlyOfOneThatRuns) {
  guest_.schedules.front().memory = true;
  EXPECT_THAT(decided(), ElementsAre("take hourly-20260202-024000 memory"));
  status_.state = GuestState::stopped;
  EXPECT_THAT(decided(), ElementsAre("take hourly-20260202-024000"));
}

TEST_F(SchedulesTest, OneThatIsOffIsNotFrozen) {
  guest_.schedules.front().quiesce = true;
  EXPECT_THAT(decided(), ElementsAre("take hourly-20260202-024000 quiesce"));
  status_.state = GuestState::paused;
  EXPECT_THAT(decided(), ElementsAre("take hourly-20260202-024000"));
}

TEST_F(SchedulesTest, NothingIsDue) {
  taken(10, -59 * kMinute);
  EXPECT_THAT(decided(), IsEmpty());
}

TEST_F(SchedulesTest, OneAfterManyThatWereMissed) {
  taken(10, -1000 * kHour);
  EXPECT_THAT(decided(), ElementsAre("take hourly-20260202-024000"));
}

TEST_F(SchedulesTest, TheOldestOfItsOwnGoes) {
  taken(10, -300 * kMinute, "");
  taken(11, -200 * kMinute);
  taken(12, -100 * kMinute);
  taken(13, -50 * kMinute);
  EXPECT_THAT(decided(), ElementsAre("remove 11"));
}

TEST_F(SchedulesTest, WhatIsFromTheFutureGoesFirst) {
  taken(11, -100 * kMinute);
  taken(12, -50 * kMinute);
  taken(13, 5000 * kHour);
  EXPECT_THAT(decided(), ElementsAre("remove 13"));
}

TEST_F(SchedulesTest, WhoeverIsBusyWaits) {
  placement_.claims.push_back({model::Facet::configuration, {id(77)}});
  EXPECT_THAT(decided(), IsEmpty());
}

TEST_F(SchedulesTest, NothingOfTemplatesTheBinAndTheSuspended) {
  guest_.is_template = true;
  EXPECT_THAT(decided(), IsEmpty());
  guest_.is_template = false;
  guest_.deleted_at = kNow;
  EXPECT_THAT(decided(), IsEmpty());
  guest_.deleted_at.reset();
  status_.state = GuestState::suspended;
  EXPECT_THAT(decided(), IsEmpty());
}

TEST_F(SchedulesTest, NothingOfGuestsOfOtherHosts) {
  EXPECT_EQ(decided().size(), 1u);
  const auto here = node();
  EXPECT_THAT(decide_schedules(here->inventory, {id(902)}, kNow), IsEmpty());
}

}  // namespace
}  // namespace ruche::core
