// The contract of ports::NetworkDriver: the same tests on the simulated one and on the real one.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>

#include "ports/networks.hpp"

namespace ruche::contract {

class NetworkHarness {
 public:
  virtual ~NetworkHarness() = default;
  virtual ports::NetworkDriver& driver() = 0;
  virtual void run(std::function<Async<void>()> work) = 0;
  virtual void restart() = 0;  // as after kill -9 of the daemon
  virtual void occupy(const std::string& subnet) = 0;  // the host reaches it another way
  virtual std::uint16_t listen() = 0;  // somebody listens on this TCP port of 127.0.0.1
};
using MakeNetworks = std::unique_ptr<NetworkHarness> (*)();

inline ports::NetworkPlan plan_with(int guests, std::uint8_t number = 1) {
  ports::NetworkPlan plan;
  plan.id = {*parse_uuid("0197a2b3-0000-7000-8000-00000000000" + std::to_string(number))};
  plan.subnet = "10.20" + std::to_string(number) + ".0.0/24";
  plan.gateway = "10.20" + std::to_string(number) + ".0.1";
  plan.domain = "test.internal";
  for (int i = 0; i < guests; ++i) {
    const auto digit = std::to_string(i);
    plan.ports.push_back({{*parse_uuid("0197a2b3-0000-7000-9000-00000000000" + digit)},
                          "nic0",
                          "web" + digit,
                          "52:54:00:00:0" + std::to_string(number) + ":0" + digit,
                          "10.20" + std::to_string(number) + ".0.1" + digit});
  }
  return plan;
}

class NetworkContract : public testing::TestWithParam<MakeNetworks> {
 protected:
  NetworkContract() : harness_(GetParam()()) {}
  ports::NetworkDriver& driver() { return harness_->driver(); }
  // The work ends, and nothing of the networks stays.
  void run(std::function<Async<void>()> work) {
    harness_->run(work);
    harness_->run([this]() -> Async<void> {
      for (const auto id : co_await driver().survey()) co_await driver().remove(id);
      const auto left = co_await driver().survey();
      EXPECT_TRUE(left.empty());
    });
  }
  std::unique_ptr<NetworkHarness> harness_;
};

inline Async<void> expect_error(Reason reason, Async<void> work) {
  std::optional<Error> failure;
  try {
    co_await std::move(work);
  } catch (const Error& error) {
    failure = error;
  }
  EXPECT_TRUE(failure.has_value()) << "nothing was thrown";
  if (failure) EXPECT_EQ(failure->reason(), reason) << failure->full_message();
}

inline Async<void> attach_and_drop(ports::NetworkDriver& driver, ports::NetworkPlan plan) {
  co_await driver.attach(plan.id, plan.ports.front());
}

}  // namespace ruche::contract
