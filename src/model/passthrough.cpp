#include "model/passthrough.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace ruche::model {

namespace {

using Refusal = std::optional<Error>;

Error refused(Reason reason, std::string why, std::string next) {
  return Error(reason, std::move(why)).remedy(std::move(next));
}

const PciFacts* find_pci(const HostFacts& facts, std::string_view address) {
  const auto found = std::ranges::find(facts.pci, address, &PciFacts::address);
  return found == facts.pci.end() ? nullptr : &*found;
}

// vfio-pci, or one made for a device (mlx5_vfio_pci, nvgrace_gpu_vfio_pci).
bool is_passing_driver(std::string_view driver) {
  return driver == "vfio-pci" || driver.ends_with("vfio_pci");
}

// Those that the kernel lets stand beside a device that a guest drives (drivers/pci/pcie,
// drivers/pci/pci-stub.c: driver_managed_dma).
bool is_harmless_driver(std::string_view driver) {
  return driver.empty() || driver == "pcieport" || driver == "pci-stub" ||
         is_passing_driver(driver);
}

std::string bind_command(std::string_view address) {
  return fmt::format("driverctl set-override {} vfio-pci", address);
}

// --- PCI -----------------------------------------------------------------------------------------

Refusal refuse_bridge(const HostFacts&, const PciFacts& device) {
  if (!device.bridge) return std::nullopt;
  return refused(Reason::host_cannot,
                 fmt::format("{} is a bridge, which is part of the host", device.address),
                 "choose a device behind it: ruche host devices");
}

// What the host itself stands on is told before all else: no command shall take it away.
Refusal refuse_needed(const HostFacts& facts, const PciFacts& device) {
  for (const auto& disk : facts.disks) {
    if (!disk.in_use || disk.pci != device.address) continue;
    return refused(
        Reason::in_use,
        fmt::format("{} holds the disk {}, which the host uses", device.address, disk.name),
        "choose another, or move what is mounted from that disk first");
  }
  for (const auto& nic : facts.nics) {
    if (!nic.up || nic.pci != device.address) continue;
    return refused(
        Reason::in_use,
        fmt::format("{} holds the network adapter {}, which is up", device.address, nic.name),
        fmt::format("choose another, or take it down first: ip link set {} down", nic.name));
  }
  return std::nullopt;
}

Refusal refuse_without_iommu(const HostFacts& facts, const PciFacts& device) {
  if (facts.kernel.iommu_groups == 0) {
    const bool intel = facts.processor.virtualization != "AMD-V";
    return refused(Reason::host_cannot,
                   "no IOMMU is in use on this host, so that a device could write to all memory",
                   fmt::format("switch on {} in the firmware's setup (BIOS){}, then start the host "
                               "again",
                               intel ? "VT-d" : "AMD-Vi (IOMMU)",
                               intel ? " and start the kernel with intel_iommu=on"
                                     : ", which the kernel then uses by default"));
  }
  if (device.iommu_group) return std::nullopt;
  return refused(Reason::host_cannot,
                 fmt::format("{} is in no IOMMU group, so that nothing holds back what it writes",
                             device.address),
                 "choose a device that is in one: ruche host devices");
}

Refusal refuse_group(const HostFacts& facts, const PciFacts& device) {
  std::string others;
  std::string commands;
  for (const auto& other : facts.pci) {
    const bool same = other.iommu_group == device.iommu_group && other.address != device.address;
    if (!same || is_harmless_driver(other.driver)) continue;
    others += fmt::format("{}{} ({}, {})", others.empty() ? "" : ", ", other.address,
                          other.device_class, other.driver);
    commands += fmt::format("{}{}", commands.empty() ? "" : "; ", bind_command(other.address));
  }
  if (others.empty()) return std::nullopt;
  return refused(Reason::host_cannot,
                 fmt::format("{} shares IOMMU group {} with devices that the host uses: {}",
                             device.address, *device.iommu_group, others),
                 fmt::format("if the host can do without them: {}; else put the device into "
                             "another slot",
                             commands));
}

Refusal refuse_driver(const HostFacts&, const PciFacts& device) {
  if (is_passing_driver(device.driver)) return std::nullopt;
  const auto driver = device.driver.empty() ? std::string("no driver")
                                            : fmt::format("the host's driver {}", device.driver);
  return refused(Reason::host_cannot,
                 fmt::format("{} has {}, not vfio-pci", device.address, driver),
                 fmt::format("give it that one, which stays over restarts of the host: {}",
                             bind_command(device.address)));
}

// What programs need to have a device at all.
Refusal refuse_ways(const HostFacts& facts) {
  if (!facts.kernel.vfio) {
    return refused(Reason::host_cannot, "this host has no /dev/vfio",
                   "load the driver: modprobe vfio-pci");
  }
  if (!facts.kernel.iommufd) {
    return refused(Reason::host_cannot, "this host has no /dev/iommu",
                   "load iommufd: modprobe iommufd; it needs Linux 6.2 or newer");
  }
  if (!facts.is_root) {
    return refused(Reason::host_cannot, "ruched is not root and may not take devices of the host",
                   "run ruched as root");
  }
  return std::nullopt;
}

std::expected<std::string, Error> checked_node(const std::string& what, const std::string& path) {
  if (!path.empty()) return path;
  return std::unexpected(
      refused(Reason::host_cannot, fmt::format("{} has no node below /dev/vfio/devices", what),
              "the kernel makes them with CONFIG_VFIO_DEVICE_CDEV, since Linux 6.6"));
}

std::expected<std::string, Error> node_of_part(const HostFacts& facts, const PciSpec& device) {
  const auto part = std::ranges::find_if(facts.mediated, [&](const MediatedFacts& known) {
    return known.id == device.mediated && known.address == device.address;
  });
  if (part == facts.mediated.end()) {
    return std::unexpected(refused(
        Reason::no_such_object,
        fmt::format("{} has no mediated device {}", device.address, device.mediated),
        fmt::format("make it (mdevctl start -u {} -p {} -t TYPE), or see what there is: ruche host "
                    "devices",
                    device.mediated, device.address)));
  }
  if (auto refusal = refuse_ways(facts)) return std::unexpected(std::move(*refusal));
  return checked_node(part->id, part->path);
}

}  // namespace

