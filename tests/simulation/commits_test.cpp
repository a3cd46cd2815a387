// How many commits stand between a request and the exec of the guest's process: each costs a disk
// flush.
#include <gtest/gtest.h>

#include "sim_client.hpp"

namespace ruche::sim {
namespace {

class Commits : public testing::Test {
 protected:
  Commits() : cluster_(1), host_(cluster_.add_host("alpha")) {
    start_all(cluster_);
    import_demo(cluster_, host_, "local");
    cluster_.run_for(std::chrono::seconds(10));
    cluster_.on_effect = [this](const SimEffect& effect, EffectMoment moment) {
      if (moment == EffectMoment::before && effect.what.starts_with("exec")) {
        at_exec_ = cluster_.store().commits();
      }
    };
  }
  // From the request to the exec, and to the end of the task.
  void expect_commits(const Request& request, std::uint64_t before_exec, std::uint64_t in_all) {
    const auto before = cluster_.store().commits();
    const auto task = ask_and_wait(cluster_, host_, request);
    EXPECT_EQ(task.state, model::TaskState::done);
    EXPECT_EQ(at_exec_ - before, before_exec);
    EXPECT_EQ(cluster_.store().commits() - before, in_all);
  }

  SimCluster cluster_;
  SimHost& host_;
  std::uint64_t at_exec_ = 0;
};

TEST_F(Commits, Start) {
  ask_and_wait(cluster_, host_, requests::create_demo("web1"));
  cluster_.run_for(std::chrono::seconds(10));  // the audit records are moved a moment later
  expect_commits(requests::start("web1"), 1, 2);
}

TEST_F(Commits, CreateAndStart) { expect_commits(requests::create_demo("web1", true), 1, 2); }

}  // namespace
}  // namespace ruche::sim
