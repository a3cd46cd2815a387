// Kill sweeps of guests in resource pools: at every moment the ledgers are exact.
#include <gtest/gtest.h>

#include "kill_sweep.hpp"
#include "pool_requests.hpp"

namespace ruche::sim {
namespace {

void make_pool(SimCluster& cluster) {
  model::CreatePool request;
  request.name = "dev";
  request.memory = gib(1);
  request.storage = gib(1);
  request.reserve_memory = mib(128);
  change_and_wait(cluster, cluster.host("alpha"), create_pool(request));
}

model::CreateVm in_pool() {
  model::CreateVm request;
  request.name = "web1";
  request.image = "demo";
  request.pool = "dev";
  request.start = true;
  return request;
}

std::function<void(SimCluster&)> with_pool_and_guest(bool inside) {
  return [inside](SimCluster& cluster) {
    make_pool(cluster);
    auto request = in_pool();
    if (!inside) request.pool.clear();
    ask_and_wait(cluster, cluster.host("alpha"), requests::create(request));
  };
}

std::function<bool(const StoreTruth&)> is_in_pool(bool inside) {
  return [inside](const StoreTruth& truth) {
    const auto* guest = guest_named(truth, "web1");
    return guest != nullptr && guest->pool.has_value() == inside;
  };
}

TEST(KillSweep, CreateInAPool) {
  sweep({"create in a pool", make_pool, requests::create(in_pool()), is_in_pool(true),
         [](const StoreTruth& truth) { return truth.guests.empty(); }});
}

TEST(KillSweep, MoveIntoAPoolAndOut) {
  const auto into = [](const std::string& pool) {
    return requests::edit("web1", [=](model::VmEdit& edit) { edit.pool = pool; });
  };
  sweep({"into a pool", with_pool_and_guest(false), into("dev"), is_in_pool(true),
         is_in_pool(false)});
  sweep(
      {"out of a pool", with_pool_and_guest(true), into(""), is_in_pool(false), is_in_pool(true)});
}

TEST(KillSweep, PurgeOutOfAPool) {
  sweep({"purge out of a pool", with_pool_and_guest(true), requests::remove("web1", true, true),
         [](const StoreTruth& truth) { return truth.guests.empty(); }, is_in_pool(true)});
}

}  // namespace
}  // namespace ruche::sim
