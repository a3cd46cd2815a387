// Resource pools over the API: what answers look like, who is refused, and where VMs tell of them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/api_fixture_test.hpp"
#include "methods/tables.hpp"

namespace ruche::api {
namespace {

using testing::HasSubstr;

constexpr const char* kDev =
    R"({"name": "dev", "cpus": 8, "memory_bytes": 17179869184, "storage_bytes": 10737418240,
        "reserve_memory_bytes": 1073741824, "shares": 200})";

class PoolsApiTest : public ApiTest {
 protected:
  model::PoolView create(const std::string& body) {
    const auto answer = ask("POST", "/v1/pools", body);
    EXPECT_EQ(answer.status, 200) << answer.body;
    return json::decode<model::PoolView>(answer.body);
  }
  net::HttpResponse create_vm(const std::string& name, const std::string& pool, bool start) {
    return ask("POST", "/v1/vms",
               fmt::format(R"({{"name": "{}", "image": "demo", "pool": "{}", "start": {}}})", name,
                           pool, start));
  }
};

TEST_F(PoolsApiTest, APoolIsMadeShownChangedAndRemoved) {
  const auto made = create(kDev);
  EXPECT_EQ(made.host, "host1");
  EXPECT_EQ(made.limits.memory, gib(16));
  EXPECT_EQ(made.reservation.memory, gib(1));
  EXPECT_EQ(get<model::HostView>("/v1/hosts/host1").ledger.memory_reserved, gib(1));
  EXPECT_EQ(get<model::PoolView>("/v1/pools/dev").etag, made.etag);
  EXPECT_EQ(get<methods::Page<model::PoolView>>("/v1/pools?filter=shares=200").items.size(), 1u);

  const auto changed = ask("PATCH", "/v1/pools/dev", R"({"cpus": 0, "name": "test"})");
  ASSERT_EQ(changed.status, 200) << changed.body;
  const auto view = json::decode<model::PoolView>(changed.body);
  EXPECT_EQ(view.limits.cpus, 0u);
  EXPECT_EQ(view.limits.memory, gib(16));
  EXPECT_EQ(refused("PATCH", "/v1/pools/test", R"({"cpus": 1})", {{"If-Match", made.etag}}).reason,
            "revision-mismatch");
  EXPECT_EQ(refused("PATCH", "/v1/pools/test", R"({"reserve_cpus": 99})").reason, "never-fits");

  EXPECT_EQ(ask("DELETE", "/v1/pools/test?dry_run=true").status, 200);
  EXPECT_EQ(ask("GET", "/v1/pools/test").status, 200);
  EXPECT_EQ(ask("DELETE", "/v1/pools/test").status, 200);
  EXPECT_EQ(refused("GET", "/v1/pools/test").reason, "no-such-object");
  EXPECT_EQ(get<model::HostView>("/v1/hosts/host1").ledger.memory_reserved, Bytes{});
}

TEST_F(PoolsApiTest, VmsTellOfTheirPoolAndCountInIt) {
  create(kDev);
  ASSERT_EQ(create_vm("web1", "dev", true).status, 202);
  ASSERT_EQ(create_vm("web2", "", false).status, 202);
  EXPECT_EQ(get<model::VmView>("/v1/vms/web1").pool, "dev");
  EXPECT_EQ(get<methods::Page<model::VmView>>("/v1/vms?filter=pool=dev").items.size(), 1u);
  const auto pool = get<model::PoolView>("/v1/pools/dev");
  EXPECT_EQ(pool.vms, 1u);
  EXPECT_EQ(pool.used.cpus, 1u);
  EXPECT_EQ(pool.used.storage, gib(1));
  const auto why = refused("DELETE", "/v1/pools/dev?dry_run=true");
  EXPECT_EQ(why.reason, "in-use");
  EXPECT_THAT(why.detail, HasSubstr("web1"));
  EXPECT_EQ(refused("PATCH", "/v1/pools/dev", R"({"storage_bytes": 1})").reason, "pool-limit");
}

TEST_F(PoolsApiTest, WhatIsBeyondALimitIsRefusedWithTheNumbers) {
  create(R"({"name": "dev", "storage_bytes": 1610612736})");
  ASSERT_EQ(create_vm("web1", "dev", false).status, 202);
  const auto answer = create_vm("web2", "dev", false);
  EXPECT_EQ(answer.status, 409);
  EXPECT_THAT(answer.body, HasSubstr("pool-limit"));
  EXPECT_THAT(answer.body, HasSubstr("limited to 1.5 GiB of disks; 1 GiB are used, 1 GiB more"));
}

TEST_F(PoolsApiTest, ReservedMoreThanItMayHaveIsRefused) {
  const auto why = refused("POST", "/v1/pools", R"({"name": "a", "cpus": 2, "reserve_cpus": 3})");
  EXPECT_EQ(why.reason, "bad-spec");
  EXPECT_EQ(refused("POST", "/v1/pools", R"({"name": "a", "shares": 0})").reason, "out-of-range");
}

}  // namespace
}  // namespace ruche::api
