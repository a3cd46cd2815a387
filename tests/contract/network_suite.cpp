#include "contract/network_suite.hpp"

#include <algorithm>

namespace ruche::contract {

using model::NetworkState;

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(NetworkContract);

TEST_P(NetworkContract, ANetworkComesAndGoes) {
  run([this]() -> Async<void> {
    const auto plan = plan_with(2);
    const auto before = co_await driver().observe(plan.id);
    EXPECT_EQ(before.state, NetworkState::idle);
    co_await driver().realize(plan);
    const auto status = co_await driver().observe(plan.id);
    EXPECT_EQ(status.state, NetworkState::active) << status.last_error;
    const auto here = co_await driver().survey();
    EXPECT_EQ(here, std::vector{plan.id});
    co_await driver().realize(plan);  // again is nothing
    co_await driver().remove(plan.id);
    co_await driver().remove(plan.id);
    const auto after = co_await driver().observe(plan.id);
    EXPECT_EQ(after.state, NetworkState::idle);
  });
}

TEST_P(NetworkContract, TwoNetworksStandBesideEachOther) {
  run([this]() -> Async<void> {
    co_await driver().realize(plan_with(1, 1));
    co_await driver().realize(plan_with(1, 2));
    co_await driver().remove(plan_with(1, 1).id);
    const auto left = co_await driver().observe(plan_with(1, 2).id);
    EXPECT_EQ(left.state, NetworkState::active) << left.last_error;
  });
}

TEST_P(NetworkContract, OnlyWhatIsPlannedIsPluggedIn) {
  run([this]() -> Async<void> {
    const auto plan = plan_with(1);
    co_await expect_error(Reason::network_unavailable, attach_and_drop(driver(), plan));
    co_await driver().realize(plan);
    auto stranger = plan;
    stranger.ports.front().address = "10.201.0.99";
    co_await expect_error(Reason::network_unavailable, attach_and_drop(driver(), stranger));
    co_await attach_and_drop(driver(), plan);
  });
}

TEST_P(NetworkContract, APlugGoesWithItsDescriptor) {
  run([this]() -> Async<void> {
    const auto plan = plan_with(1);
    co_await driver().realize(plan);
    {
      const auto plugged = co_await driver().attach(plan.id, plan.ports.front());
      EXPECT_EQ(plugged.nic, "nic0");
      EXPECT_NE(plugged.tap, nullptr);
      co_await expect_error(Reason::in_use, attach_and_drop(driver(), plan));
    }
    co_await attach_and_drop(driver(), plan);
    co_await driver().detach(plan.id, plan.ports.front());
    co_await driver().detach(plan.id, plan.ports.front());
  });
}

TEST_P(NetworkContract, ALaterDaemonFindsItAgain) {
  const auto plan = plan_with(1);
  harness_->run([&]() -> Async<void> { co_await driver().realize(plan); });
  harness_->restart();
  run([&]() -> Async<void> {
    const auto here = co_await driver().survey();
    EXPECT_EQ(here, std::vector{plan.id});
    co_await driver().realize(plan);
    const auto status = co_await driver().observe(plan.id);
    EXPECT_EQ(status.state, NetworkState::active) << status.last_error;
    co_await attach_and_drop(driver(), plan);
  });
}

TEST_P(NetworkContract, ASubnetThatTheHostReachesIsRefused) {
  harness_->occupy("10.201.0.0/16");
  run([this]() -> Async<void> {
    const auto occupied = co_await driver().occupied();
    const auto wanted = *model::parse_prefix("10.201.0.0/24");
    EXPECT_TRUE(std::ranges::any_of(occupied, [&](const auto& p) { return p.overlaps(wanted); }));
    co_await expect_error(Reason::subnet_in_use, driver().realize(plan_with(1)));
    co_await driver().remove(plan_with(1).id);
  });
}

TEST_P(NetworkContract, ItSaysWhoListens) {
  const auto port = harness_->listen();
  run([this, port]() -> Async<void> {
    const auto there = co_await driver().listener(model::Protocol::tcp, "", port);
    EXPECT_TRUE(there.has_value());
    if (there) EXPECT_FALSE(there->who.empty());
    const auto other = static_cast<std::uint16_t>(port == 1 ? 2 : port - 1);
    const auto nobody = co_await driver().listener(model::Protocol::tcp, "", other);
    EXPECT_FALSE(nobody.has_value());
  });
}

}  // namespace ruche::contract
