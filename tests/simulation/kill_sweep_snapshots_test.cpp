// Kill sweeps of snapshots: taken, gone back to and deleted.
#include <gtest/gtest.h>

#include "kill_sweep.hpp"

namespace ruche::sim {
namespace {

using Check = std::function<bool(const StoreTruth&)>;

Check has_snapshots(std::size_t count) {
  return [count](const StoreTruth& truth) { return snapshots_of(truth, "web1").size() == count; };
}

// The layer that its first disk stands on is one that this snapshot keeps.
bool stands_on(const StoreTruth& truth, const std::string& snapshot) {
  const auto* guest = guest_named(truth, "web1");
  const auto all = snapshots_of(truth, "web1");
  const auto found = all.find(snapshot);
  if (guest == nullptr || found == all.end() || guest->snapshot != found->second.id) return false;
  const auto& top = truth.layers.at(guest->spec.disks.at(0).layer.value);
  return top.parent == found->second.spec.disks.at(0).layer;
}

Check goes_on_from(const std::string& snapshot, model::GuestState state) {
  return [=](const StoreTruth& truth) {
    return stands_on(truth, snapshot) && state_of(truth, "web1") == state;
  };
}

void take(SimCluster& cluster, const std::string& name, bool memory = false) {
  auto& alpha = cluster.host("alpha");
  ask_and_wait(cluster, alpha, requests::snapshot("web1", name, memory));
  wait_until_quiet(cluster);
}

// A guest with several snapshots in a row, and something on its disks since each.
std::function<void(SimCluster&)> with_snapshots(std::vector<std::string> names, bool running,
                                                bool memory = false) {
  return [=](SimCluster& cluster) {
    auto& alpha = cluster.host("alpha");
    with_guest(true)(cluster);
    for (const auto& name : names) {
      take(cluster, name, memory);
      ask_and_wait(cluster, alpha, requests::pause("web1"));
      ask_and_wait(cluster, alpha, requests::resume("web1"));
    }
    if (!running) ask_and_wait(cluster, alpha, requests::stop("web1", true));
  };
}

// Cancelled or failed, it leaves nothing but a guest that goes on.
Check is_as_before(model::GuestState state) {
  return [state](const StoreTruth& truth) {
    return snapshots_of(truth, "web1").empty() && state_of(truth, "web1") == state;
  };
}

Check took_it(model::GuestState state) {
  return [state](const StoreTruth& truth) {
    return snapshots_of(truth, "web1").size() == 1 && stands_on(truth, "before") &&
           state_of(truth, "web1") == state;
  };
}

TEST(KillSweep, SnapshotRunning) {
  using enum model::GuestState;
  sweep({"snapshot, running", with_guest(true), requests::snapshot("web1", "before"),
         took_it(running), is_as_before(running)});
}

TEST(KillSweep, SnapshotWithMemory) {
  using enum model::GuestState;
  sweep({"snapshot with memory", with_guest(true), requests::snapshot("web1", "before", true),
         took_it(running), is_as_before(running), true});
}

TEST(KillSweep, SnapshotRunningWithFirmware) {
  using enum model::GuestState;
  const auto with_uefi = [](SimCluster& cluster) {
    model::CreateVm request;
    request.name = "web1";
    request.image = "demo";
    request.boot = model::BootKind::uefi;
    request.start = true;
    ask_and_wait(cluster, cluster.host("alpha"), requests::create(request));
  };
  sweep({"snapshot, with firmware", with_uefi, requests::snapshot("web1", "before"),
         took_it(running), is_as_before(running), true});
}

TEST(KillSweep, SnapshotStopped) {
  using enum model::GuestState;
  sweep({"snapshot, stopped", with_guest(false), requests::snapshot("web1", "before"),
         took_it(stopped), is_as_before(stopped)});
}

TEST(KillSweep, SnapshotQuiesced) {
  using enum model::GuestState;
  const auto with_agent = [](SimCluster& cluster) {
    cluster.host("alpha").machines().with_agents = true;
    with_guest(true)(cluster);
    cluster.run_for(std::chrono::seconds(5));
  };
  sweep({"snapshot, quiesced", with_agent,
         requests::snapshot(model::CreateSnapshot{"web1", "before", {}, false, true}),
         took_it(running), is_as_before(running)});
}

TEST(KillSweep, Revert) {
  using enum model::GuestState;
  sweep({"revert", with_snapshots({"one", "two"}, true), requests::revert("web1", "one"),
         goes_on_from("one", stopped),
         [](const StoreTruth& truth) { return stands_on(truth, "two"); }});
}

TEST(KillSweep, RevertAndStart) {
  using enum model::GuestState;
  sweep({"revert and start", with_snapshots({"one", "two"}, false),
         requests::revert("web1", "one", true), goes_on_from("one", running),
         goes_on_from("two", stopped)});
}

TEST(KillSweep, RevertWithMemory) {
  using enum model::GuestState;
  sweep({"revert with memory", with_snapshots({"one", "two"}, true, true),
         requests::revert("web1", "one"), goes_on_from("one", running),
         [](const StoreTruth& truth) { return stands_on(truth, "two"); }});
}

TEST(KillSweep, DeleteMiddle) {
  for (const bool running : {false, true}) {
    sweep({running ? "delete in the middle, live" : "delete in the middle",
           with_snapshots({"one", "two", "three"}, running),
           requests::delete_snapshot("web1", "two"), has_snapshots(2), has_snapshots(3)});
  }
}

TEST(KillSweep, DeleteWithChildren) {
  sweep({"delete with children", with_snapshots({"one", "two", "three"}, true),
         requests::delete_snapshot("web1", "two", true), has_snapshots(1),
         [](const StoreTruth& truth) { return snapshots_of(truth, "web1").size() > 1; }});
}

TEST(KillSweep, Flatten) {
  const auto is_flat = [](const StoreTruth& truth) {
    const auto* guest = guest_named(truth, "web1");
    return guest != nullptr && !truth.layers.at(guest->spec.disks.at(0).layer.value).parent;
  };
  for (const bool running : {false, true}) {
    sweep({running ? "flatten, live" : "flatten", with_guest(running), requests::flatten("web1"),
           is_flat, [=](const StoreTruth& truth) { return !is_flat(truth); }});
  }
}

TEST(KillSweep, PurgeWithSnapshots) {
  const auto is_gone = [](const StoreTruth& truth) {
    return guest_named(truth, "web1") == nullptr && truth.snapshots.empty();
  };
  sweep({"purge, with snapshots", with_snapshots({"one", "two"}, false, true),
         requests::remove("web1", true), is_gone,
         [=](const StoreTruth& truth) { return !is_gone(truth); }});
}

}  // namespace
}  // namespace ruche::sim