std::expected<std::string, Error> node_of(const HostFacts& facts, const PciSpec& device) {
  const auto* known = find_pci(facts, device.address);
  if (known == nullptr) {
    return std::unexpected(refused(Reason::no_such_object,
                                   fmt::format("this host has no PCI device {}", device.address),
                                   "see what there is: ruche host devices"));
  }
  if (!device.mediated.empty()) return node_of_part(facts, device);
  for (const auto judge :
       {refuse_bridge, refuse_needed, refuse_without_iommu, refuse_group, refuse_driver}) {
    if (auto refusal = judge(facts, *known)) return std::unexpected(std::move(*refusal));
  }
  if (auto refusal = refuse_ways(facts)) return std::unexpected(std::move(*refusal));
  return checked_node(known->address, known->path);
}

std::vector<std::string> group_of(const HostFacts& facts, std::string_view address) {
  std::vector<std::string> others;
  const auto* device = find_pci(facts, address);
  if (device == nullptr || !device->iommu_group) return others;
  for (const auto& other : facts.pci) {
    if (other.iommu_group == device->iommu_group && other.address != address) {
      others.push_back(other.address);
    }
  }
  return others;
}

// --- USB -----------------------------------------------------------------------------------------

namespace {

bool is_it(const UsbFacts& known, const UsbSpec& device) {
  return known.vendor_id == device.vendor_id && known.product_id == device.product_id &&
         (device.serial.empty() || known.serial == device.serial);
}

std::string name_of(const UsbSpec& device) {
  auto name = fmt::format("{}:{}", device.vendor_id, device.product_id);
  if (!device.serial.empty()) name += " with the serial number " + device.serial;
  return name;
}

Error refuse_alike(const std::vector<const UsbFacts*>& alike, const UsbSpec& device) {
  std::string serials;
  for (const auto* known : alike) {
    if (known->serial.empty()) continue;
    serials += fmt::format("{}{}", serials.empty() ? "" : ", ", known->serial);
  }
  const bool helps = !serials.empty() && device.serial.empty();
  return refused(Reason::bad_spec,
                 fmt::format("{} devices of this host are {}", alike.size(), name_of(device)),
                 helps ? fmt::format("say which one, by --serial: {}", serials)
                       : "they cannot be told apart: unplug all but one");
}

}  // namespace

std::expected<std::string, Error> node_of(const HostFacts& facts, const UsbSpec& device) {
  std::vector<const UsbFacts*> alike;
  for (const auto& known : facts.usb) {
    if (is_it(known, device)) alike.push_back(&known);
  }
  if (alike.empty()) {
    return std::unexpected(
        refused(Reason::no_such_object,
                fmt::format("no USB device {} is plugged in on this host", name_of(device)),
                "plug it in, or see what there is: ruche host devices"));
  }
  if (alike.front()->hub) {
    return std::unexpected(
        refused(Reason::host_cannot, fmt::format("{} is a hub", name_of(device)),
                "give the guest the devices that are plugged into it, one by one"));
  }
  if (alike.size() > 1) return std::unexpected(refuse_alike(alike, device));
  if (const auto& holds = alike.front()->holds; !holds.empty()) {
    return std::unexpected(refused(
        Reason::in_use, fmt::format("{} holds the {}, which the host uses", name_of(device), holds),
        "choose another, or let the host do without it first"));
  }
  if (!facts.is_root) {
    return std::unexpected(refused(Reason::host_cannot,
                                   "ruched is not root and may not take devices of the host",
                                   "run ruched as root"));
  }
  return alike.front()->path;
}

