#include "model/passthrough.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ruche::model {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// An adapter that a guest can have, in a group of its own behind a bridge.
HostFacts good() {
  HostFacts facts;
  facts.processor.virtualization = "VT-x";
  facts.kernel.iommus = 1;
  facts.kernel.iommu_groups = 30;
  facts.kernel.vfio = true;
  facts.kernel.iommufd = true;
  facts.is_root = true;
  facts.pci.push_back({.address = "0000:3a:00.0",
                       .device_class = "bridge",
                       .driver = "pcieport",
                       .iommu_group = 19,
                       .bridge = true});
  facts.pci.push_back({.address = "0000:3b:00.0",
                       .device_class = "network",
                       .driver = "vfio-pci",
                       .iommu_group = 19,
                       .path = "/dev/vfio/devices/vfio0"});
  facts.usb.push_back(
      {.path = "/dev/bus/usb/001/001", .vendor_id = "1d6b", .product_id = "0002", .hub = true});
  facts.usb.push_back(
      {.path = "/dev/bus/usb/001/004", .vendor_id = "0403", .product_id = "6001", .serial = "A1"});
  return facts;
}

// The node, or why not and what to do.
template <class Device>
std::string judged(const HostFacts& facts, const Device& device) {
  const auto node = node_of(facts, device);
  if (node) return *node;
  return node.error().message() + " | " + node.error().remedy_text();
}
std::string adapter(const HostFacts& facts) {
  return judged(facts, PciSpec{.address = "0000:3b:00.0"});
}
std::string serial_port(const HostFacts& facts, std::string serial = {}) {
  return judged(facts, UsbSpec{.vendor_id = "0403", .product_id = "6001", .serial = serial});
}

TEST(Passthrough, AGuestCanHaveWhatStandsAlone) {
  EXPECT_EQ(adapter(good()), "/dev/vfio/devices/vfio0");
  EXPECT_EQ(serial_port(good()), "/dev/bus/usb/001/004");
  EXPECT_EQ(serial_port(good(), "A1"), "/dev/bus/usb/001/004");
  auto facts = good();
  facts.pci[1].driver = "mlx5_vfio_pci";
  EXPECT_EQ(adapter(facts), "/dev/vfio/devices/vfio0");
}

TEST(Passthrough, WhatIsNotThereIsNamed) {
  EXPECT_THAT(judged(good(), PciSpec{.address = "0000:99:00.0"}), HasSubstr("no PCI device"));
  EXPECT_THAT(serial_port(good(), "A2"), HasSubstr("no USB device 0403:6001 with the serial"));
}

TEST(Passthrough, ABridgeStaysWithTheHost) {
  EXPECT_THAT(judged(good(), PciSpec{.address = "0000:3a:00.0"}), HasSubstr("is a bridge"));
}

TEST(Passthrough, WhatTheHostStandsOnStays) {
  auto facts = good();
  facts.pci[1].driver = "nvme";
  facts.disks.push_back({.name = "nvme0n1", .in_use = true, .pci = "0000:3b:00.0"});
  EXPECT_THAT(adapter(facts), HasSubstr("holds the disk nvme0n1"));
  EXPECT_THAT(adapter(facts), Not(HasSubstr("driverctl")));
  facts.disks[0].in_use = false;
  facts.nics.push_back({.name = "eno1", .up = true, .pci = "0000:3b:00.0"});
  EXPECT_THAT(adapter(facts), HasSubstr("network adapter eno1, which is up"));
  facts.nics[0].up = false;
  EXPECT_THAT(adapter(facts), HasSubstr("the host's driver nvme"));
}

TEST(Passthrough, NothingIsGivenWithoutAnIommu) {
  auto facts = good();
  facts.kernel.iommu_groups = 0;
  facts.pci[1].iommu_group.reset();
  EXPECT_THAT(adapter(facts), HasSubstr("intel_iommu=on"));
  facts.processor.virtualization = "AMD-V";
  EXPECT_THAT(adapter(facts), HasSubstr("AMD-Vi"));
  EXPECT_THAT(adapter(facts), HasSubstr("by default"));
  facts.kernel.iommu_groups = 30;
  EXPECT_THAT(adapter(facts), HasSubstr("in no IOMMU group"));
}

TEST(Passthrough, AGroupGoesTogether) {
  auto facts = good();
  facts.pci.push_back({.address = "0000:3b:00.1",
                       .device_class = "multimedia",
                       .driver = "snd_hda_intel",
                       .iommu_group = 19});
  EXPECT_THAT(adapter(facts), HasSubstr("0000:3b:00.1 (multimedia, snd_hda_intel)"));
  EXPECT_THAT(adapter(facts), HasSubstr("driverctl set-override 0000:3b:00.1 vfio-pci"));
  EXPECT_THAT(group_of(facts, "0000:3b:00.0"), ElementsAre("0000:3a:00.0", "0000:3b:00.1"));
  for (const char* harmless : {"", "vfio-pci", "pci-stub"}) {
    facts.pci[2].driver = harmless;
    EXPECT_EQ(adapter(facts), "/dev/vfio/devices/vfio0");
  }
}

