// What was changed is told, exactly once, whenever the daemon dies in between.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sim_client.hpp"

namespace ruche::sim {
namespace {

class AuditSweep {
 public:
  AuditSweep() : cluster_(1), host_(cluster_.add_host("alpha")) {
    start_all(cluster_);
    import_demo(cluster_, host_, "local");
    ask_and_wait(cluster_, host_, requests::create_demo("web1"));
    settle();
  }

  // How many effects the change and its records have.
  std::uint64_t count() {
    const auto before = cluster_.effects();
    ask_and_wait(cluster_, host_, requests::describe("web1", "changed"));
    settle();
    return cluster_.effects() - before;
  }

  void run(std::uint64_t effect, EffectMoment moment) {
    cluster_.on_effect = [this, number = cluster_.effects() + effect, moment](const SimEffect& seen,
                                                                              EffectMoment now) {
      if (seen.number == number && now == moment) host_.sever();
    };
    const auto answer = ask(host_, "request", requests::describe("web1", "changed"));
    const bool died =
        cluster_.run_until([this] { return !host_.is_running(); }, std::chrono::minutes(2));
    EXPECT_TRUE(died) << "nothing died";
    cluster_.on_effect = nullptr;
    host_.start();
    wait_until_quiet(cluster_);
    settle();
    verify(answer->accepted.has_value());
  }

 private:
  void settle() { cluster_.run_for(std::chrono::seconds(10)); }

  std::size_t told(model::AuditOutcome outcome) {
    std::size_t count = 0;
    for (const auto& entry : host_.history().audit().entries()) {
      const auto record = json::decode<model::AuditRecord>(entry.item.json);
      if (record.method == "vm.set" && record.outcome == outcome) ++count;
    }
    return count;
  }

  void verify(bool acknowledged) {
    const auto truth = read_truth(cluster_.store());
    std::size_t changes = 0;
    for (const auto& [id, task] : truth.tasks) changes += task.method == "vm.set";
    if (acknowledged) EXPECT_EQ(changes, 1u);
    EXPECT_EQ(told(model::AuditOutcome::accepted), changes);
    EXPECT_EQ(told(model::AuditOutcome::done), changes);
    EXPECT_TRUE(host_.control().inventory().audits().empty());
    std::optional<ports::AuditVerdict> verdict;
    const auto check = [](core::HostControl& control,
                          std::optional<ports::AuditVerdict>& out) -> Async<void> {
      out = co_await control.audit().verify();
    };
    host_.spawn("verify", check(host_.control(), verdict));
    cluster_.run_for(std::chrono::seconds(1));
    ASSERT_TRUE(verdict.has_value());
    EXPECT_EQ(verdict->problem, "");
  }

  SimCluster cluster_;
  SimHost& host_;
};

TEST(AuditKills, AChangeIsToldOnceWheneverTheDaemonDies) {
  const auto effects = AuditSweep().count();
  EXPECT_GE(effects, 4u);  // accepted, ended, appended, forgotten
  for (std::uint64_t effect = 1; effect <= effects; ++effect) {
    for (const auto moment : {EffectMoment::before, EffectMoment::after}) {
      SCOPED_TRACE(
          fmt::format("effect {} {}", effect, moment == EffectMoment::before ? "before" : "after"));
      AuditSweep().run(effect, moment);
    }
  }
}

// A full disk under the history stops no guest, and loses nothing.
TEST(AuditKills, AFullDiskDelaysTheRecordsAndNothingElse) {
  SimCluster cluster(1);
  auto& host = cluster.add_host("alpha");
  start_all(cluster);
  import_demo(cluster, host, "local");
  host.history().audit().full = true;
  ask_and_wait(cluster, host, requests::create_demo("web1", true));
  host.kill();
  host.start();
  wait_until_quiet(cluster);
  EXPECT_EQ(state_of(read_truth(cluster.store()), "web1"), model::GuestState::running);
  EXPECT_GE(host.control().inventory().audits().size(), 2u);
  host.history().audit().full = false;
  cluster.run_for(std::chrono::minutes(2));
  EXPECT_TRUE(host.control().inventory().audits().empty());
}

}  // namespace
}  // namespace ruche::sim
