#include "base/stepped_loop.hpp"

#include <gtest/gtest.h>

namespace ruche {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(ManualClock, fires_in_order_of_deadline_and_then_of_arming) {
  ManualClock clock;
  std::string fired;
  clock.arm(clock.now() + seconds(2), [&] { fired += "c"; });
  clock.arm(clock.now() + seconds(1), [&] { fired += "a"; });
  clock.arm(clock.now() + seconds(1), [&] { fired += "b"; });
  const auto dropped = clock.arm(clock.now() + seconds(1), [&] { fired += "x"; });
  clock.disarm(dropped);
  clock.disarm(4711);
  clock.advance(seconds(1));
  EXPECT_EQ(fired, "ab");
  clock.advance(seconds(1));
  EXPECT_EQ(fired, "abc");
  EXPECT_EQ(clock.armed(), 0u);
}

TEST(ManualClock, a_timer_armed_by_a_timer_fires_within_the_same_advance) {
  ManualClock clock;
  std::vector<std::int64_t> fired_at;
  clock.arm(clock.now() + seconds(1), [&] {
    fired_at.push_back(clock.now().since_start.count());
    clock.arm(clock.now() + seconds(1),
              [&] { fired_at.push_back(clock.now().since_start.count()); });
  });
  clock.advance(seconds(5));
  EXPECT_EQ(fired_at, (std::vector<std::int64_t>{1'000'000, 2'000'000}));
  EXPECT_EQ(clock.now().since_start, seconds(5));
}

TEST(ManualClock, a_jump_of_the_wall_clock_moves_no_timer) {
  ManualClock clock({1'000});
  bool fired = false;
  clock.arm(clock.now() + seconds(1), [&] { fired = true; });
  clock.jump_wall(hours(-24));
  EXPECT_EQ(clock.wall().unix_ms, 1'000 - 86'400'000);
  clock.advance(milliseconds(999));
  EXPECT_FALSE(fired);
  clock.advance(milliseconds(1));
  EXPECT_TRUE(fired);
  EXPECT_EQ(clock.wall().unix_ms, 2'000 - 86'400'000);
}

TEST(SteppedLoop, hours_pass_at_once) {
  SteppedLoop loop;
  const auto work = [](Clock& clock) -> Async<int> {
    co_await sleep_for(clock, hours(5));
    co_return 7;
  };
  EXPECT_EQ(run_now(loop, work(loop.clock())), 7);
  EXPECT_EQ(loop.clock().now().since_start, hours(5));
}

TEST(SteppedLoop, what_the_work_throws_is_thrown) {
  SteppedLoop loop;
  const auto work = []() -> Async<void> {
    throw Error(Reason::bad_request, "no");
    co_return;
  };
  EXPECT_THROW(loop.run(work()), Error);
}

TEST(SteppedLoop, work_that_waits_for_nothing_is_an_error_and_not_a_hang) {
  Signal never;
  SteppedLoop loop;
  EXPECT_THROW(loop.run(never.wait()), Error);
}

TEST(SteppedLoop, run_until_stops_at_its_condition_or_its_limit) {
  SteppedLoop loop;
  int ticks = 0;
  std::function<void()> tick = [&] {
    ++ticks;
    loop.clock().arm(loop.clock().now() + seconds(1), tick);
  };
  tick();
  EXPECT_TRUE(loop.run_until([&] { return ticks == 10; }, hours(1)));
  EXPECT_EQ(loop.clock().now().since_start, seconds(9));
  EXPECT_FALSE(loop.run_until([&] { return ticks == 1'000; }, seconds(20)));
  EXPECT_EQ(ticks, 30);
  loop.run_for(milliseconds(500));
  EXPECT_EQ(ticks, 30);
  EXPECT_EQ(loop.clock().now().since_start, milliseconds(29'500));
}

}  // namespace
}  // namespace ruche
