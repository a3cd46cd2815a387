#include "core/placement/admission.hpp"

#include <gtest/gtest.h>

namespace ruche::core {
namespace {

model::HostStatus host(Bytes memory, std::uint32_t threads) {
  model::HostStatus status;
  status.memory = memory;
  status.threads = threads;
  status.cpu_level = 3;
  status.accelerator = model::Accelerator::kvm;
  return status;
}

model::Ledger ledger_with(Bytes memory, std::uint32_t cpus) {
  model::Ledger ledger;
  ledger.memory_total = memory;
  ledger.cpus_total = cpus;
  return ledger;
}

TEST(Admission, AHostKeepsSomethingForItself) {
  const model::Settings settings;
  EXPECT_EQ(make_ledger(host(gib(16), 8), settings).memory_total, gib(16) - mib(512));
  EXPECT_EQ(make_ledger(host(gib(16), 8), settings).cpus_total, 32u);
  // A small one at most a quarter.
  EXPECT_EQ(make_ledger(host(gib(1), 2), settings).memory_total, mib(768));
}

TEST(Admission, WhatFitsIsTakenAndGivenBack) {
  auto ledger = ledger_with(gib(4), 8);
  const model::Reservation wanted{gib(3), 6};
  ASSERT_TRUE(reserve(ledger, wanted).has_value());
  EXPECT_EQ(ledger.memory_reserved, gib(3));
  EXPECT_EQ(ledger.cpus_reserved, 6u);
  EXPECT_EQ(ledger.generation, 1u);
  release(ledger, wanted);
  EXPECT_EQ(ledger.memory_reserved, Bytes{});
  EXPECT_EQ(ledger.cpus_reserved, 0u);
  EXPECT_EQ(ledger.generation, 2u);
}

TEST(Admission, ExactlyAllOfItFits) {
  auto ledger = ledger_with(gib(4), 8);
  EXPECT_TRUE(reserve(ledger, {gib(4), 8}).has_value());
  EXPECT_FALSE(reserve(ledger, {Bytes{1}, 0}).has_value());
}

TEST(Admission, ARefusalSaysWhatIsFreeAndTakesNothing) {
  auto ledger = ledger_with(gib(4), 8);
  ASSERT_TRUE(reserve(ledger, {gib(3), 6}).has_value());
  const auto memory = reserve(ledger, {gib(2), 1});
  ASSERT_FALSE(memory.has_value());
  EXPECT_EQ(memory.error().reason(), Reason::not_enough_memory);
  EXPECT_NE(memory.error().message().find("1 GiB of 4 GiB are free"), std::string::npos)
      << memory.error().message();
  const auto cpus = reserve(ledger, {mib(1), 3});
  ASSERT_FALSE(cpus.has_value());
  EXPECT_EQ(cpus.error().reason(), Reason::not_enough_cpus);
  EXPECT_NE(cpus.error().message().find("2 of 8 are free"), std::string::npos);
  EXPECT_EQ(ledger.memory_reserved, gib(3));
  EXPECT_EQ(ledger.cpus_reserved, 6u);
}

TEST(Admission, WhatCouldNeverRunIsSaidAtOnce) {
  const auto ledger = ledger_with(gib(4), 8);
  EXPECT_TRUE(could_ever_run(ledger, {gib(4), 8}).has_value());
  const auto memory = could_ever_run(ledger, {gib(4) + Bytes{1}, 1});
  ASSERT_FALSE(memory.has_value());
  EXPECT_EQ(memory.error().reason(), Reason::never_fits);
  EXPECT_EQ(memory.error().field(), "/memory_bytes");
  const auto cpus = could_ever_run(ledger, {mib(1), 9});
  ASSERT_FALSE(cpus.has_value());
  EXPECT_EQ(cpus.error().reason(), Reason::never_fits);
  EXPECT_EQ(cpus.error().field(), "/cpus");
}

TEST(Admission, AHostThatShrankRefuses) {
  auto ledger = ledger_with(gib(1), 2);
  ledger.memory_reserved = gib(3);
  ledger.cpus_reserved = 6;
  EXPECT_EQ(reserve(ledger, {mib(16), 0}).error().reason(), Reason::not_enough_memory);
  EXPECT_EQ(reserve(ledger, {Bytes{}, 1}).error().reason(), Reason::not_enough_memory);
  release(ledger, {gib(3), 7});  // never below nothing
  EXPECT_EQ(ledger.cpus_reserved, 0u);
}

TEST(Admission, TheProcessorDecidesAboutTheBaseline) {
  const auto kvm = host(gib(1), 1);
  EXPECT_TRUE(can_run_baseline(kvm, model::CpuBaseline::x86_64_v2).has_value());
  EXPECT_TRUE(can_run_baseline(kvm, model::CpuBaseline::x86_64_v3).has_value());
  const auto refused = can_run_baseline(kvm, model::CpuBaseline::x86_64_v4);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().reason(), Reason::host_cannot);
  EXPECT_TRUE(can_run_baseline(kvm, model::CpuBaseline::host).has_value());

  auto tcg = host(gib(1), 1);
  tcg.accelerator = model::Accelerator::tcg;
  tcg.cpu_level = 1;  // emulation does not care
  EXPECT_TRUE(can_run_baseline(tcg, model::CpuBaseline::x86_64_v3).has_value());
  EXPECT_FALSE(can_run_baseline(tcg, model::CpuBaseline::x86_64_v4).has_value());
}

}  // namespace
}  // namespace ruche::core
