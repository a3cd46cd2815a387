#include "model/hardware.hpp"

#include <gtest/gtest.h>

namespace ruche::model {
namespace {

VmSpec with_disks(std::vector<DiskBus> buses) {
  VmSpec spec;
  for (const auto bus : buses) spec.disks.push_back({.bus = bus});
  return spec;
}

TEST(AssignSlots, fills_each_kind_of_place) {
  auto spec = with_disks({DiskBus::virtio_blk, DiskBus::virtio_scsi, DiskBus::sata,
                          DiskBus::virtio_blk, DiskBus::virtio_scsi});
  spec.nics.resize(2);
  ASSERT_TRUE(assign_slots(spec));
  EXPECT_EQ(spec.disks[0].slot, 3U);
  EXPECT_EQ(spec.disks[1].slot, 1U);
  EXPECT_EQ(spec.disks[2].slot, 1U);
  EXPECT_EQ(spec.disks[3].slot, 4U);
  EXPECT_EQ(spec.disks[4].slot, 2U);
  EXPECT_EQ(spec.nics[0].slot, 5U);
  EXPECT_EQ(spec.nics[1].slot, 6U);
}

TEST(AssignSlots, keeps_what_is_assigned) {
  auto spec = with_disks({DiskBus::virtio_blk, DiskBus::virtio_blk});
  spec.disks[1].slot = 3;
  ASSERT_TRUE(assign_slots(spec));
  EXPECT_EQ(spec.disks[1].slot, 3U);
  EXPECT_EQ(spec.disks[0].slot, 4U);
  const auto before = spec.disks[0].slot;
  ASSERT_TRUE(assign_slots(spec));
  EXPECT_EQ(spec.disks[0].slot, before);
}

TEST(AssignSlots, refuses_two_devices_in_one_place) {
  auto spec = with_disks({DiskBus::virtio_blk});
  spec.disks[0].slot = 5;
  spec.nics.push_back({.slot = 5});
  const auto result = assign_slots(spec);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().reason(), Reason::bad_spec);
  EXPECT_EQ(result.error().field(), "/nics/0/slot");
}

TEST(AssignSlots, refuses_places_that_do_not_exist) {
  for (const std::uint32_t slot : {1U, 2U, 31U, 1000U}) {
    auto spec = with_disks({DiskBus::virtio_blk});
    spec.disks[0].slot = slot;
    EXPECT_FALSE(assign_slots(spec)) << slot;
  }
}

TEST(AssignSlots, says_when_a_bus_is_full_and_changes_nothing) {
  auto spec = with_disks(std::vector<DiskBus>(7, DiskBus::sata));
  const auto result = assign_slots(spec);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().message(), "there are only 5 SATA ports");
  EXPECT_EQ(result.error().field(), "/disks/5/slot");
  EXPECT_EQ(spec.disks[0].slot, 0U);
}

TEST(AssignSlots, gives_devices_of_the_host_a_root_port) {
  auto spec = with_disks({DiskBus::virtio_blk});
  spec.pci.push_back({"pci0", "0000:3b:00.0", {}, 0});
  spec.usb.push_back({"usb0", "046d", "c52b", {}});
  ASSERT_TRUE(assign_slots(spec));
  EXPECT_EQ(spec.pci[0].slot, 4U);
  EXPECT_TRUE(root_ports(spec).contains(4));
  EXPECT_TRUE(root_ports(spec).contains(kUsbSlot));
  spec.usb.clear();
  EXPECT_FALSE(root_ports(spec).contains(kUsbSlot));
}

TEST(MakeMac, is_local_unicast_and_follows_the_seed) {
  const auto random = seeded_random(7);
  const auto mac = make_mac(*random);
  EXPECT_EQ(mac.size(), 17U);
  EXPECT_TRUE(mac.starts_with("52:54:00:"));
  EXPECT_TRUE(is_mac(mac));
  for (const auto* bad : {"", "52:54:00::::::::", "52:54:00:0A:0B:0C", "52-54-00-0a-0b-0c"}) {
    EXPECT_FALSE(is_mac(bad)) << bad;
  }
  const auto again = seeded_random(7);
  EXPECT_EQ(make_mac(*again), mac);
}

}  // namespace
}  // namespace ruche::model