// --- what there is -------------------------------------------------------------------------------

namespace {

void judge(HostDeviceView& view, const std::expected<std::string, Error>& node) {
  view.usable = node ? "yes" : "no: " + node.error().message();
  if (!node) view.remedy = node.error().remedy_text();
}

HostDeviceView view_of(const HostFacts& facts, const PciFacts& device) {
  HostDeviceView view;
  view.device = device.address;
  view.what = fmt::format("{} {}:{}", device.device_class, device.vendor, device.device);
  view.driver = device.driver;
  view.iommu_group = device.iommu_group;
  judge(view, node_of(facts, PciSpec{.address = device.address}));
  return view;
}

HostDeviceView view_of(const HostFacts& facts, const MediatedFacts& part) {
  HostDeviceView view;
  view.device = part.address;
  view.mediated = part.id;
  view.what = "part of it, " + part.kind;
  view.iommu_group = part.iommu_group;
  judge(view, node_of(facts, PciSpec{.address = part.address, .mediated = part.id}));
  return view;
}

HostDeviceView view_of(const HostFacts& facts, const UsbFacts& device) {
  HostDeviceView view;
  view.kind = DeviceKind::usb;
  view.device = fmt::format("{}:{}", device.vendor_id, device.product_id);
  view.serial = device.serial;
  view.what = device.manufacturer;
  if (!view.what.empty() && !device.product.empty()) view.what += ' ';
  view.what += device.product;
  judge(view, node_of(facts, UsbSpec{.vendor_id = device.vendor_id,
                                     .product_id = device.product_id,
                                     .serial = device.serial}));
  return view;
}

}  // namespace

std::vector<HostDeviceView> host_devices(const HostFacts& facts) {
  std::vector<HostDeviceView> views;
  for (const auto& device : facts.usb) views.push_back(view_of(facts, device));
  for (const auto& device : facts.pci) {
    views.push_back(view_of(facts, device));
    for (const auto& part : facts.mediated) {
      if (part.address == device.address) views.push_back(view_of(facts, part));
    }
  }
  return views;
}

// --- words ---------------------------------------------------------------------------------------

namespace {

std::string in_small_letters(std::string_view text) {
  std::string small(text);
  for (char& c : small) {
    if (c >= 'A' && c <= 'F') c = static_cast<char>(c - 'A' + 'a');
  }
  return small;
}

bool is_hexadecimal(std::string_view text) {
  return text.find_first_not_of("0123456789abcdef") == text.npos;
}

}  // namespace

std::optional<UsbSpec> parse_usb(std::string_view text) {
  const auto small = in_small_letters(text);
  if (small.size() != 9 || small[4] != ':') return std::nullopt;
  UsbSpec device{.vendor_id = small.substr(0, 4), .product_id = small.substr(5)};
  if (!is_usb_id(device.vendor_id) || !is_usb_id(device.product_id)) return std::nullopt;
  return device;
}

bool is_usb_id(std::string_view text) { return text.size() == 4 && is_hexadecimal(text); }

// Linux prints it as %04x:%02x:%02x.%d (drivers/pci/probe.c); some domains have more digits.
bool is_pci_address(std::string_view text) {
  const auto colon = text.find(':');
  if (colon == text.npos || colon < 4 || colon > 8 || text.size() != colon + 8) return false;
  const auto rest = text.substr(colon + 1);
  return is_hexadecimal(text.substr(0, colon)) && is_hexadecimal(rest.substr(0, 2)) &&
         rest[2] == ':' && is_hexadecimal(rest.substr(3, 2)) && rest[5] == '.' && rest[6] >= '0' &&
         rest[6] <= '7';
}

constexpr auto describe(Type<HostDeviceView>) {
  using V = HostDeviceView;
  return structure<V>("HostDevice", "A device of a host, and whether a guest could be given it.",
                      field<&V::kind>("kind", "usb or pci."),
                      field<&V::device>("device", "Vendor and product, or address."),
                      field<&V::serial>("serial", "Serial number."),
                      field<&V::mediated>("mediated", "Id, of a part of a PCI device (mdev)."),
                      field<&V::what>("what", "What it is."),
                      field<&V::driver>("driver", "Kernel driver."),
                      field<&V::iommu_group>("iommu_group", "What is passed through together."),
                      field<&V::usable>("usable", "yes, or why not."),
                      field<&V::remedy>("remedy", "What to do about it."));
}

}  // namespace ruche::model

template const ruche::TypeInfo& ruche::type_of<ruche::model::HostDeviceView>();
