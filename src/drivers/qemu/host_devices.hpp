// Devices of the host that a guest drives. QEMU gets each through a descriptor that the daemon
// opened: a USB device as its node of usbfs, a PCI device or a part of one as its node of VFIO,
// which is bound to an IOMMU address space that is QEMU's own (iommufd).
#pragma once

#include <expected>
#include <string>

#include "base/error.hpp"
#include "base/json_value.hpp"
#include "drivers/qemu/arguments.hpp"
#include "ports/hypervisor.hpp"

namespace ruche::drivers::qemu {

// The controller, where there is something for it, and the devices that are plugged in.
void add_usb(Arguments& out, const ports::MachineSpec& machine);
std::expected<void, Error> add_pci(Arguments& out, const ports::MachineSpec& machine);

std::string usb_id(std::string_view name);
// In the words of device_add; `node` is a descriptor set.
json::Object usb_device(std::string_view name, const std::string& node);

}  // namespace ruche::drivers::qemu
