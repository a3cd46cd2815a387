#include "kill_sweep.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace ruche::sim {

namespace {

// When the daemon dies: at which effect, counted from the request, and a second time at which
// effect after its return (0: not at all).
struct Death {
  std::uint64_t effect = 0;
  EffectMoment moment = EffectMoment::before;
  std::uint64_t second = 0;
  bool cancelled = false;  // by somebody on the other host, while the daemon is dead
};

std::string to_text(const Scenario& scenario, const Death& death, const std::string& what) {
  return fmt::format("{}: killed {} effect {} ({}), second kill at {}{}", scenario.name,
                     death.moment == EffectMoment::before ? "before" : "after", death.effect, what,
                     death.second, death.cancelled ? ", cancelled meanwhile" : "");
}

class Sweep {
 public:
  Sweep() : cluster_(1) {
    cluster_.add_host("alpha");
    cluster_.add_host("beta");
    start_all(cluster_);
    add_shared_datastore(cluster_, alpha());
    import_demo(cluster_, alpha(), "shared");
    cluster_.on_change = [this] {
      for (auto& finding : always_.check(cluster_)) findings_.push_back(std::move(finding));
    };
  }

  // How many effects the request has when nobody dies.
  std::uint64_t count(const Scenario& scenario) {
    scenario.prepare(cluster_);
    wait_until_quiet(cluster_);
    const auto before = cluster_.effects();
    const auto task = ask_and_wait(cluster_, alpha(), scenario.request);
    EXPECT_EQ(task.state, model::TaskState::done) << (task.error ? task.error->message : "");
    wait_until_quiet(cluster_);
    verify(scenario, true);
    return cluster_.effects() - before;
  }

  void run(const Scenario& scenario, const Death& death) {
    scenario.prepare(cluster_);
    wait_until_quiet(cluster_);
    kill_at(cluster_.effects() + death.effect, death.moment);
    const auto answer = ask(alpha(), "request", scenario.request);
    const bool died =
        cluster_.run_until([this] { return !alpha().is_running(); }, std::chrono::minutes(2));
    EXPECT_TRUE(died) << "nothing died";
    if (death.cancelled) cancel_what_is_open();
    if (death.second > 0) kill_at(cluster_.effects() + death.second, death.moment);
    alpha().start();
    if (death.second > 0) {
      cluster_.run_until([this] { return !alpha().is_running(); }, std::chrono::minutes(2));
      cluster_.on_effect = nullptr;
      alpha().start();
    }
    wait_until_quiet(cluster_);
    cluster_.run_for(std::chrono::minutes(2));
    wait_until_quiet(cluster_);
    const bool sure = answer->accepted.has_value() && !death.cancelled && !scenario.may_fail;
    verify(scenario, sure);
    if (sure) expect_done(*answer->accepted);
    if (answer->accepted && scenario.may_fail) expect_agreement(scenario, *answer->accepted);
  }

  const std::string& killed_at() const { return killed_at_; }

 private:
  SimHost& alpha() { return cluster_.host("alpha"); }

  // At this effect, or at the next one if it is the other host's.
  void kill_at(std::uint64_t number, EffectMoment moment) {
    cluster_.on_effect = [this, number, moment, over = false](const SimEffect& effect,
                                                              EffectMoment now) mutable {
      if (over || effect.number < number || now != moment || effect.host != "alpha") return;
      over = true;
      killed_at_ = effect.what;
      alpha().sever();
    };
  }

  void cancel_what_is_open() {
    auto& beta = cluster_.host("beta");
    cluster_.run_for(std::chrono::seconds(1));
    auto cancel = [](core::HostControl& control, model::TaskId task) -> Async<void> {
      co_await control.tasks().cancel({}, {ruche::to_text(task)});
    };
    for (const auto& [id, task] : beta.control().inventory().tasks()) {
      if (model::is_open(task->value.state)) beta.spawn("cancel", cancel(beta.control(), {id}));
    }
    cluster_.run_for(std::chrono::seconds(1));
  }

  void expect_done(const core::Accepted& accepted) {
    const auto truth = read_truth(cluster_.store());
    const auto task = truth.tasks.find(accepted.task.id.value);
    if (task == truth.tasks.end()) {
      ADD_FAILURE() << "an acknowledged task is gone";
      return;
    }
    EXPECT_EQ(task->second.state, model::TaskState::done)
        << (task->second.error ? task->second.error->message : "");
  }

  // Done when it has happened, else failed.
  void expect_agreement(const Scenario& scenario, const core::Accepted& accepted) {
    const auto truth = read_truth(cluster_.store());
    const auto& task = truth.tasks.at(accepted.task.id.value);
    EXPECT_EQ(task.state == model::TaskState::done, scenario.happened(truth));
  }

  void verify(const Scenario& scenario, bool must_have_happened) {
    for (const auto& finding : findings_) ADD_FAILURE() << finding;
    for (const auto& finding : check_at_rest(cluster_)) ADD_FAILURE() << finding;
    for (const auto& error : cluster_.errors()) ADD_FAILURE() << error;
    const auto truth = read_truth(cluster_.store());
    const bool happened = scenario.happened(truth);
    if (must_have_happened) {
      EXPECT_TRUE(happened) << "it was acknowledged and did not happen";
    } else {
      EXPECT_NE(happened, scenario.did_not_happen(truth))
          << "neither wholly done nor wholly undone";
    }
  }

  SimCluster cluster_;
  AlwaysChecker always_;
  std::vector<std::string> findings_;
  std::string killed_at_;
};

}  // namespace

void sweep(const Scenario& scenario) {
  std::uint64_t effects = 0;
  {
    SCOPED_TRACE(scenario.name + ": nobody dies");
    Sweep undisturbed;
    effects = undisturbed.count(scenario);
  }
  if (testing::Test::HasFailure()) return;
  ASSERT_GT(effects, 0u);
  const auto once = [&](const Death& death) {
    Sweep one;
    one.run(scenario, death);
    if (testing::Test::HasFailure()) {
      FAIL() << to_text(scenario, death, one.killed_at());
    }
  };
  for (std::uint64_t effect = 1; effect <= effects; ++effect) {
    for (const auto moment : {EffectMoment::before, EffectMoment::after}) {
      once({effect, moment, 0});
      if (testing::Test::HasFailure()) return;
      once({effect, moment, 0, true});
      if (testing::Test::HasFailure()) return;
      for (const std::uint64_t second : {1, 2, 3, 5}) {
        if ((effect + second) % 2 == 0) once({effect, moment, second, effect % 4 == 0});
        if (testing::Test::HasFailure()) return;
      }
    }
  }
}

std::function<void(SimCluster&)> with_guest(bool running) {
  return [running](SimCluster& cluster) {
    ask_and_wait(cluster, cluster.host("alpha"), requests::create_demo("web1", running));
  };
}

}  // namespace ruche::sim
