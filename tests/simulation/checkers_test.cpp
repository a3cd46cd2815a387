// The checkers can fail: each test breaks one rule, and they must notice.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cluster_simulation.hpp"
#include "core/documents/documents.hpp"
#include "pool_requests.hpp"

namespace ruche::sim {
namespace {

using core::keys::DocumentKind;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

class Checkers : public testing::Test {
 protected:
  Checkers() : cluster_(1), alpha_(cluster_.add_host("alpha")), beta_(cluster_.add_host("beta")) {
    start_all(cluster_);
    add_shared_datastore(cluster_, alpha_);
    import_demo(cluster_, alpha_, "shared");
    ask_and_wait(cluster_, alpha_, requests::create_demo("web1", true));
    wait_until_quiet(cluster_);
    cluster_.run_for(std::chrono::seconds(5));
    store_ = cluster_.store().open("tamperer");
  }

  model::Guest web1() { return *guest_named(read_truth(cluster_.store()), "web1"); }
  std::string placement_key() { return core::keys::placement(alpha_.id(), web1().id.value); }
  std::string ledger_key() { return core::keys::host_ledger(alpha_.id()); }

  void write(ports::Write write) {
    ports::Commit commit;
    commit.nonce = "tamper " + std::to_string(++nonce_);
    commit.writes.push_back(std::move(write));
    cluster_.world().run_now(store_->commit(std::move(commit)));
    cluster_.run_for(std::chrono::milliseconds(10));
  }
  template <class T>
  void change(DocumentKind kind, const std::string& key, const std::function<void(T&)>& tamper) {
    auto value = core::documents::decode<T>(kind, cluster_.store().current().at(key).value);
    ASSERT_TRUE(value.has_value());
    tamper(*value);
    write(ports::Put{key, core::documents::encode(kind, *value), {}});
  }
  void expect_found(const std::string& words) {
    EXPECT_THAT(check_at_rest(cluster_), Contains(HasSubstr(words)));
  }
  void expect_found_at_once(const std::string& words) {
    AlwaysChecker always;
    EXPECT_THAT(always.check(cluster_), Contains(HasSubstr(words)));
  }

