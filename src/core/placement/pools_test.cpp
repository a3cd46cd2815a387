#include "core/placement/pools.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ruche::core {
namespace {

using model::Reservation;
using testing::HasSubstr;

struct Ledgers : testing::Test {
  Ledgers() {
    host.memory_total = gib(16);
    host.cpus_total = 16;
    pool.name = "dev";
  }
  std::expected<void, Error> take(Bytes memory, std::uint32_t cpus) {
    return draw(host, pool, use, {memory, cpus});
  }
  void expect_host(Bytes memory, std::uint32_t cpus) {
    EXPECT_EQ(host.memory_reserved, memory);
    EXPECT_EQ(host.cpus_reserved, cpus);
  }

  model::Ledger host;
  model::ResourcePool pool;
  model::PoolLedger use;
};

TEST_F(Ledgers, APoolWithoutLimitsIsOnlyCounted) {
  ASSERT_TRUE(take(gib(4), 4).has_value());
  EXPECT_EQ(use.memory, gib(4));
  EXPECT_EQ(use.cpus, 4u);
  EXPECT_EQ(use.generation, 1u);
  expect_host(gib(4), 4);
  replace_use(host, pool, use, {gib(4), 4}, {});
  EXPECT_EQ(use.memory, Bytes{});
  EXPECT_EQ(use.cpus, 0u);
  expect_host({}, 0);
}

TEST_F(Ledgers, LimitsAreExactAndARefusalChangesNothing) {
  pool.limits = {4, gib(4), {}};
  ASSERT_TRUE(take(gib(3), 3).has_value());
  const auto memory = take(gib(1) + Bytes{1}, 0);
  ASSERT_FALSE(memory.has_value());
  EXPECT_EQ(memory.error().reason(), Reason::pool_limit);
  EXPECT_THAT(memory.error().message(),
              HasSubstr("dev is limited to 4 GiB of memory; 3 GiB are used"));
  EXPECT_THAT(memory.error().remedy_text(), HasSubstr("ruche pool set dev --memory"));
  const auto cpus = take({}, 2);
  ASSERT_FALSE(cpus.has_value());
  EXPECT_EQ(cpus.error().reason(), Reason::pool_limit);
  EXPECT_THAT(cpus.error().message(), HasSubstr("limited to 4 virtual CPUs; 3 are used, 2 more"));
  EXPECT_EQ(use.memory, gib(3));
  expect_host(gib(3), 3);
  EXPECT_TRUE(take(gib(1), 1).has_value());
}

TEST_F(Ledgers, WhatIsReservedIsDrawnFromFirst) {
  pool.reservation = {gib(6), 2};
  const model::ResourcePool nothing;
  ASSERT_TRUE(redefine(host, nothing, pool, use).has_value());
  expect_host(gib(6), 2);
  ASSERT_TRUE(take(gib(4), 1).has_value());
  expect_host(gib(6), 2);
  ASSERT_TRUE(take(gib(4), 4).has_value());
  expect_host(gib(8), 5);  // what is beyond it is the host's
  replace_use(host, pool, use, {gib(4), 4}, {});
  expect_host(gib(6), 2);
}

TEST_F(Ledgers, WhatIsReservedIsThereWhenTheHostIsFull) {
  pool.reservation = {gib(6), 4};
  ASSERT_TRUE(redefine(host, {}, pool, use).has_value());
  host.memory_reserved = host.memory_total;
  host.cpus_reserved = host.cpus_total;
  EXPECT_TRUE(take(gib(6), 4).has_value());
  const auto beyond = take(mib(1), 0);
  ASSERT_FALSE(beyond.has_value());
  EXPECT_EQ(beyond.error().reason(), Reason::not_enough_memory);
  EXPECT_EQ(use.memory, gib(6));
}

TEST_F(Ledgers, OnlyWhatIsFreeIsReserved) {
  host.memory_reserved = gib(12);
  pool.reservation = {gib(5), 0};
  const auto refused = redefine(host, {}, pool, use);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().reason(), Reason::not_enough_memory);
  EXPECT_EQ(host.memory_reserved, gib(12));
  pool.reservation = {gib(4), 0};
  EXPECT_TRUE(redefine(host, {}, pool, use).has_value());
  auto less = pool;
  less.reservation = {};
  EXPECT_TRUE(redefine(host, pool, less, use).has_value());
  EXPECT_EQ(host.memory_reserved, gib(12));
}

TEST_F(Ledgers, AReservationGrowsOutOfWhatIsUsed) {
  ASSERT_TRUE(take(gib(12), 1).has_value());
  auto more = pool;
  more.reservation = {gib(16), 0};
  EXPECT_TRUE(redefine(host, pool, more, use).has_value()) << "only 4 GiB are new";
  EXPECT_EQ(host.memory_reserved, gib(16));
}

TEST_F(Ledgers, ADefinitionAgreesWithItselfAndWithWhatIsUsed) {
  use.memory = gib(3);
  use.cpus = 3;
  use.storage = gib(30);
  const auto refusal = [&](model::PoolLimits limits, Reservation kept) {
    auto after = pool;
    after.limits = limits;
    after.reservation = kept;
    const auto checked = redefine(host, pool, after, use);
    return checked ? Reason::internal_error : checked.error().reason();
  };
  EXPECT_EQ(refusal({4, gib(4), gib(40)}, {gib(4), 4}), Reason::internal_error);
  EXPECT_EQ(refusal({2, {}, {}}, {}), Reason::pool_limit);
  EXPECT_EQ(refusal({0, gib(2), {}}, {}), Reason::pool_limit);
  EXPECT_EQ(refusal({0, {}, gib(20)}, {}), Reason::pool_limit);
  EXPECT_EQ(refusal({4, {}, {}}, {{}, 5}), Reason::bad_spec);
  EXPECT_EQ(refusal({0, gib(4), {}}, {gib(5), 0}), Reason::bad_spec);
}

TEST_F(Ledgers, StorageHasALimitOfItsOwn) {
  pool.limits.storage = gib(10);
  ASSERT_TRUE(draw_storage(pool, use, gib(8)).has_value());
  const auto refused = draw_storage(pool, use, gib(3));
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().reason(), Reason::pool_limit);
  EXPECT_EQ(use.storage, gib(8));
  ASSERT_TRUE(draw_storage(pool, use, Bytes{} - gib(8)).has_value());
  EXPECT_EQ(use.storage, Bytes{});
}

TEST(CpuWeight, GrowsWithSharesAndCpusWithinWhatTheKernelTakes) {
  EXPECT_EQ(cpu_weight(100, 1), 100u);
  EXPECT_EQ(cpu_weight(200, 4), 800u);
  EXPECT_EQ(cpu_weight(1, 0), 1u);
  EXPECT_EQ(cpu_weight(10'000, 255), 10'000u);
}

}  // namespace
}  // namespace ruche::core
