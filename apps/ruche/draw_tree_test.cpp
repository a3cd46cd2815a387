#include "draw_tree.hpp"

#include <gtest/gtest.h>

namespace ruche::cli {
namespace {

constexpr Look kLook{false, {1'800'000'000'000}};

model::SnapshotView snapshot(std::string name, std::string parent, std::int64_t hours_ago) {
  model::SnapshotView view;
  view.name = std::move(name);
  view.parent = std::move(parent);
  view.disks = gib(1);
  view.created_at = {kLook.now.unix_ms - hours_ago * 3'600'000};
  return view;
}

TEST(SnapshotTree, BranchesAndWhereTheVmIs) {
  std::vector<model::SnapshotView> all = {snapshot("fresh", "", 72), snapshot("app", "fresh", 30),
                                          snapshot("data", "app", 20), snapshot("try", "fresh", 5)};
  all[1].memory = true;
  all[1].memory_size = mib(300);
  all[2].quiesced = true;
  all[2].schedule = "hourly";
  all[1].current = true;
  EXPECT_EQ(snapshot_tree_text("web1", all, kLook),
            "web1\n"
            "├─ fresh            3 d  1 GiB\n"
            "│  └─ try           5 h  1 GiB\n"
            "├─ app             30 h  1 GiB  memory 300 MiB\n"
            "│  └─ data         20 h  1 GiB  quiesced, schedule hourly\n"
            "└─ * you are here\n");
}

TEST(SnapshotTree, SeveralLinesAndNoneThatItGoesOnFrom) {
  std::vector<model::SnapshotView> all = {snapshot("a", "", 3), snapshot("b", "", 2),
                                          snapshot("c", "b", 1)};
  all[1].crash_consistent = true;
  all[1].state = model::SnapshotState::creating;
  EXPECT_EQ(snapshot_tree_text("web1", all, kLook),
            "web1\n"
            "├─ (another line)\n"
            "│  └─ a               3 h  1 GiB\n"
            "├─ (another line)\n"
            "│  ├─ b               2 h  1 GiB  being taken, as after a power cut\n"
            "│  └─ c            60 min  1 GiB\n"
            "└─ * you are here\n");
}

TEST(SnapshotTree, WithoutSnapshots) {
  EXPECT_EQ(snapshot_tree_text("web1", {}, kLook), "web1\n└─ * you are here\n");
}

model::LayerId id(std::uint8_t last) {
  Uuid uuid;
  uuid.bytes[15] = last;
  return {uuid};
}

model::LayerView layer(std::uint8_t number, std::string what, std::uint8_t parent) {
  model::LayerView view;
  view.disk = "disk0";
  view.id = id(number);
  view.what = std::move(what);
  view.owner = "web1";
  view.size = gib(1);
  view.used = mib(number);
  if (parent > 0) view.parent = to_text(id(parent));
  return view;
}

TEST(Layers, AChainDownToItsImageThenASideBranch) {
  std::vector<model::LayerView> all = {layer(5, "current", 4), layer(4, "snapshot before", 2),
                                       layer(2, "part of others", 0), layer(7, "snapshot try", 4),
                                       layer(9, "current", 0)};
  all[1].users = 3;
  all[2].owner = "web0";
  all[2].users = 1;
  all[4].disk = "uefi-vars";
  all[4].size = mib(9);
  all[4].used.reset();
  EXPECT_EQ(layers_text(all),
            "disk0\n"
            "  ┌─ current                5 MiB  of 1 GiB\n"
            "  ├─ snapshot before        4 MiB  of 1 GiB  needed by 3\n"
            "  └─ part of others (web0)  2 MiB  of 1 GiB  needed by 1\n"
            "  ── snapshot try           7 MiB  of 1 GiB  on snapshot before\n"
            "uefi-vars\n"
            "  ── current                    ?  of 9 MiB\n");
}

TEST(Layers, AnImageSaysWhoseItIs) {
  std::vector<model::LayerView> all = {layer(5, "current", 2), layer(2, "image demo", 0)};
  all[1].owner = "demo";
  EXPECT_EQ(layers_text(all),
            "disk0\n"
            "  ┌─ current     5 MiB  of 1 GiB\n"
            "  └─ image demo  2 MiB  of 1 GiB\n");
}

TEST(Layers, OfNothing) { EXPECT_EQ(layers_text({}), ""); }

}  // namespace
}  // namespace ruche::cli
