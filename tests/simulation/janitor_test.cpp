#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sim_client.hpp"

namespace ruche::sim {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

class JanitorTest : public testing::Test {
 protected:
  JanitorTest() : cluster_(1), host_(cluster_.add_host("alpha")) {
    start_all(cluster_);
    import_demo(cluster_, host_, "local");
  }
  ~JanitorTest() override {
    wait_until_quiet(cluster_);
    EXPECT_THAT(check_at_rest(cluster_), testing::IsEmpty());
  }
  bool is_there(const std::string& name) {
    return guest_named(read_truth(cluster_.store()), name) != nullptr;
  }

  SimCluster cluster_;
  SimHost& host_;
};

TEST_F(JanitorTest, TheRecycleBinIsEmptiedAfterAWeek) {
  ask_and_wait(cluster_, host_, requests::create_demo("web1"));
  ask_and_wait(cluster_, host_, requests::remove("web1"));
  cluster_.run_for(hours(7 * 24 - 1));
  EXPECT_TRUE(is_there("web1"));
  cluster_.run_for(hours(2));
  EXPECT_FALSE(is_there("web1"));
}

TEST_F(JanitorTest, AClockThatIsSetAheadPurgesNothing) {
  ask_and_wait(cluster_, host_, requests::create_demo("web1"));
  ask_and_wait(cluster_, host_, requests::remove("web1"));
  cluster_.run_for(minutes(5));
  host_.jump_clock(hours(365 * 24));
  cluster_.run_for(hours(12));
  EXPECT_TRUE(is_there("web1"));
  host_.jump_clock(-hours(365 * 24));
  cluster_.run_for(hours(48));
  EXPECT_TRUE(is_there("web1"));
}

TEST_F(JanitorTest, EndedTasksBeyondTheLastThousandGoToTheHistory) {
  ask_and_wait(cluster_, host_, requests::create_demo("web1"));
  for (int i = 0; i < 1'050; ++i) {
    ask_and_wait(cluster_, host_, requests::describe("web1", "text " + std::to_string(i)));
  }
  cluster_.run_for(minutes(5));
  const auto kept = read_truth(cluster_.store()).tasks.size();
  EXPECT_LE(kept, 1'000u);
  EXPECT_GE(kept, 990u);
  std::size_t told = 0;
  for (const auto& entry : host_.history().entries()) told += entry.record.kind == "task" ? 1 : 0;
  EXPECT_GE(told, 50u);
}

TEST_F(JanitorTest, IdempotencyRecordsStayAsLongAsTheirTask) {
  const auto request = requests::keyed(requests::create_demo("web1"), "key");
  const auto first = ask_and_wait(cluster_, host_, request);
  cluster_.run_for(hours(48));
  const auto again = ask(host_, "again", request);
  cluster_.run_for(minutes(1));
  ASSERT_TRUE(again->accepted);
  EXPECT_TRUE(again->accepted->replayed);
  EXPECT_EQ(again->accepted->task.id, first.id);
}

}  // namespace
}  // namespace ruche::sim
