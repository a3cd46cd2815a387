#include "core/guests/host_devices.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

namespace ruche::core {

namespace {

struct Holder {
  std::string guest;
  std::string device;
  bool only_runs_with_it = false;  // its specification has it no more
};

// `held` says which device of a specification is in the way; empty: none.
using Held = std::function<std::string(const model::VmSpec&, model::GuestId)>;

std::optional<Holder> find_holder(const Inventory& inventory, model::HostId host,
                                  const Held& held) {
  for (const auto& [id, record] : inventory.guests()) {
    if (!record->complete() || record->placement->value.host != host) continue;
    const auto& guest = record->spec->value;
    auto device = held(guest.spec, guest.id);
    if (!device.empty()) return Holder{guest.name, std::move(device)};
    if (!record->status || !record->status->value.running) continue;
    device = held(record->status->value.running->spec, guest.id);
    if (!device.empty()) return Holder{guest.name, std::move(device), true};
  }
  return std::nullopt;
}

Error refusal_of(const Holder& holder, const std::string& what, std::string_view verb) {
  if (holder.only_runs_with_it) {
    return Error(Reason::in_use, fmt::format("{} has {} until its next start", holder.guest, what))
        .remedy(fmt::format("stop it first: ruche vm shutdown {}", holder.guest));
  }
  return Error(Reason::in_use, fmt::format("{} has {}, as {}", holder.guest, what, holder.device))
      .remedy(fmt::format("take it from there first: ruche vm {} remove {} {}", verb, holder.guest,
                          holder.device));
}

// A part stands beside other parts, and not beside the whole device.
bool same_device(const model::PciSpec& a, const model::PciSpec& b) {
  return a.address == b.address &&
         (a.mediated == b.mediated || a.mediated.empty() || b.mediated.empty());
}

}  // namespace

void give_host_devices(ports::MachineSpec& spec, const model::HostFacts& facts, Log& log) {
  for (const auto& device : spec.spec.usb) {
    const auto node = model::node_of(facts, device);
    spec.usb.push_back({device.name, node.value_or("")});
    if (node) continue;
    log.warning("guests", fmt::format("{} starts without {}", spec.name, device.name),
                {{"guest", to_text(spec.guest)}, {"why", node.error().full_message()}});
  }
  for (const auto& device : spec.spec.pci) {
    auto node = model::node_of(facts, device);
    if (!node) throw std::move(node.error());
    spec.pci.push_back({device.name, std::move(*node)});
  }
}

std::optional<Error> why_held(const Inventory& inventory, const model::HostFacts& facts,
                              model::HostId host, model::GuestId wanting,
                              const model::PciSpec& device) {
  const auto itself =
      find_holder(inventory, host, [&](const model::VmSpec& spec, model::GuestId) -> std::string {
        const auto found = std::ranges::find_if(
            spec.pci, [&](const auto& known) { return same_device(known, device); });
        return found == spec.pci.end() ? "" : found->name;
      });
  if (itself) return refusal_of(*itself, device.address, "pci").at("/address");
  if (!device.mediated.empty()) return std::nullopt;
  const auto group = model::group_of(facts, device.address);
  const auto beside = find_holder(
      inventory, host, [&](const model::VmSpec& spec, model::GuestId guest) -> std::string {
        if (guest == wanting) return {};
        const auto found = std::ranges::find_if(spec.pci, [&](const auto& known) {
          return known.mediated.empty() && std::ranges::count(group, known.address) > 0;
        });
        return found == spec.pci.end() ? "" : found->name;
      });
  if (!beside) return std::nullopt;
  const auto what = fmt::format("a device that shares the IOMMU group of {}", device.address);
  return refusal_of(*beside, what, "pci").at("/address");
}

std::optional<Error> why_held(const Inventory& inventory, model::HostId host,
                              const model::UsbSpec& device) {
  const auto holder =
      find_holder(inventory, host, [&](const model::VmSpec& spec, model::GuestId) -> std::string {
        const auto found = std::ranges::find_if(spec.usb, [&](const auto& known) {
          return known.vendor_id == device.vendor_id && known.product_id == device.product_id &&
                 (known.serial == device.serial || known.serial.empty() || device.serial.empty());
        });
        return found == spec.usb.end() ? "" : found->name;
      });
  if (!holder) return std::nullopt;
  const auto what = fmt::format("{}:{}", device.vendor_id, device.product_id);
  return refusal_of(*holder, what, "usb").at("/device");
}

std::vector<model::HostDeviceView> devices_for_guests(const Inventory& inventory,
                                                      const model::HostFacts& facts,
                                                      model::HostId host) {
  auto devices = model::host_devices(facts);
  for (auto& view : devices) {
    if (view.usable != "yes") continue;
    std::optional<Error> held;
    if (auto usb = model::parse_usb(view.device); view.kind == model::DeviceKind::usb && usb) {
      usb->serial = view.serial;
      held = why_held(inventory, host, *usb);
    } else {
      const model::PciSpec device{.address = view.device, .mediated = view.mediated};
      held = why_held(inventory, facts, host, {}, device);
    }
    if (!held) continue;
    view.usable = "no: " + held->message();
    view.remedy = held->remedy_text();
  }
  return devices;
}

}  // namespace ruche::core
