#include "drivers/qemu/host_devices.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "model/hardware.hpp"

namespace ruche::drivers::qemu {

namespace {

// One for each device of the host, one for the tablet, and one that stays free: what comes last
// would be put behind a hub of full speed (hw/usb/bus.c).
constexpr std::size_t kUsbPorts = model::kMostUsb + 2;

const std::string& path_of(const std::vector<ports::HostDevice>& nodes, const std::string& name) {
  static const std::string none;
  const auto found = std::ranges::find(nodes, name, &ports::HostDevice::name);
  return found == nodes.end() ? none : found->path;
}

}  // namespace

std::string usb_id(std::string_view name) { return fmt::format("usb-{}", name); }

json::Object usb_device(std::string_view name, const std::string& node) {
  return {{"driver", "usb-host"}, {"id", usb_id(name)}, {"bus", "usb.0"}, {"hostdevice", node}};
}

// The tablet says where the pointer is, so that a viewer's pointer and the guest's are one.
void add_usb(Arguments& out, const ports::MachineSpec& machine) {
  const auto& spec = machine.spec;
  const bool screen = spec.display != model::DisplayKind::none;
  if (!screen && spec.usb.empty()) return;
  out.add("-device", fmt::format("qemu-xhci,id=usb,bus=port{},p2={},p3={}", model::kUsbSlot,
                                 kUsbPorts, kUsbPorts));
  if (screen) out.add("-device", "usb-tablet,id=tablet,bus=usb.0,port=1");
  for (const auto& device : spec.usb) {
    const auto& path = path_of(machine.usb, device.name);
    if (path.empty()) continue;  // it is not plugged in
    const auto node = out.fdset(path, Arguments::Access::device);
    out.add("-device", boost::json::serialize(usb_device(device.name, node)));
  }
}

std::expected<void, Error> add_pci(Arguments& out, const ports::MachineSpec& machine) {
  const auto& devices = machine.spec.pci;
  if (devices.empty()) return {};
  out.add("-object", fmt::format("iommufd,id=iommufd0,fd={}", out.descriptor("/dev/iommu")));
  for (std::size_t i = 0; i < devices.size(); ++i) {
    const auto& device = devices[i];
    const auto& path = path_of(machine.pci, device.name);
    if (path.empty()) {
      return std::unexpected(
          Error(Reason::bad_spec, fmt::format("{} has no node on this host", device.name))
              .at(fmt::format("/pci/{}", i)));
    }
    out.add("-device", fmt::format("vfio-pci,id=pci-{},bus=port{},fd={},iommufd=iommufd0",
                                   device.name, device.slot, out.descriptor(path)));
  }
  return {};
}

}  // namespace ruche::drivers::qemu
