// Resource pools on a simulated host: whatever is done to the guests in them, their limits hold,
// what is reserved stays, and what a failed task took is given back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pool_requests.hpp"

namespace ruche::sim {
namespace {

using model::TaskState;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::IsEmpty;

// A guest of 256 MiB reserves this much: 64 MiB are for its process.
constexpr Bytes kOneGuest = mib(320);

class PoolsTest : public testing::Test {
 protected:
  PoolsTest() : cluster_(1), host_(cluster_.add_host("alpha")) {
    cluster_.on_change = [this] {
      for (const auto& finding : always_.check(cluster_)) ADD_FAILURE() << finding;
    };
    start_all(cluster_);
    import_demo(cluster_, host_, "local");
  }
  ~PoolsTest() override {
    wait_until_quiet(cluster_);
    cluster_.run_for(seconds(20));
    wait_until_quiet(cluster_);
    EXPECT_THAT(check_at_rest(cluster_), IsEmpty());
    EXPECT_THAT(cluster_.errors(), IsEmpty());
  }

  void make_pool(const std::string& name, const std::function<void(model::CreatePool&)>& define) {
    model::CreatePool request;
    request.name = name;
    define(request);
    change_and_wait(cluster_, host_, create_pool(request));
  }
  void set_pool(const std::string& name, std::function<void(model::PoolEdit&)> change) {
    change_and_wait(cluster_, host_, edit_pool(name, std::move(change)));
  }
  model::Task wait(const Request& request) { return ask_and_wait(cluster_, host_, request); }
  void done(const Request& request) {
    const auto task = wait(request);
    EXPECT_EQ(task.state, TaskState::done) << (task.error ? task.error->message : "");
  }
  Error refusal(const std::function<void()>& act) {
    try {
      act();
    } catch (const Error& error) {
      return error;
    }
    ADD_FAILURE() << "nothing was refused";
    return Error(Reason::internal_error, "nothing was refused");
  }
  Error refusal(const Request& request) {
    return refusal([&] { wait(request); });
  }
  static Request make(const std::string& name, const std::string& pool, bool start = false) {
    model::CreateVm request;
    request.name = name;
    request.image = "demo";  // its disk has 64 MiB
    request.memory = mib(256);
    request.memory_max = gib(1);
    request.cpus_max = 4;
    request.pool = pool;
    request.start = start;
    return requests::create(request);
  }
  static Request into(const std::string& vm, const std::string& pool) {
    return requests::edit(vm, [=](model::VmEdit& edit) { edit.pool = pool; });
  }
  model::PoolLedger used(const std::string& name) {
    const auto truth = read_truth(cluster_.store());
    return truth.pool_ledgers.at(truth.names.at("pool/" + name));
  }
  std::string pool_of_guest(const std::string& vm) {
    const auto truth = read_truth(cluster_.store());
    const auto* guest = guest_named(truth, vm);
    return guest->pool ? truth.pools.at(guest->pool->value).name : "";
  }
  model::Ledger ledger() { return read_truth(cluster_.store()).ledgers.at(host_.id().value); }
  SimProcess& process(const std::string& vm) {
    return *host_.machines().find(guest_named(read_truth(cluster_.store()), vm)->id);
  }