  SimCluster cluster_;
  SimHost& alpha_;
  SimHost& beta_;
  std::unique_ptr<MemoryStore> store_;
  int nonce_ = 0;
};

TEST_F(Checkers, FindNothingWhenAllIsWell) {
  EXPECT_THAT(check_at_rest(cluster_), IsEmpty());
  AlwaysChecker always;
  EXPECT_THAT(always.check(cluster_), IsEmpty());
}

TEST_F(Checkers, SeeAGuestOnTwoHosts) {
  FakeHypervisor rogue(beta_.machines(), cluster_.world().clock());
  ports::MachineSpec spec;
  spec.guest = web1().id;
  cluster_.world().run_now(rogue.launch(spec));
  expect_found_at_once("has a process on");
}

TEST_F(Checkers, SeeALaunchOnAnOpenVolume) {
  FakeHypervisor rogue(beta_.machines(), cluster_.world().clock());
  ports::MachineSpec spec = alpha_.machines().find(web1().id)->spec;
  EXPECT_THROW(cluster_.world().run_now(rogue.launch(spec)), Error);
  expect_found_at_once("open elsewhere");
}

TEST_F(Checkers, SeeAWrongLedger) {
  change<model::Ledger>(DocumentKind::host_ledger, ledger_key(),
                        [](model::Ledger& ledger) { ledger.cpus_reserved += 1; });
  expect_found_at_once("the ledger says");
}

TEST_F(Checkers, SeeMorePromisedThanThereIs) {
  change<model::Ledger>(DocumentKind::host_ledger, ledger_key(),
                        [](model::Ledger& ledger) { ledger.memory_total = mib(1); });
  expect_found_at_once("more than it has");
}

TEST_F(Checkers, SeeAWrongLedgerOfAPool) {
  model::CreatePool request;
  request.name = "dev";
  request.memory = gib(1);
  request.storage = gib(1);
  change_and_wait(cluster_, alpha_, create_pool(request));
  ask_and_wait(cluster_, alpha_,
               requests::edit("web1", [](model::VmEdit& edit) { edit.pool = "dev"; }));
  AlwaysChecker always;
  EXPECT_THAT(always.check(cluster_), IsEmpty());
  const auto pool = *web1().pool;
  change<model::PoolLedger>(DocumentKind::pool_ledger, core::keys::pool_ledger(pool),
                            [](model::PoolLedger& ledger) { ledger.storage += mib(1); });
  expect_found_at_once("the ledger of the pool dev says");
  change<model::ResourcePool>(DocumentKind::pool_spec, core::keys::pool_spec(pool),
                              [](model::ResourcePool& made) { made.limits.storage = mib(1); });
  expect_found_at_once("over its limits");
  change<model::ResourcePool>(DocumentKind::pool_spec, core::keys::pool_spec(pool),
                              [](model::ResourcePool& made) { made.reservation.cpus = 7; });
  expect_found_at_once("the ledger says");
  change<model::Placement>(DocumentKind::placement, placement_key(),
                           [](model::Placement& placement) { placement.pool.reset(); });
  expect_found("counted in another pool");
}

TEST_F(Checkers, SeeAClaimThatStays) {
  change<model::Placement>(
      DocumentKind::placement, placement_key(),
      [](model::Placement& placement) { placement.claims.push_back({model::Facet::power, {}}); });
  expect_found("still claimed");
}

TEST_F(Checkers, SeeAStatusThatIsNotTrue) {
  alpha_.kill();
  alpha_.machines().crash(web1().id);
  expect_found("the document says running");
  expect_found("the wish and the process differ");
}

TEST_F(Checkers, SeeAFreedName) {
  write(ports::Delete{core::keys::name("vm", "web1")});
  expect_found("is not held by its object");
}

TEST_F(Checkers, SeeANameOfNobody) {
  write(ports::Put{core::keys::name("vm", "ghost"),
                   core::documents::encode(DocumentKind::name, core::NameRecord{web1().id.value}),
                   {}});
  expect_found("held by nobody");
}

TEST_F(Checkers, SeeAWrongCountOfReferences) {
  const auto truth = read_truth(cluster_.store());
  const auto disk = truth.images.begin()->second.disk;
  change<model::Layer>(DocumentKind::layer, core::keys::layer(disk),
                       [](model::Layer& layer) { ++layer.references; });
  expect_found("references, there are");
}

TEST_F(Checkers, SeeAVolumeOfNobodyAndALayerWithout) {
  write(ports::Delete{core::keys::layer(web1().spec.disks[0].layer)});
  expect_found("belongs to no layer");
  expect_found("has no document");
}

TEST_F(Checkers, SeeAPartialVolume) {
  const auto truth = read_truth(cluster_.store());
  for (const auto& [id, datastore] : truth.datastores) {
    for (auto& [key, volume] : cluster_.storage().place(datastore, "alpha").volumes) {
      volume.state = ports::VolumeState::partial;
    }
  }
  expect_found("is partial");
}

TEST_F(Checkers, SeeATaskThatDoesNotEnd) {
  alpha_.kill();
  const auto task = read_truth(cluster_.store()).tasks.begin()->second;
  change<model::Task>(DocumentKind::task, core::keys::task(task.id),
                      [](model::Task& open) { open.state = model::TaskState::running; });
  expect_found("is still running");
}

TEST_F(Checkers, SeeADocumentThatCannotBeRead) {
  write(ports::Put{core::keys::guest_status(web1().id), "nonsense", {}});
  expect_found("cannot read");
}

// A rule of the world is broken, and the random simulation must turn red.
int seeds_until_red(const std::function<void(SimCluster&)>& break_a_rule, int most) {
  for (int seed = 1; seed <= most; ++seed) {
    ClusterSimulation simulation(static_cast<std::uint64_t>(seed));
    simulation.prepare();
    break_a_rule(simulation.cluster());
    if (!simulation.run().empty()) return seed;
  }
  return most + 1;
}

TEST(Mutation, ProcessesThatDoNotEndAreNoticed) {
  const auto immortal = [](SimCluster& cluster) {
    for (const auto& host : cluster.hosts()) host->machines().immortal = true;
  };
  EXPECT_LE(seeds_until_red(immortal, 3), 3);
}

TEST(Mutation, MergesThatLoseWhatIsBelowAreNoticed) {
  const auto loses = [](SimCluster& cluster) { cluster.storage().loses = true; };
  EXPECT_LE(seeds_until_red(loses, 30), 30);
}

TEST(Mutation, VolumesThatAreNotRemovedAreNoticed) {
  const auto hoards = [](SimCluster& cluster) { cluster.storage().hoards = true; };
  EXPECT_LE(seeds_until_red(hoards, 5), 5);
}

}  // namespace
}  // namespace ruche::sim
