// Guests in trouble, and in order: full datastores, panics, watchdogs, autostart and shutdown.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/guests/host_shutdown.hpp"
#include "sim_client.hpp"

namespace ruche::sim {
namespace {

using model::GuestState;
using model::PauseCause;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;

class TroubleTest : public testing::Test {
 protected:
  TroubleTest() : cluster_(1), host_(cluster_.add_host("alpha")) {
    start_all(cluster_);
    import_demo(cluster_, host_, "local");
  }
  ~TroubleTest() override {
    wait_until_quiet(cluster_);
    EXPECT_THAT(check_at_rest(cluster_), IsEmpty());
    EXPECT_THAT(cluster_.errors(), IsEmpty());
  }

  void create(const std::string& name, std::function<void(model::CreateVm&)> more = {}) {
    model::CreateVm request;
    request.name = name;
    request.image = "demo";
    request.start = true;
    if (more) more(request);
    const auto task = ask_and_wait(cluster_, host_, requests::create(request));
    EXPECT_EQ(task.state, model::TaskState::done);
  }
  model::GuestId id(const std::string& name) {
    return guest_named(read_truth(cluster_.store()), name)->id;
  }
  model::GuestStatus status(const std::string& name) {
    return read_truth(cluster_.store()).statuses.at(id(name).value);
  }
  bool comes(const std::string& name, GuestState state) {
    return cluster_.run_until([&] { return status(name).state == state; }, std::chrono::minutes(5));
  }
  FakePlace& place() {
    const auto truth = read_truth(cluster_.store());
    return cluster_.storage().place(truth.datastores.begin()->second, "alpha");
  }

  Async<void> shut_down() {
    auto& control = host_.control();
    core::HostShutdown shutdown(
        {control.guests(), control.inventory(), cluster_.world().clock(), log_, control.self()});
    co_await shutdown.run(seconds(60));
  }

  SimCluster cluster_;
  SimHost& host_;
  MemoryLog log_;
};

TEST_F(TroubleTest, AGuestThatFoundNoRoomGoesOnWhenThereIsSome) {
  create("web1");
  place().other_use = place().capacity;
  cluster_.run_for(seconds(60));
  host_.machines().stop(id("web1"), PauseCause::no_space);
  ASSERT_TRUE(comes("web1", GuestState::paused));
  EXPECT_EQ(status("web1").pause_cause, PauseCause::no_space);
  EXPECT_NE(status("web1").last_error, "");
  cluster_.run_for(seconds(120));
  EXPECT_EQ(status("web1").state, GuestState::paused) << "there is still no room";
  place().other_use = {};
  ASSERT_TRUE(comes("web1", GuestState::running));
  EXPECT_FALSE(status("web1").pause_cause);
  EXPECT_EQ(status("web1").last_error, "");
}

TEST_F(TroubleTest, ADaemonThatReturnsLetsItGoOnToo) {
  create("web1");
  place().other_use = place().capacity;
  host_.machines().stop(id("web1"), PauseCause::no_space);
  host_.sever();
  cluster_.run_for(seconds(1));
  place().other_use = {};
  host_.start();
  EXPECT_TRUE(comes("web1", GuestState::running));
}

TEST_F(TroubleTest, WhatSomebodyPausedStaysPaused) {
  create("web1");
  ask_and_wait(cluster_, host_, requests::pause("web1"));
  cluster_.run_for(seconds(120));
  EXPECT_EQ(status("web1").state, GuestState::paused);
  EXPECT_EQ(status("web1").pause_cause, PauseCause::asked);
  EXPECT_EQ(status("web1").last_error, "");
}

TEST_F(TroubleTest, APanicIsKeptToBeLookedAtOrStartedAnew) {
  create("web1");
  create("web2", [](auto& r) { r.restart_policy = model::RestartPolicy::on_crash; });
  host_.machines().stop(id("web1"), PauseCause::panic);
  host_.machines().stop(id("web2"), PauseCause::panic);
  ASSERT_TRUE(comes("web1", GuestState::paused));
  EXPECT_EQ(status("web1").pause_cause, PauseCause::panic);
  const auto pid = *status("web2").pid;
  ASSERT_TRUE(cluster_.run_until(
      [&] {
        const auto now = status("web2");
        return now.state == GuestState::running && now.pid != pid;
      },
      std::chrono::minutes(1)));
}

TEST_F(TroubleTest, GuestsComeInOrderAndGoTheOtherWayRound) {
  std::vector<std::string> order;
  const auto ordered = [](std::uint32_t number, Duration delay) {
    return [=](model::CreateVm& request) {
      request.autostart = true;
      request.start_order = number;
      request.start_delay = delay;
    };
  };
  create("web", ordered(3, Duration{0}));
  create("database", ordered(1, seconds(30)));
  create("cache", ordered(2, Duration{0}));
  host_.reboot();
  host_.start();
  const auto runs = [&](const std::string& name) {
    return status(name).state == GuestState::running;
  };
  ASSERT_TRUE(comes("database", GuestState::running));
  cluster_.run_for(seconds(20));
  EXPECT_FALSE(runs("cache")) << "the first has a delay after it";
  ASSERT_TRUE(comes("web", GuestState::running));
  EXPECT_TRUE(runs("cache"));
  for (const char* name : {"web", "database", "cache"}) {
    host_.machines().find(id(name))->shutdown_takes = seconds(3);
  }
  host_.spawn("shutdown", shut_down());
  const std::vector<std::string> names{"web", "cache", "database"};
  cluster_.run_until(
      [&] {
        for (const auto& name : names) {
          const bool told = std::ranges::find(order, name) != order.end();
          if (!told && status(name).state == GuestState::stopped) order.push_back(name);
        }
        return order.size() == names.size();
      },
      std::chrono::minutes(2));
  EXPECT_THAT(order, ElementsAre("web", "cache", "database"));
}

}  // namespace
}  // namespace ruche::sim
