#include "sim/sim_clock.hpp"

#include <gtest/gtest.h>

namespace ruche::sim {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

TEST(SimClock, hosts_share_time_but_not_the_wall_clock) {
  ManualClock world;
  SimClock one(world), two(world);
  const auto start = one.wall();
  one.jump_wall(hours(1));
  world.advance(seconds(10));
  EXPECT_EQ(one.now(), two.now());
  EXPECT_EQ(one.wall().unix_ms - start.unix_ms, 3'610'000);
  EXPECT_EQ(two.wall().unix_ms - start.unix_ms, 10'000);
}

TEST(SimClock, a_frozen_host_fires_late_and_in_order) {
  ManualClock world;
  SimClock host(world);
  std::string fired;
  host.arm({seconds(2)}, [&] { fired += "b"; });
  host.arm({seconds(1)}, [&] { fired += "a"; });
  const auto dropped = host.arm({seconds(3)}, [&] { fired += "x"; });
  host.arm({seconds(9)}, [&] { fired += "c"; });
  host.freeze();
  world.advance(seconds(5));
  EXPECT_EQ(fired, "");
  host.disarm(dropped);
  host.thaw();
  EXPECT_EQ(fired, "");  // by the loop, not by whoever thaws
  world.advance(seconds(0));
  EXPECT_EQ(fired, "ab");
  world.advance(seconds(4));
  EXPECT_EQ(fired, "abc");
}

TEST(SimClock, its_end_disarms_everything) {
  ManualClock world;
  {
    SimClock host(world);
    host.arm({seconds(1)}, [] { FAIL(); });
  }
  EXPECT_EQ(world.armed(), 0u);
  world.advance(seconds(2));
}

}  // namespace
}  // namespace ruche::sim
