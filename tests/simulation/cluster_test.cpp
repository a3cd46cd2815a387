// The random simulation: RUCHE_SIM_SEEDS seeds (from RUCHE_SIM_BASE), or the one of RUCHE_SIM_SEED.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "cluster_simulation.hpp"

// Millions of small allocations: the sanitizer need not keep all of them apart for long, nor where
// each came from in full.
extern "C" const char* __asan_default_options();
extern "C" const char* __asan_default_options() {
  return "quarantine_size_mb=16:malloc_context_size=2";
}

namespace ruche::sim {
namespace {

constexpr std::uint64_t kSeeds = 600;
constexpr std::uint64_t kReplayEvery = 20;  // 5 %

std::optional<std::uint64_t> number_in(const char* variable) {
  const char* text = std::getenv(variable);
  if (text == nullptr || *text == 0) return std::nullopt;
  return std::strtoull(text, nullptr, 10);
}

void tell(std::uint64_t seed, ClusterSimulation& simulation) {
  std::string text = fmt::format(
      "seed {} failed; replay it with\n  RUCHE_SIM_SEED={} "
      "build/dev/bin/ruche_simulation_test "
      "--gtest_filter=Simulation.Cluster\n",
      seed, seed);
  const auto& story = simulation.story();
  const std::size_t most = simulation.verbose ? story.size() : 40;
  for (std::size_t i = story.size() - std::min(most, story.size()); i < story.size(); ++i) {
    text += story[i] + "\n";
  }
  ADD_FAILURE() << text;
}

TEST(Simulation, Cluster) {
  const auto single = number_in("RUCHE_SIM_SEED");
  const std::uint64_t base = single ? *single : number_in("RUCHE_SIM_BASE").value_or(1);
  const std::uint64_t count = single ? 1 : number_in("RUCHE_SIM_SEEDS").value_or(kSeeds);
  int failed = 0;
  std::map<std::string, std::uint64_t> statistics;
  for (std::uint64_t seed = base; seed < base + count && failed < 3; ++seed) {
    ClusterSimulation simulation(seed);
    simulation.verbose = single.has_value();
    const auto findings = simulation.run();
    for (const auto& finding : findings) ADD_FAILURE() << "seed " << seed << ": " << finding;
    if (!findings.empty()) {
      tell(seed, simulation);
      ++failed;
    }
    for (const auto& [what, times] : simulation.statistics()) statistics[what] += times;
    if (seed % kReplayEvery != 0 && !single) continue;
    ClusterSimulation again(seed);
    again.verbose = simulation.verbose;
    again.run();
    EXPECT_EQ(again.trace_hash(), simulation.trace_hash()) << "seed " << seed << " does not replay";
  }
  if (std::getenv("RUCHE_SIM_STATISTICS") == nullptr) return;
  for (const auto& [what, times] : statistics) fmt::print("{:>8} {}\n", times, what);
}

}  // namespace
}  // namespace ruche::sim
