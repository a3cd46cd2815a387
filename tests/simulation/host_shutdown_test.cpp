// A host that goes down: its guests are asked first, and cut off only when they do not listen.
#include "core/guests/host_shutdown.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sim_client.hpp"

namespace ruche::sim {
namespace {

using model::GuestState;
using std::chrono::seconds;
using testing::IsEmpty;

class HostShutdownTest : public testing::Test {
 protected:
  HostShutdownTest() : cluster_(1), host_(cluster_.add_host("alpha")) {
    start_all(cluster_);
    import_demo(cluster_, host_, "local");
  }
  ~HostShutdownTest() override {
    wait_until_quiet(cluster_);
    EXPECT_THAT(check_at_rest(cluster_), IsEmpty());
    EXPECT_THAT(cluster_.errors(), IsEmpty());
  }

  void shut_down(Duration patience) {
    ended_ = false;
    host_.spawn("shutdown", run(patience));
    ASSERT_TRUE(cluster_.run_until([this] { return ended_; }, patience + seconds(30)));
  }
  model::GuestStatus status(const std::string& name) {
    const auto truth = read_truth(cluster_.store());
    return truth.statuses.at(guest_named(truth, name)->id.value);
  }

  SimCluster cluster_;
  SimHost& host_;
  MemoryLog log_;
  bool ended_ = false;

 private:
  Async<void> run(Duration patience) {
    auto& control = host_.control();
    core::HostShutdown shutdown(
        {control.guests(), control.inventory(), cluster_.world().clock(), log_, control.self()});
    co_await shutdown.run(patience);
    ended_ = true;
  }
};

TEST_F(HostShutdownTest, AsksEveryGuest) {
  for (const auto* name : {"web1", "web2", "web3"}) {
    ask_and_wait(cluster_, host_, requests::create_demo(name, true));
  }
  ask_and_wait(cluster_, host_, requests::pause("web3"));
  ask_and_wait(cluster_, host_, requests::create_demo("off"));
  shut_down(seconds(60));
  for (const auto* name : {"web1", "web2", "web3", "off"}) {
    EXPECT_EQ(status(name).state, GuestState::stopped) << name;
    EXPECT_EQ(status(name).last_error, "") << name;
  }
  EXPECT_THAT(host_.machines().processes(), IsEmpty());
}

TEST_F(HostShutdownTest, CutsOffWhoeverDoesNotListen) {
  ask_and_wait(cluster_, host_, requests::create_demo("deaf", true));
  for (const auto& [guest, process] : host_.machines().processes()) {
    process->ignores_shutdown = true;
  }
  shut_down(seconds(20));
  EXPECT_EQ(status("deaf").state, GuestState::stopped);
  EXPECT_THAT(host_.machines().processes(), IsEmpty());
}

TEST_F(HostShutdownTest, EndsAtOnceWithoutGuests) {
  const auto before = cluster_.world().clock().now();
  shut_down(seconds(60));
  EXPECT_LT(cluster_.world().clock().now() - before, seconds(1));
}

}  // namespace
}  // namespace ruche::sim