  AlwaysChecker always_;
  SimCluster cluster_;
  SimHost& host_;
};

TEST_F(PoolsTest, AStartBeyondALimitIsRefused) {
  make_pool("dev", [](auto& pool) { pool.memory = kOneGuest; });
  done(make("web1", "dev", true));
  EXPECT_EQ(used("dev").memory, kOneGuest);
  EXPECT_EQ(used("dev").cpus, 1u);
  done(make("web2", "dev"));
  const auto why = refusal(requests::start("web2"));
  EXPECT_EQ(why.reason(), Reason::pool_limit);
  EXPECT_THAT(why.message(), HasSubstr("limited to 320 MiB of memory; 320 MiB are used"));
  EXPECT_EQ(refusal(make("web3", "dev", true)).reason(), Reason::pool_limit);
  done(make("web3", "", true));
  done(requests::stop("web1"));
  EXPECT_EQ(used("dev").memory, Bytes{});
  done(requests::start("web2"));
  set_pool("dev", [](auto& edit) { edit.memory = kOneGuest + kOneGuest; });
  done(requests::start("web1"));
}

TEST_F(PoolsTest, HotAddedHardwareCounts) {
  make_pool("dev", [](auto& pool) {
    pool.memory = mib(576);
    pool.cpus = 2;
  });
  done(make("web1", "dev", true));
  const auto cpus = [](std::uint32_t count) {
    return requests::edit("web1", [=](model::VmEdit& edit) { edit.cpus = count; });
  };
  const auto memory = [](Bytes size) {
    return requests::edit("web1", [=](model::VmEdit& edit) { edit.memory = size; });
  };
  EXPECT_EQ(refusal(cpus(3)).reason(), Reason::pool_limit);
  EXPECT_EQ(refusal(memory(gib(1))).reason(), Reason::pool_limit);
  done(cpus(2));
  done(memory(mib(512)));
  EXPECT_EQ(used("dev").memory, mib(576));
  EXPECT_EQ(used("dev").cpus, 2u);
  process("web1").keeps_devices = true;
  EXPECT_EQ(wait(cpus(1)).state, TaskState::failed);
  EXPECT_EQ(used("dev").cpus, 2u) << "it has them still";
  process("web1").keeps_devices = false;
  done(cpus(1));
  EXPECT_EQ(used("dev").cpus, 1u);
}

TEST_F(PoolsTest, DisksCountWhetherTheirGuestRunsOrNot) {
  make_pool("dev", [](auto& pool) { pool.storage = mib(256); });
  done(make("web1", "dev"));
  EXPECT_EQ(used("dev").storage, mib(64));
  EXPECT_EQ(refusal(requests::add_disk({.vm = "web1", .size = mib(200)})).reason(),
            Reason::pool_limit);
  done(requests::add_disk({.vm = "web1", .size = mib(128)}));
  EXPECT_EQ(refusal(requests::grow_disk("web1", "disk1", mib(200))).reason(), Reason::pool_limit);
  done(requests::grow_disk("web1", "disk1", mib(192)));
  EXPECT_EQ(used("dev").storage, mib(256));
  EXPECT_EQ(refusal(make("web2", "dev")).reason(), Reason::pool_limit);
  done(make("web2", ""));
  EXPECT_EQ(refusal(into("web2", "dev")).reason(), Reason::pool_limit);
  EXPECT_EQ(pool_of_guest("web2"), "");
  done(requests::remove_disk("web1", "disk1"));
  done(into("web2", "dev"));
  EXPECT_EQ(used("dev").storage, mib(128));
  done(requests::remove("web1"));
  EXPECT_EQ(used("dev").storage, mib(128)) << "the recycle bin keeps its disks";
  done(requests::remove("web1", true));
  EXPECT_EQ(used("dev").storage, mib(64));
}

TEST_F(PoolsTest, AFailedCreationGivesEverythingBack) {
  make_pool("dev", [](auto& pool) { pool.storage = mib(64); });
  host_.machines().fail_next_launch("QEMU: no");
  EXPECT_EQ(wait(make("web1", "dev", true)).state, TaskState::failed);
  EXPECT_EQ(used("dev").storage, Bytes{});
  EXPECT_EQ(used("dev").memory, Bytes{});
  auto faults = SimHost::Faults();
  faults.volumes.fails = 1;
  host_.set_faults(faults);
  EXPECT_EQ(wait(make("web1", "dev")).state, TaskState::failed);
  host_.clear_faults();
  EXPECT_EQ(used("dev").storage, Bytes{});
  done(make("web1", "dev", true));
}

TEST_F(PoolsTest, AGuestMovesBetweenPoolsWhileItRuns) {
  make_pool("dev", [](auto&) {});
  make_pool("prod", [](auto& pool) { pool.cpus = 1; });
  done(make("web1", "", true));
  const auto before = ledger();
  done(into("web1", "dev"));
  EXPECT_EQ(used("dev").memory, kOneGuest);
  done(into("web1", "prod"));
  EXPECT_EQ(used("dev").memory, Bytes{});
  EXPECT_EQ(used("prod").memory, kOneGuest);
  EXPECT_EQ(used("prod").storage, mib(64));
  done(make("web2", "dev", true));
  EXPECT_EQ(refusal(into("web2", "prod")).reason(), Reason::pool_limit);
  done(requests::stop("web2"));
  done(into("web2", "prod"));
  EXPECT_EQ(refusal(requests::start("web2")).reason(), Reason::pool_limit);
  done(into("web1", ""));
  EXPECT_EQ(ledger().memory_reserved, before.memory_reserved);
  EXPECT_EQ(refusal(into("web1", "nowhere")).reason(), Reason::no_such_object);
}

TEST_F(PoolsTest, AFailedChangeTakesTheGuestBack) {
  make_pool("dev", [](auto&) {});
  make_pool("prod", [](auto&) {});
  done(make("web1", "dev", true));
  process("web1").keeps_devices = true;
  const auto change = requests::edit("web1", [](model::VmEdit& edit) {
    edit.cpus = 3;
    edit.pool = "prod";
  });
  EXPECT_EQ(wait(change).state, TaskState::failed);
  EXPECT_EQ(pool_of_guest("web1"), "dev");
  EXPECT_EQ(used("dev").cpus, 1u);
  EXPECT_EQ(used("prod").cpus, 0u);
  EXPECT_EQ(used("prod").storage, Bytes{});
}

// What it gave up has become another's: the old limit holds, so it stays where it was let in.
TEST_F(PoolsTest, AFailedChangeExceedsNoLimit) {
  make_pool("dev", [](auto& pool) { pool.memory = kOneGuest; });
  make_pool("prod", [](auto&) {});
  done(make("web1", "dev", true));
  done(make("web2", "dev"));
  process("web1").keeps_devices = true;
  const auto change = requests::edit("web1", [](model::VmEdit& edit) {
    edit.cpus = 3;
    edit.pool = "prod";
  });
  const auto answer = ask(host_, "change", change);
  cluster_.run_until([&] { return answer->came(); }, seconds(10));
  done(requests::start("web2"));
  wait_until_quiet(cluster_);
  const auto truth = read_truth(cluster_.store());
  EXPECT_EQ(truth.tasks.at(answer->accepted->task.id.value).state, TaskState::failed);
  EXPECT_EQ(pool_of_guest("web1"), "prod");
  EXPECT_EQ(used("dev").memory, kOneGuest);
}

TEST_F(PoolsTest, WhatIsReservedIsKeptFromOthers) {
  const auto free = ledger().memory_total - ledger().memory_reserved;
  make_pool("prod", [&](auto& pool) { pool.reserve_memory = free - kOneGuest; });
  done(make("outside1", "", true));
  done(make("outside2", ""));
  EXPECT_EQ(refusal(requests::start("outside2")).reason(), Reason::not_enough_memory);
  done(make("web1", "prod", true));
  EXPECT_EQ(refusal(into("web1", "")).reason(), Reason::not_enough_memory);
  done(into("outside1", "prod"));
  done(requests::start("outside2"));
  set_pool("prod", [](auto& edit) { edit.reserve_memory = {}; });
  EXPECT_EQ(ledger().memory_reserved, kOneGuest + kOneGuest + kOneGuest);
  const auto too_much =
      refusal([&] { make_pool("more", [&](auto& pool) { pool.reserve_memory = free; }); });
  EXPECT_EQ(too_much.reason(), Reason::not_enough_memory);
}

TEST_F(PoolsTest, APoolInUseStays) {
  make_pool("dev", [](auto&) {});
  done(make("web1", "dev"));
  const auto removal = [this] { change_and_wait(cluster_, host_, remove_pool("dev")); };
  auto why = refusal(removal);
  EXPECT_EQ(why.reason(), Reason::in_use);
  EXPECT_THAT(why.message(), HasSubstr("web1"));
  done(requests::remove("web1"));
  EXPECT_THAT(refusal(removal).message(), HasSubstr("in the recycle bin"));
  done(requests::remove("web1", true));
  removal();
  EXPECT_THAT(read_truth(cluster_.store()).pools, IsEmpty());
}

TEST_F(PoolsTest, NamesAndLimitsAgree) {
  make_pool("dev", [](auto&) {});
  const auto same = refusal([this] { make_pool("dev", [](auto&) {}); });
  EXPECT_EQ(same.reason(), Reason::name_in_use);
  done(make("web1", "dev", true));
  const auto low = refusal([this] { set_pool("dev", [](auto& edit) { edit.memory = mib(16); }); });
  EXPECT_EQ(low.reason(), Reason::pool_limit);
  set_pool("dev", [](auto& edit) { edit.name = "test"; });
  EXPECT_EQ(pool_of_guest("web1"), "test");
}

TEST_F(PoolsTest, SharesWeighEachCpuFromTheNextStart) {
  make_pool("dev", [](auto& pool) { pool.shares = 300; });
  done(make("web1", "dev", true));
  EXPECT_EQ(process("web1").spec.cpu_weight, 300u);
  done(make("web2", "", true));
  EXPECT_EQ(process("web2").spec.cpu_weight, 100u);
  set_pool("dev", [](auto& edit) { edit.shares = 50; });
  EXPECT_EQ(process("web1").spec.cpu_weight, 300u);
  done(requests::stop("web1"));
  done(requests::edit("web1", [](model::VmEdit& edit) { edit.cpus = 4; }));
  done(requests::start("web1"));
  EXPECT_EQ(process("web1").spec.cpu_weight, 200u);
}

TEST_F(PoolsTest, AGuestInAPoolStaysOnItsHost) {
  auto& beta = cluster_.add_host("beta");
  beta.start();
  wait_until_quiet(cluster_);
  add_shared_datastore(cluster_, host_);
  make_pool("dev", [](auto&) {});
  model::CreateVm request;
  request.name = "web1";
  request.datastore = "shared";
  request.pool = "dev";
  done(requests::create(request));
  const auto why = refusal(requests::move("web1", "beta"));
  EXPECT_EQ(why.reason(), Reason::wrong_state);
  EXPECT_THAT(why.remedy_text(), HasSubstr("--pool ''"));
  done(into("web1", ""));
  done(requests::move("web1", "beta"));
  EXPECT_EQ(refusal(into("web1", "dev")).reason(), Reason::bad_spec);
}

}  // namespace
}  // namespace ruche::sim
