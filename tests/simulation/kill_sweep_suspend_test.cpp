// Kill sweeps of guests that are suspended, resumed and given up.
#include <gtest/gtest.h>

#include "kill_sweep.hpp"

namespace ruche::sim {
namespace {

using model::GuestState;

std::function<bool(const StoreTruth&)> is(GuestState state) {
  return [state](const StoreTruth& truth) { return state_of(truth, "web1") == state; };
}

// With a disk that was added while it ran, so that its devices do not follow from a start.
void suspended_guest(SimCluster& cluster) {
  auto& alpha = cluster.host("alpha");
  with_guest(true)(cluster);
  ask_and_wait(cluster, alpha, requests::add_disk({.vm = "web1", .size = mib(32)}));
  ask_and_wait(cluster, alpha, requests::suspend("web1"));
}

TEST(KillSweep, Suspend) {
  sweep({"suspend", with_guest(true), requests::suspend("web1"), is(GuestState::suspended),
         is(GuestState::running)});
}

TEST(KillSweep, SuspendAPausedOne) {
  const auto paused = [](SimCluster& cluster) {
    with_guest(true)(cluster);
    ask_and_wait(cluster, cluster.host("alpha"), requests::pause("web1"));
  };
  sweep({"suspend, paused", paused, requests::suspend("web1"), is(GuestState::suspended),
         is(GuestState::paused)});
}

TEST(KillSweep, ResumeFromDisk) {
  sweep({"resume from disk", suspended_guest, requests::resume("web1"), is(GuestState::running),
         is(GuestState::suspended)});
}

TEST(KillSweep, Discard) {
  sweep({"discard", suspended_guest, requests::discard("web1"), is(GuestState::stopped),
         is(GuestState::suspended)});
}

TEST(KillSweep, PurgeASuspendedOne) {
  const auto is_gone = [](const StoreTruth& truth) {
    return guest_named(truth, "web1") == nullptr;
  };
  sweep({"purge, suspended", suspended_guest, requests::remove("web1", true), is_gone,
         [=](const StoreTruth& truth) { return !is_gone(truth); }});
}

}  // namespace
}  // namespace ruche::sim
