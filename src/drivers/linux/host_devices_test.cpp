#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "drivers/linux/host_facts.hpp"

namespace ruche::drivers::linux {
namespace {

using testing::IsEmpty;

// A tree as sysfs is: devices in one place, links to them in others.
class HostDevicesTest : public testing::Test {
 protected:
  HostDevicesTest() {
    char name[] = "/tmp/ruche-devices-XXXXXX";
    root_ = ::mkdtemp(name);
  }
  ~HostDevicesTest() override { std::filesystem::remove_all(root_); }

  void write(const std::string& path, const std::string& text) {
    const auto whole = std::filesystem::path(root_ + path);
    std::filesystem::create_directories(whole.parent_path());
    std::ofstream(whole) << text;
  }
  void link(const std::string& path, const std::string& target) {
    const auto whole = std::filesystem::path(root_ + path);
    std::filesystem::create_directories(whole.parent_path());
    std::filesystem::create_symlink(target, whole);
  }
  void add_disk(const std::string& name, const std::string& place) {
    write("/sys/devices/" + place + "/block/" + name + "/size", "2048\n");
    link("/sys/block/" + name, "../devices/" + place + "/block/" + name);
  }
  void add_usb(const std::string& name, const std::string& vendor, const std::string& device,
               const std::string& address) {
    const auto folder = "/sys/bus/usb/devices/" + name;
    write(folder + "/idVendor", vendor + "\n");
    write(folder + "/idProduct", device + "\n");
    write(folder + "/busnum", "1\n");
    write(folder + "/devnum", address + "\n");
  }
  model::HostFacts read() {
    model::HostFacts facts;
    read_devices(Tree(root_), facts);
    return facts;
  }
  std::string root_;
};

TEST_F(HostDevicesTest, UsbDevicesHaveANodeAndNoInterfaces) {
  add_usb("usb1", "1d6b", "0002", "1");
  write("/sys/bus/usb/devices/usb1/bDeviceClass", "09\n");
  add_usb("1-4", "046d", "c52b", "12");
  write("/sys/bus/usb/devices/1-4/manufacturer", "Logitech\n");
  write("/sys/bus/usb/devices/1-4/product", "USB\x01 Receiver\n");
  write("/sys/bus/usb/devices/1-4:1.0/busnum", "1\n");
  const auto usb = read().usb;
  ASSERT_EQ(usb.size(), 2U);
  EXPECT_EQ(usb[0].path, "/dev/bus/usb/001/012");
  EXPECT_EQ(usb[0].manufacturer, "Logitech");
  EXPECT_EQ(usb[0].product, "USB? Receiver");
  EXPECT_FALSE(usb[0].hub);
  EXPECT_TRUE(usb[1].hub);
}

TEST_F(HostDevicesTest, UsbDevicesThatMakeNoSenseAreLeftOut) {
  add_usb("1-1", "046d", "c52b", "128");
  add_usb("1-2", "046d", "c52b", "0");
  add_usb("1-3", "46d", "c52b", "3");
  add_usb("1-4", "../x", "c52b", "3");
  EXPECT_THAT(read().usb, IsEmpty());
}

TEST_F(HostDevicesTest, PciDevicesHaveTheNodeOfVfio) {
  const std::string folder = "/sys/bus/pci/devices/0000:3b:00.0";
  write(folder + "/class", "0x020000\n");
  link(folder + "/driver", "../../../bus/pci/drivers/vfio-pci");
  link(folder + "/iommu_group", "../../../kernel/iommu_groups/41");
  write(folder + "/vfio-dev/vfio3/dev", "511:3\n");
  write("/sys/bus/pci/devices/0000:00:01.0/class", "0x060400\n");
  EXPECT_EQ(read().pci.at(1).path, "") << "the kernel has no node for it";
  write("/dev/vfio/devices/vfio3", "");
  const auto pci = read().pci;
  ASSERT_EQ(pci.size(), 2U);
  EXPECT_TRUE(pci[0].bridge);
  EXPECT_EQ(pci[1].driver, "vfio-pci");
  EXPECT_EQ(pci[1].iommu_group, 41);
  EXPECT_EQ(pci[1].path, "/dev/vfio/devices/vfio3");
  EXPECT_FALSE(pci[1].bridge);
}

TEST_F(HostDevicesTest, PartsOfPciDevicesAreFoundWithTheDevice) {
  const std::string id = "83b8f4f2-509f-382f-3c1e-e6bfe0fa1001";
  const std::string place = "pci0000:00/0000:00:02.0/" + id;
  link("/sys/bus/mdev/devices/" + id, "../../../devices/" + place);
  link("/sys/devices/" + place + "/mdev_type", "../mdev_supported_types/i915-GVTg_V5_4");
  write("/sys/devices/" + place + "/vfio-dev/vfio0/dev", "511:0\n");
  write("/dev/vfio/devices/vfio0", "");
  const auto parts = read().mediated;
  ASSERT_EQ(parts.size(), 1U);
  EXPECT_EQ(parts[0].id, id);
  EXPECT_EQ(parts[0].address, "0000:00:02.0");
  EXPECT_EQ(parts[0].kind, "i915-GVTg_V5_4");
  EXPECT_EQ(parts[0].path, "/dev/vfio/devices/vfio0");
}

TEST_F(HostDevicesTest, DisksAndAdaptersAreBehindADevice) {
  add_disk("sda", "pci0000:00/0000:00:01.0/0000:02:00.0/ata1/host0/target0:0:0/0:0:0:0");
  add_disk("nvme0n1", "virtual/nvme-subsystem/nvme-subsys0");
  link("/sys/class/nvme-subsystem/nvme-subsys0/nvme0",
       "../../../pci0000:00/0000:00:06.0/0000:01:00.0/nvme/nvme0");
  write("/sys/devices/pci0000:00/0000:00:1c.0/0000:04:00.0/net/eno1/device/vendor", "");
  link("/sys/class/net/eno1", "../../devices/pci0000:00/0000:00:1c.0/0000:04:00.0/net/eno1");
  const auto facts = read();
  ASSERT_EQ(facts.disks.size(), 2U);
  EXPECT_EQ(facts.disks[0].pci, "0000:01:00.0");
  EXPECT_EQ(facts.disks[1].pci, "0000:02:00.0");
  ASSERT_EQ(facts.nics.size(), 1U);
  EXPECT_EQ(facts.nics[0].pci, "0000:04:00.0");
}

TEST_F(HostDevicesTest, ADiskIsInUseThroughWhateverStandsOnIt) {
  const std::string controller = "pci0000:00/0000:00:17.0/ata1/host0/target0:0:0/0:0:0:0";
  for (const char* name : {"sda", "sdb", "sdc", "sdd"}) add_disk(name, controller);
  write("/sys/devices/" + controller + "/block/sda/sda2/size", "1024\n");
  link("/sys/dev/block/8:2", "../../devices/" + controller + "/block/sda/sda2");
  write("/proc/self/mountinfo", "26 1 8:2 / / rw,relatime shared:1 - ext4 /dev/root rw\n");
  write("/sys/devices/" + controller + "/block/sdb/sdb1/holders/dm-0/dev", "253:0\n");
  write("/sys/devices/" + controller + "/block/sdc/sdc1/size", "1024\n");
  write("/proc/swaps", "Filename Type Size Used Priority\n/dev/sdc1 partition 512 0 -2\n");
  const auto disks = read().disks;
  ASSERT_EQ(disks.size(), 4U);
  EXPECT_TRUE(disks[0].in_use) << "mounted";
  EXPECT_TRUE(disks[1].in_use) << "a volume stands on it";
  EXPECT_TRUE(disks[2].in_use) << "swapped to";
  EXPECT_FALSE(disks[3].in_use);
}

TEST_F(HostDevicesTest, AUsbDiskThatIsMountedIsTold) {
  add_usb("1-4", "0781", "5583", "5");
  add_disk("sdb", "pci0000:00/0000:00:14.0/usb1/1-4/1-4:1.0/host6/target6:0:0/6:0:0:0");
  EXPECT_EQ(read().usb.at(0).holds, "");
  write("/proc/self/mountinfo", "99 26 0:42 / /mnt rw - btrfs /dev/sdb rw\n");
  EXPECT_EQ(read().usb.at(0).holds, "disk sdb");
  EXPECT_EQ(read().disks.at(0).pci, "0000:00:14.0");
}

}  // namespace
}  // namespace ruche::drivers::linux
