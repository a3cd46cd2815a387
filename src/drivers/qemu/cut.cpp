#include "drivers/qemu/cut.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "drivers/qemu/disks.hpp"
#include "drivers/qemu/hot_plug.hpp"

namespace ruche::drivers::qemu {

namespace {

using Core = std::shared_ptr<MachineCore>;

struct NodesOfCut {
  std::string node;
  std::string overlay;
};

NodesOfCut nodes_of(const ports::DiskOverlay& disk) {
  const auto prefix = node_prefix(disk.disk.bus, disk.disk.slot);
  if (disk.files.chain.empty()) {
    throw Error(Reason::bad_spec, "the disk " + disk.disk.name + " has no file");
  }
  return {node_name(prefix, disk.files.chain.front().path), node_name(prefix, disk.overlay.path)};
}

ports::MachineDisk with_overlay(const ports::DiskOverlay& disk) {
  auto files = disk.files;
  files.chain.insert(files.chain.begin(), disk.overlay);
  return files;
}

// QEMU does all of a transaction or nothing.
Async<void> cut(Core core, std::vector<NodesOfCut> disks) {
  if (disks.empty()) co_return;
  json::Array actions;
  for (const auto& disk : disks) {
    actions.push_back(
        json::Object{{"type", "blockdev-snapshot"},
                     {"data", json::Object{{"node", disk.node}, {"overlay", disk.overlay}}}});
  }
  json::Object all{{"actions", std::move(actions)}};
  co_await core->qmp().execute("transaction", std::move(all));
}

}  // namespace

Async<void> Cut::look() {
  HotPlug plug(core_);
  const auto present = co_await plug.nodes();
  missing_.clear();
  begun_before_ = false;
  for (std::size_t i = 0; i < disks_.size(); ++i) {
    const auto names = nodes_of(disks_[i]);
    begun_before_ = begun_before_ || std::ranges::any_of(present, [&](const json::Object& node) {
                      return text_member(node, "node-name") == names.overlay;
                    });
    const auto now = co_await plug.node_of(disk_id(disks_[i].disk.name));
    if (now == names.overlay) continue;
    if (now != names.node) {
      throw Error(Reason::hypervisor_failed,
                  fmt::format("the disk {} is in the node {}, and neither in {} nor in {}",
                              disks_[i].disk.name, now, names.node, names.overlay));
    }
    missing_.push_back(i);
  }
}

// It stands on nothing until the cut puts it on the disk's node.
Async<void> Cut::add_node(const ports::DiskOverlay& disk) {
  auto nodes = disk_nodes(disk.disk, with_overlay(disk)).back();
  nodes.format["backing"] = nullptr;
  HotPlug plug(core_);
  co_await plug.add_nodes(std::move(nodes));
}

Async<void> Cut::record(bool in_overlays) {
  co_await core_->change_record([&](RuntimeRecord& record) {
    for (const auto i : missing_) {
      const auto& disk = disks_[i];
      const auto known = std::ranges::find(record.disks, disk.disk.name, &RecordedDisk::name);
      if (known == record.disks.end()) continue;
      *known = recorded_disk(disk.disk, in_overlays ? with_overlay(disk) : disk.files);
    }
  });
}

Async<void> Cut::prepare() {
  if (made()) co_return;
  for (const auto i : missing_) co_await add_node(disks_[i]);
  co_await record(true);
}

Async<void> Cut::make() {
  std::vector<NodesOfCut> wanted;
  for (const auto i : missing_) wanted.push_back(nodes_of(disks_[i]));
  co_await cut(core_, std::move(wanted));
  missing_.clear();
}

// Whether it was made is QEMU's to say: an answer that did not come in time says nothing.
Async<void> Cut::give_up() {
  if (made()) co_return;
  co_await look();
  if (made()) co_return;
  co_await record(false);
  HotPlug plug(core_);
  for (const auto i : missing_) co_await plug.remove_nodes(nodes_of(disks_[i]).overlay);
}

Async<void> finish_cut(Core core) {
  HotPlug plug(core);
  std::vector<NodesOfCut> unfinished;
  const auto disks = core->record().disks;
  for (const auto& disk : disks) {
    if (disk.chain.size() < 2) continue;
    const auto now = co_await plug.node_of(disk_id(disk.name));
    if (now == disk.node(1)) unfinished.push_back({disk.node(1), disk.node(0)});
  }
  co_await cut(core, std::move(unfinished));
}

Async<void> remove_unknown_layers(Core core) {
  HotPlug plug(core);
  const auto disks = core->record().disks;
  for (const auto& disk : disks) {
    std::set<std::string> known;
    for (std::size_t layer = 0; layer < disk.chain.size(); ++layer) known.insert(disk.node(layer));
    co_await plug.remove_nodes(disk.nodes, std::move(known));
  }
}

}  // namespace ruche::drivers::qemu
