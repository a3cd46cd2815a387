// Disks, network adapters, PCI and USB devices and the board of a host.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>
#include <sstream>

#include "drivers/linux/host_facts.hpp"
#include "model/passthrough.hpp"

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

// The last one on the way to a device, which is the one that it is behind.
std::string pci_in(const std::vector<std::string>& parts) {
  for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
    if (model::is_pci_address(*part)) return *part;
  }
  return {};
}

// A disk of NVMe may have several controllers and then is behind none of them; the first is told.
std::string pci_of_disk(const Tree& tree, const std::string& name) {
  const auto parts = tree.link_parts("/sys/block/" + name);
  auto address = pci_in(parts);
  for (const auto& part : parts) {
    if (!address.empty() || !part.starts_with("nvme-subsys")) continue;
    const auto folder = "/sys/class/nvme-subsystem/" + part;
    for (const auto& controller : tree.names(folder)) {
      if (address.empty()) address = pci_in(tree.link_parts(folder + "/" + controller));
    }
  }
  return address;
}

// Kernel names of the block devices that are mounted or swapped to (proc_pid_mountinfo(5)).
std::set<std::string> used_blocks(const Tree& tree) {
  constexpr string_view kDev = "/dev/";
  std::set<std::string> used;
  const auto add_path = [&](const std::string& path) {
    if (path.starts_with(kDev)) used.insert(path.substr(path.rfind('/') + 1));
  };
  std::istringstream mounts(tree.whole("/proc/self/mountinfo"));
  for (std::string line; std::getline(mounts, line);) {
    std::istringstream words(line);
    std::string id, parent, number;
    words >> id >> parent >> number;
    const bool clean = number.find_first_not_of("0123456789:") == number.npos;
    if (clean && !number.empty()) used.insert(tree.target("/sys/dev/block/" + number));
    const auto dash = line.find(" - ");
    if (dash == line.npos) continue;
    std::string kind, source;
    std::istringstream(line.substr(dash + 3)) >> kind >> source;
    add_path(source);
  }
  std::istringstream swaps(tree.whole("/proc/swaps"));
  for (std::string line; std::getline(swaps, line);) {
    std::string path;
    std::istringstream(line) >> path;
    add_path(path);
  }
  return used;
}

// Also what something stands on: volumes (LVM), arrays, encryption.
bool disk_in_use(const Tree& tree, const std::set<std::string>& used, const std::string& name) {
  const auto folder = "/sys/block/" + name;
  const auto is_used = [&](const std::string& block, const std::string& place) {
    return used.contains(block) || !tree.names(place + "/holders").empty();
  };
  if (is_used(name, folder)) return true;
  for (const auto& part : tree.names(folder)) {
    if (part.starts_with(name) && is_used(part, folder + "/" + part)) return true;
  }
  return false;
}

std::vector<model::DiskFacts> read_disks(const Tree& tree) {
  const auto used = used_blocks(tree);
  std::vector<model::DiskFacts> disks;
  for (const auto& name : tree.names("/sys/block")) {
    if (!is_disk(name) || disks.size() >= kMostDevices) continue;
    const auto folder = "/sys/block/" + name;
    const auto sectors = tree.number(folder + "/size").value_or(0);
    if (sectors <= 0 || sectors > INT64_MAX / kSector) continue;
    disks.push_back({.name = name,
                     .model = tree.line(folder + "/device/model"),
                     .size = Bytes{sectors * kSector},
                     .rotational = tree.line(folder + "/queue/rotational") == "1",
                     .in_use = disk_in_use(tree, used, name),
                     .pci = pci_of_disk(tree, name)});
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
         .speed_mbit = std::max<std::int64_t>(tree.number(folder + "/speed").value_or(0), 0),
         .pci = pci_in(tree.link_parts(folder))});
  }
  return nics;
}

// Where a program gets a device whose driver gives it away (Documentation/driver-api/vfio.rst).
std::string vfio_node(const Tree& tree, const std::string& folder) {
  constexpr string_view kName = "vfio";
  for (const auto& name : tree.names(folder + "/vfio-dev")) {
    if (!name.starts_with(kName) || !number_in(string_view(name).substr(kName.size()))) continue;
    auto node = "/dev/vfio/devices/" + name;
    if (tree.exists(node)) return node;
  }
  return {};
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
    device.bridge = device.device_class == "bridge";
    device.path = vfio_node(tree, folder);
    devices.push_back(std::move(device));
  }
  return devices;
}

std::vector<model::MediatedFacts> read_mediated(const Tree& tree) {
  std::vector<model::MediatedFacts> parts;
  for (const auto& id : tree.names("/sys/bus/mdev/devices")) {
    if (parts.size() >= kMostDevices) break;
    const auto folder = "/sys/bus/mdev/devices/" + id;
    model::MediatedFacts part;
    part.id = id;
    part.address = pci_in(tree.link_parts(folder));
    if (part.address.empty()) continue;
    part.kind = tree.target(folder + "/mdev_type");
    part.iommu_group = number_in(tree.target(folder + "/iommu_group"));
    part.path = vfio_node(tree, folder);
    parts.push_back(std::move(part));
  }
  return parts;
}

std::string used_behind(const Tree& tree, const model::HostFacts& facts, const std::string& usb) {
  const auto behind = [&](const std::string& link) {
    return std::ranges::count(tree.link_parts(link), usb) > 0;
  };
  for (const auto& disk : facts.disks) {
    if (disk.in_use && behind("/sys/block/" + disk.name)) return "disk " + disk.name;
  }
  for (const auto& nic : facts.nics) {
    if (nic.up && behind("/sys/class/net/" + nic.name)) return "network adapter " + nic.name;
  }
  return {};
}

// Interfaces of a device have a colon in their names. A device that goes while it is read is left
// out.
std::vector<model::UsbFacts> read_usb(const Tree& tree, const model::HostFacts& facts) {
  constexpr std::int64_t kMostBuses = 999;
  constexpr std::int64_t kMostAddresses = 127;
  std::vector<model::UsbFacts> devices;
  for (const auto& name : tree.names("/sys/bus/usb/devices")) {
    if (devices.size() >= kMostDevices) break;
    if (name.find(':') != name.npos) continue;
    const auto folder = "/sys/bus/usb/devices/" + name;
    const auto bus = tree.number(folder + "/busnum").value_or(0);
    const auto address = tree.number(folder + "/devnum").value_or(0);
    model::UsbFacts device;
    device.vendor_id = tree.line(folder + "/idVendor");
    device.product_id = tree.line(folder + "/idProduct");
    const bool sound = bus > 0 && bus <= kMostBuses && address > 0 && address <= kMostAddresses &&
                       model::is_usb_id(device.vendor_id) && model::is_usb_id(device.product_id);
    if (!sound) continue;
    device.path = fmt::format("/dev/bus/usb/{:03}/{:03}", bus, address);
    device.manufacturer = tree.line(folder + "/manufacturer");
    device.product = tree.line(folder + "/product");
    device.serial = tree.line(folder + "/serial");
    device.hub = tree.line(folder + "/bDeviceClass") == "09";
    device.holds = used_behind(tree, facts, name);
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
  facts.mediated = read_mediated(tree);
  facts.usb = read_usb(tree, facts);
  facts.board = read_board(tree);
}

}  // namespace ruche::drivers::linux