TEST(Passthrough, TheDriverIsSaidAndHowToChangeIt) {
  auto facts = good();
  facts.pci[1].driver = "i40e";
  EXPECT_THAT(adapter(facts), HasSubstr("driver i40e, not vfio-pci"));
  EXPECT_THAT(adapter(facts), HasSubstr("driverctl set-override 0000:3b:00.0 vfio-pci"));
  facts.pci[1].driver.clear();
  EXPECT_THAT(adapter(facts), HasSubstr("no driver, not vfio-pci"));
}

TEST(Passthrough, TheHostMustHaveTheWays) {
  auto facts = good();
  facts.kernel.vfio = false;
  EXPECT_THAT(adapter(facts), HasSubstr("no /dev/vfio"));
  facts = good();
  facts.kernel.iommufd = false;
  EXPECT_THAT(adapter(facts), HasSubstr("no /dev/iommu"));
  facts = good();
  facts.is_root = false;
  EXPECT_THAT(adapter(facts), HasSubstr("not root"));
  EXPECT_THAT(serial_port(facts), HasSubstr("not root"));
  facts = good();
  facts.pci[1].path.clear();
  EXPECT_THAT(adapter(facts), HasSubstr("CONFIG_VFIO_DEVICE_CDEV"));
}

TEST(Passthrough, APartNeedsNoDriverOfItsOwn) {
  auto facts = good();
  facts.pci[1].driver = "nvidia";
  const PciSpec part{.address = "0000:3b:00.0", .mediated = "83b8f4f2-509f-382f-3c1e-e6bfe0fa1001"};
  EXPECT_THAT(judged(facts, part), HasSubstr("mdevctl start"));
  facts.mediated.push_back({.id = part.mediated,
                            .address = part.address,
                            .kind = "nvidia-35",
                            .path = "/dev/vfio/devices/vfio4"});
  EXPECT_EQ(judged(facts, part), "/dev/vfio/devices/vfio4");
}

TEST(Passthrough, UsbDevicesThatAreAlikeAreToldApart) {
  auto facts = good();
  EXPECT_THAT(judged(facts, UsbSpec{.vendor_id = "1d6b", .product_id = "0002"}),
              HasSubstr("is a hub"));
  facts.usb.push_back(
      {.path = "/dev/bus/usb/001/005", .vendor_id = "0403", .product_id = "6001", .serial = "A2"});
  EXPECT_THAT(serial_port(facts), HasSubstr("--serial: A1, A2"));
  EXPECT_EQ(serial_port(facts, "A2"), "/dev/bus/usb/001/005");
  facts.usb[1].serial = facts.usb[2].serial = "";
  EXPECT_THAT(serial_port(facts), HasSubstr("unplug all but one"));
}

TEST(Passthrough, AUsbDiskThatTheHostUsesStays) {
  auto facts = good();
  facts.usb[1].holds = "disk sda";
  EXPECT_THAT(serial_port(facts), HasSubstr("holds the disk sda"));
}

TEST(Passthrough, EverythingIsListed) {
  const auto devices = host_devices(good());
  ASSERT_EQ(devices.size(), 4U);
  EXPECT_EQ(devices[1].device, "0403:6001");
  EXPECT_EQ(devices[1].usable, "yes");
  EXPECT_THAT(devices[1].remedy, IsEmpty());
  EXPECT_THAT(devices[2].usable, HasSubstr("no: 0000:3a:00.0 is a bridge"));
}

TEST(Passthrough, WordsOfDevices) {
  EXPECT_EQ(parse_usb("046D:C52b")->product_id, "c52b");
  for (const char* bad : {"", "046d", "046d-c52b", "046d:c52", "046d:c52bb", "046g:c52b"}) {
    EXPECT_FALSE(parse_usb(bad)) << bad;
  }
  EXPECT_TRUE(is_pci_address("0000:3b:00.0"));
  EXPECT_TRUE(is_pci_address("10000:e1:00.7"));
  for (const char* bad : {"", "3b:00.0", "0000:3b:00", "0000:3b:00.8", "0000:3B:00.0",
                          "0000:3b:00.0 ", "../../../etc", "0000:3b:00.0,x=y"}) {
    EXPECT_FALSE(is_pci_address(bad)) << bad;
  }
}

}  // namespace
}  // namespace ruche::model
