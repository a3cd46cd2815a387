#include "drivers/qemu/stall.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/stepped_loop.hpp"

namespace ruche::drivers::qemu {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;

TEST(StallWatch, lets_what_moves_take_its_time) {
  ManualClock clock;
  StallWatch watch(clock.now(), kStallLimit);
  for (int i = 0; i < 1000; ++i) {
    clock.advance(seconds(59));
    watch.note(clock.now(), "active", Bytes{i * 4096}, gib(1));
  }
  EXPECT_GT(clock.now(), Instant{} + hours(16));
}

TEST(StallWatch, ends_what_does_not_move) {
  ManualClock clock;
  StallWatch watch(clock.now(), kStallLimit);
  watch.note(clock.now(), "setup", {}, {});
  clock.advance(seconds(10));
  watch.note(clock.now(), "active", mib(3), mib(512));
  clock.advance(kStallLimit);
  watch.note(clock.now(), "active", mib(3), mib(512));
  clock.advance(milliseconds(10));
  try {
    watch.note(clock.now(), "active", mib(3), mib(512));
    ADD_FAILURE() << "it waits on";
  } catch (const Error& error) {
    EXPECT_EQ(error.reason(), Reason::hypervisor_failed);
    EXPECT_THAT(error.full_message(), HasSubstr("says 'active'"));
    EXPECT_THAT(error.full_message(), HasSubstr("3 MiB of 512 MiB"));
  }
}

TEST(StallWatch, waits_longer_for_what_is_not_told) {
  EXPECT_EQ(patience_with({}), kStallLimit);
  EXPECT_EQ(patience_with(gib(8)), kStallLimit + seconds(1024));
}

}  // namespace
}  // namespace ruche::drivers::qemu
