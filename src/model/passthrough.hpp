// Which devices of a host a guest can be given, judged from the host's facts, and why not: what is
// in the way and what to do about it. Pure.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "model/device_abilities.hpp"
#include "model/guest.hpp"
#include "model/host_facts.hpp"

namespace ruche::model {

// The node through which a guest gets the device, or the refusal.
std::expected<std::string, Error> node_of(const HostFacts& facts, const PciSpec& device);
std::expected<std::string, Error> node_of(const HostFacts& facts, const UsbSpec& device);

// Other devices that only go together with this one, by their addresses.
std::vector<std::string> group_of(const HostFacts& facts, std::string_view address);

// One of a host's devices as a guest could be given it.
struct HostDeviceView {
  DeviceKind kind = DeviceKind::pci;
  std::string device;    // vendor:product, or address
  std::string serial;    // of a USB device
  std::string mediated;  // id, of a part of a PCI device
  std::string what;
  std::string driver;
  std::optional<std::int64_t> iommu_group;
  std::string usable;  // "yes", or "no: " and why not
  std::string remedy;
};
std::vector<HostDeviceView> host_devices(const HostFacts& facts);

// "046d:c52b", in small letters whatever it was; nothing when it is no such pair.
std::optional<UsbSpec> parse_usb(std::string_view text);
// Four hexadecimal digits, in small letters.
bool is_usb_id(std::string_view text);
// 0000:3b:00.0, in small letters.
bool is_pci_address(std::string_view text);

}  // namespace ruche::model

extern template const ruche::TypeInfo& ruche::type_of<ruche::model::HostDeviceView>();
