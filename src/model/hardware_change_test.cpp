#include "model/hardware_change.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.hpp"
#include "model/hardware.hpp"

namespace ruche::model {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

VmSpec small() {
  VmSpec spec;
  spec.memory = mib(256);
  spec.memory_max = gib(1);
  spec.cpus_max = 4;
  spec.machine_type = "pc-q35-10.0";
  DiskSpec disk;
  disk.name = "disk0";
  disk.size = gib(1);
  spec.disks.push_back(disk);
  NicSpec nic;
  nic.name = "nic0";
  nic.mac = "52:54:00:00:00:01";
  spec.nics.push_back(nic);
  EXPECT_TRUE(assign_slots(spec));
  return spec;
}

TEST(HardwareChange, ASpecificationIsReachableFromItself) {
  const auto spec = small();
  const auto plan = plan_change(hardware_at_start(spec), spec);
  EXPECT_THAT(plan.changes, IsEmpty());
  EXPECT_EQ(json::encode(plan.reachable), json::encode(spec));
}

TEST(HardwareChange, AGuestStartsWithSparePorts) {
  const auto running = hardware_at_start(small());
  EXPECT_EQ(running.ports, (std::vector<std::uint32_t>{1, 2, 3, 4, 5, 6, 7, 8, 27, 30}));
}

TEST(HardwareChange, UsbDevicesFollowWhereThereIsAController) {
  auto wanted = small();
  wanted.usb.push_back({"usb0", "046d", "c52b", {}});
  auto plan = plan_change(hardware_at_start(small()), wanted);
  ASSERT_THAT(plan.changes, SizeIs(1));
  EXPECT_EQ(plan.changes[0].waits, "the guest was started without a USB controller");
  EXPECT_THAT(plan.reachable.usb, IsEmpty());
  auto before = small();
  before.display = DisplayKind::vga;
  wanted.display = DisplayKind::vga;
  plan = plan_change(hardware_at_start(before), wanted);
  EXPECT_EQ(plan.reachable.usb, wanted.usb);
  plan = plan_change(hardware_at_start(wanted), before);
  EXPECT_THAT(plan.reachable.usb, IsEmpty());
}

TEST(HardwareChange, PciDevicesWait) {
  auto wanted = small();
  wanted.pci.push_back({"pci0", "0000:3b:00.0", {}, 9});
  for (const auto& [from, to] : {std::pair(small(), wanted), std::pair(wanted, small())}) {
    const auto plan = plan_change(hardware_at_start(from), to);
    ASSERT_THAT(plan.changes, SizeIs(1));
    EXPECT_EQ(plan.changes[0].waits, "it comes and goes with a start");
    EXPECT_EQ(plan.reachable.pci, from.pci);
  }
}

TEST(HardwareChange, MemoryIsNotTakenBelowWhatItStartedWith) {
  auto running = hardware_at_start(small());
  auto wanted = small();
  wanted.memory = mib(128);
  EXPECT_NE(plan_change(running, wanted).reachable.memory, wanted.memory);
  running.spec.memory = mib(512);
  wanted.memory = mib(300);
  EXPECT_EQ(plan_change(running, wanted).reachable.memory, wanted.memory);
}

TEST(HardwareChange, CpusGoDownToOneAndUpToTheRoom) {
  const auto running = hardware_at_start(small());
  for (const std::uint32_t cpus : {1U, 2U, 4U}) {
    auto wanted = small();
    wanted.cpus = cpus;
    EXPECT_EQ(plan_change(running, wanted).reachable.cpus, cpus);
  }
  auto wanted = small();
  wanted.cpus = 5;
  EXPECT_EQ(plan_change(running, wanted).reachable.cpus, 1u);
  EXPECT_THAT(pending_changes(running, wanted), SizeIs(1));
}

// Whatever is changed of a specification, nothing is lost: it is reached, or told.
TEST(HardwareChange, EveryFieldIsReachedOrTold) {
  const auto before = small();
  const std::vector<std::function<void(VmSpec&)>> changes{
      [](VmSpec& s) { s.cpus = 2; },
      [](VmSpec& s) { s.cpus_max = 8; },
      [](VmSpec& s) { s.topology = CpuTopology{1, 2, 2}; },
      [](VmSpec& s) { s.cpu_baseline = CpuBaseline::x86_64_v3; },
      [](VmSpec& s) { s.memory = mib(512); },
      [](VmSpec& s) { s.memory_max = gib(2); },
      [](VmSpec& s) { s.memory_min = mib(64); },
      [](VmSpec& s) { s.system = GuestSystem::windows; },
      [](VmSpec& s) { s.watchdog = WatchdogAction::reset; },
      [](VmSpec& s) { s.nics[0].model = NicModel::e1000e; },
      [](VmSpec& s) { s.memory_kind = MemoryKind::shareable; },
      [](VmSpec& s) { s.boot.command_line = "quiet"; },
      [](VmSpec& s) { s.boot.kind = BootKind::uefi; },
      [](VmSpec& s) { s.boot.secure = true; },
      [](VmSpec& s) { s.tpm = TpmSpec{}; },
      [](VmSpec& s) { s.hardware_version = 2; },
      [](VmSpec& s) { s.machine_type = "pc-q35-11.0"; },
      [](VmSpec& s) { s.disks.clear(); },
      [](VmSpec& s) { s.disks[0].size = gib(2); },
      [](VmSpec& s) { s.disks[0].cache = DiskCache::none; },
      [](VmSpec& s) { s.disks[0].discard = false; },
      [](VmSpec& s) { s.disks[0].limits.iops = 5; },
      [](VmSpec& s) { s.disks[0].bus = DiskBus::sata; },
      [](VmSpec& s) { s.nics.clear(); },
      [](VmSpec& s) { s.nics[0].link = LinkState::down; },
      [](VmSpec& s) { s.nics[0].mac = "52:54:00:00:00:02"; },
      [](VmSpec& s) { s.nics[0].forwards = {{8080, 80}}; },
      [](VmSpec& s) { s.cdroms.push_back({"cdrom0", {}, {}, 1}); },
      [](VmSpec& s) { s.serial = false; },
      [](VmSpec& s) { s.serial_ports = 2; },
      [](VmSpec& s) { s.display = DisplayKind::vga; },
      [](VmSpec& s) { s.display = DisplayKind::virtio; },
      [](VmSpec& s) { s.generation_id = "other"; },
      [](VmSpec& s) { s.boot.order = {"nic0", "disk0"}; },
      [](VmSpec& s) { s.sound = SoundKind::hda; },
      [](VmSpec& s) { s.smbios.serial = "4711"; },
      [](VmSpec& s) { s.numa.bind = true; },
      [](VmSpec& s) { s.huge_pages = HugePageSize::mib2; },
      [](VmSpec& s) { s.cpu_pins = {"0-1"}; },
  };
  for (std::size_t i = 0; i < changes.size(); ++i) {
    auto wanted = before;
    changes[i](wanted);
    const auto plan = plan_change(hardware_at_start(before), wanted);
    EXPECT_THAT(plan.changes, SizeIs(1)) << i;
    const bool reached = json::encode(plan.reachable) == json::encode(wanted);
    const bool waits = !plan.changes.empty() && !plan.changes.front().waits.empty();
    EXPECT_NE(reached, waits) << i;
  }
}

TEST(HardwareChange, PinsFollowAtOnce) {
  auto wanted = small();
  wanted.cpu_pins = {"0", "1", "2", "3"};
  const auto plan = plan_change(hardware_at_start(small()), wanted);
  EXPECT_EQ(plan.reachable.cpu_pins, wanted.cpu_pins);
  EXPECT_THAT(pending_changes(hardware_at_start(wanted), wanted), IsEmpty());
}

TEST(HardwareChange, ADeviceThatLeavesLeavesTheBootOrder) {
  auto before = small();
  before.boot.order = {"nic0", "disk0"};
  auto wanted = before;
  wanted.nics.clear();
  wanted.boot.order = {"disk0"};
  const auto plan = plan_change(hardware_at_start(before), wanted);
  EXPECT_THAT(plan.changes, SizeIs(1));
  auto running = hardware_at_start(before);
  running.spec = plan.reachable;
  EXPECT_THAT(pending_changes(running, wanted), IsEmpty());
}

TEST(HardwareChange, WhatHappensAtAHostsShutdownIsNoHardware) {
  auto wanted = small();
  wanted.on_host_shutdown = HostShutdownAction::suspend;
  const auto plan = plan_change(hardware_at_start(small()), wanted);
  EXPECT_THAT(plan.changes, IsEmpty());
  EXPECT_EQ(json::encode(plan.reachable), json::encode(wanted));
}

TEST(HardwareChange, FoldersWaitAndKeepTheirPortsMeanwhile) {
  auto before = small();
  before.shares.push_back({"data", "/srv/data"});
  ASSERT_TRUE(assign_slots(before));
  const auto running = hardware_at_start(before);
  auto wanted = before;
  wanted.shares.clear();
  wanted.nics.push_back({.name = "nic1", .mac = "52:54:00:00:00:02", .slot = 0});
  ASSERT_TRUE(assign_slots(wanted));
  ASSERT_EQ(wanted.nics.back().slot, before.shares.front().slot);
  const auto plan = plan_change(running, wanted);
  EXPECT_EQ(json::encode(plan.reachable), json::encode(before));
  EXPECT_THAT(plan.changes, SizeIs(2));
  for (const auto& change : plan.changes) EXPECT_FALSE(change.waits.empty()) << change.device;
  wanted = before;
  wanted.shares.front().read_only = true;
  wanted.shares.push_back({"more", "/srv/more"});
  EXPECT_THAT(pending_changes(running, wanted), SizeIs(2));
}

}  // namespace
}  // namespace ruche::model
