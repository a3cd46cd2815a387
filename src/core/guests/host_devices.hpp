// Devices of the host in guests' hands: the nodes that a machine is given, and who has what.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/log.hpp"
#include "core/inventory/inventory.hpp"
#include "model/host_facts.hpp"
#include "model/passthrough.hpp"
#include "ports/hypervisor.hpp"

namespace ruche::core {

// Fills in the nodes from what the host just said of itself. Throws the refusal of a PCI device
// that the guest cannot have now. A USB device that is not plugged in is left out and logged.
void give_host_devices(ports::MachineSpec& spec, const model::HostFacts& facts, Log& log);

// The refusal when a guest of this host has the device, in its specification or still in its
// process; a PCI device takes those with it that share its IOMMU group, but for the guest's own.
std::optional<Error> why_held(const Inventory& inventory, const model::HostFacts& facts,
                              model::HostId host, model::GuestId wanting,
                              const model::PciSpec& device);
std::optional<Error> why_held(const Inventory& inventory, model::HostId host,
                              const model::UsbSpec& device);

// What a host has for guests, without what guests have already.
std::vector<model::HostDeviceView> devices_for_guests(const Inventory& inventory,
                                                      const model::HostFacts& facts,
                                                      model::HostId host);

}  // namespace ruche::core
