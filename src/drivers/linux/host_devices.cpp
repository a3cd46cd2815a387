// Disks, network adapters, PCI devices and the board of a host.
#include <array>

#include "drivers/linux/host_facts.hpp"

namespace ruche::drivers::linux {

namespace {

using std::string_view;

constexpr std::int64_t kSector = 512;  // of /sys/block/*/size, whatever the disk's own
constexpr std::size_t kMostDevices = 1024;

struct ClassName {
  string_view code;  // base class of PCI, and subclass where it matters
  string_view name;
};
constexpr std::array kClasses{
    ClassName{"0108", "NVMe"},
    ClassName{"01", "storage"},
    ClassName{"02", "network"},
    ClassName{"0302", "3D controller"},
    ClassName{"03", "display"},
    ClassName{"04", "multimedia"},
    ClassName{"05", "memory"},
    ClassName{"06", "bridge"},
    ClassName{"07", "communication"},
    ClassName{"08", "system"},
    ClassName{"09", "input"},
    ClassName{"0c03", "USB controller"},
    ClassName{"0c", "serial bus"},
    ClassName{"0d", "wireless"},
    ClassName{"0b", "processor"},
    ClassName{"10", "encryption"},
    ClassName{"11", "signal processing"},
    ClassName{"12", "accelerator"},
};

std::string class_name(string_view code) {
  if (code.starts_with("0x")) code.remove_prefix(2);
  for (const auto& known : kClasses) {
    if (code.starts_with(known.code)) return std::string(known.name);
  }
  return "other";
}

std::string without_prefix(std::string text) {
  return text.starts_with("0x") ? text.substr(2) : text;
}

// What is a disk of its own: no loop, no memory, no part of another.
bool is_disk(string_view name) {
  for (const string_view other : {"loop", "ram", "zram", "dm-", "md", "nbd", "fd", "sr"}) {
    if (name.starts_with(other)) return false;
  }
  return true;
}

std::vector<model::DiskFacts> read_disks(const Tree& tree) {
  std::vector<model::DiskFacts> disks;
  for (const auto& name : tree.names("/sys/block")) {
    if (!is_disk(name) || disks.size() >= kMostDevices) continue;
    const auto folder = "/sys/block/" + name;
    const auto sectors = tree.number(folder + "/size").value_or(0);
    if (sectors <= 0 || sectors > INT64_MAX / kSector) continue;
    disks.push_back({.name = name,
                     .model = tree.line(folder + "/device/model"),
                     .size = Bytes{sectors * kSector},
                     .rotational = tree.line(folder + "/queue/rotational") == "1"});
  }
  return disks;
}

// Only those with a device behind them: bridges and taps are networks' own.
std::vector<model::NicFacts> read_nics(const Tree& tree) {
  std::vector<model::NicFacts> nics;
  for (const auto& name : tree.names("/sys/class/net")) {
    const auto folder = "/sys/class/net/" + name;
    if (!tree.exists(folder + "/device") || nics.size() >= kMostDevices) continue;
    nics.push_back(
        {.name = name,
         .mac = tree.line(folder + "/address"),
         .driver = tree.target(folder + "/device/driver"),
         .up = tree.line(folder + "/operstate") == "up",
         .speed_mbit = std::max<std::int64_t>(tree.number(folder + "/speed").value_or(0), 0)});
  }
  return nics;
}

std::vector<model::PciFacts> read_pci(const Tree& tree) {
  std::vector<model::PciFacts> devices;
  for (const auto& address : tree.names("/sys/bus/pci/devices")) {
    if (devices.size() >= kMostDevices) break;
    const auto folder = "/sys/bus/pci/devices/" + address;
    model::PciFacts device;
    device.address = address;
    device.device_class = class_name(tree.line(folder + "/class"));
    device.vendor = without_prefix(tree.line(folder + "/vendor"));
    device.device = without_prefix(tree.line(folder + "/device"));
    device.driver = tree.target(folder + "/driver");
    device.iommu_group = number_in(tree.target(folder + "/iommu_group"));
    devices.push_back(std::move(device));
  }
  return devices;
}

model::BoardFacts read_board(const Tree& tree) {
  const std::string dmi = "/sys/class/dmi/id/";
  return {.vendor = tree.line(dmi + "sys_vendor"),
          .product = tree.line(dmi + "product_name"),
          .firmware = tree.line(dmi + "bios_version"),
          .firmware_date = tree.line(dmi + "bios_date"),
          .uefi = tree.exists("/sys/firmware/efi")};
}

}  // namespace

void read_devices(const Tree& tree, model::HostFacts& facts) {
  facts.disks = read_disks(tree);
  facts.nics = read_nics(tree);
  facts.pci = read_pci(tree);
  facts.board = read_board(tree);
}

}  // namespace ruche::drivers::linux
