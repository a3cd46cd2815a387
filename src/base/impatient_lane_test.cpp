#include "base/impatient_lane.hpp"

#include <gtest/gtest.h>

#include <semaphore>

#include "base/loop.hpp"

namespace ruche {
namespace {

using std::chrono::milliseconds;

TEST(ImpatientLane, ReturnsValuesAndErrorsInOrder) {
  Loop loop;
  ImpatientLane lane("test");
  EXPECT_EQ(
      run_now(loop, lane.run(loop.clock(), milliseconds(60'000), "sum", [] { return 1 + 2; })), 3);
  const auto fail = [] { throw Error(Reason::io_failed, "no"); };
  EXPECT_THROW(loop.run(lane.run(loop.clock(), milliseconds(60'000), "failing", fail)), Error);
  EXPECT_FALSE(lane.stuck());
}

TEST(ImpatientLane, LeavesAFunctionThatHangsAndSaysSo) {
  Loop loop;
  auto release = std::make_shared<std::binary_semaphore>(0);
  auto late = std::make_shared<std::atomic<bool>>(false);
  ImpatientLane lane("test");
  try {
    loop.run(lane.run(loop.clock(), milliseconds(20), "reading the directory",
                      [release] { release->acquire(); }));
    FAIL() << "it did not time out";
  } catch (const Error& error) {
    EXPECT_EQ(error.reason(), Reason::deadline);
    EXPECT_NE(error.message().find("reading the directory"), std::string::npos);
  }
  EXPECT_TRUE(lane.stuck());
  // One that waits behind it, gives up too, and is never run.
  EXPECT_THROW(loop.run(lane.run(loop.clock(), milliseconds(20), "next", [late] { *late = true; })),
               Error);
  release->release();
  EXPECT_EQ(run_now(loop, lane.run(loop.clock(), milliseconds(60'000), "after", [] { return 7; })),
            7);
  EXPECT_FALSE(*late);
  EXPECT_FALSE(lane.stuck());
}

TEST(ImpatientLane, DestructionDoesNotWaitForAFunctionThatHangs) {
  auto release = std::make_shared<std::binary_semaphore>(0);
  {
    Loop loop;
    ImpatientLane lane("test");
    EXPECT_THROW(loop.run(lane.run(loop.clock(), milliseconds(5), "hanging",
                                   [release] { release->acquire(); })),
                 Error);
  }
  release->release();
}

}  // namespace
}  // namespace ruche
