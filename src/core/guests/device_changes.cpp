#include "core/guests/device_changes.hpp"

#include <algorithm>

#include "base/overloaded.hpp"
#include "model/named.hpp"

namespace ruche::core {

namespace {

using Changes = std::vector<ports::DeviceChange>;

void add_what_goes(const model::VmSpec& from, const model::VmSpec& to, Changes& changes) {
  for (const auto& disk : from.disks) {
    if (!model::find_named(to.disks, disk.name)) changes.push_back(ports::UnplugDisk{disk});
  }
  for (const auto& nic : from.nics) {
    if (!model::find_named(to.nics, nic.name)) changes.push_back(ports::UnplugNic{nic});
  }
  for (const auto& device : from.usb) {
    if (!model::find_named(to.usb, device.name)) changes.push_back(ports::UnplugUsb{device});
  }
}

void add_disks(const model::VmSpec& from, const model::VmSpec& to, Changes& changes) {
  for (const auto& disk : to.disks) {
    const auto* before = model::find_named(from.disks, disk.name);
    if (!before) {
      changes.push_back(ports::PlugDisk{disk, {}});
    } else if (before->limits != disk.limits) {
      changes.push_back(ports::LimitDisk{disk});
    }
  }
}

void add_nics(const model::VmSpec& from, const model::VmSpec& to, Changes& changes) {
  for (const auto& nic : to.nics) {
    const auto* before = model::find_named(from.nics, nic.name);
    if (!before) {
      const auto& order = to.boot.order;
      const bool boots = std::ranges::find(order, nic.name) != order.end();
      changes.push_back(ports::PlugNic{nic, {}, boots});
    } else if (before->link != nic.link) {
      changes.push_back(ports::SetLink{nic});
    }
  }
}

}  // namespace

std::vector<ports::DeviceChange> device_changes(const model::VmSpec& from,
                                                const model::VmSpec& to) {
  Changes changes;
  add_what_goes(from, to, changes);
  add_disks(from, to, changes);
  add_nics(from, to, changes);
  for (const auto& device : to.usb) {
    if (!model::find_named(from.usb, device.name)) changes.push_back(ports::PlugUsb{device, {}});
  }
  for (const auto& drive : to.cdroms) {
    const auto* before = model::find_named(from.cdroms, drive.name);
    if (before && before->layer != drive.layer) changes.push_back(ports::ChangeMedium{drive, {}});
  }
  if (from.cpus != to.cpus) changes.push_back(ports::SetCpus{to.cpus});
  if (from.memory != to.memory) changes.push_back(ports::SetMemory{to.memory});
  if (from.memory_target != to.memory_target ||
      (to.memory_target.count > 0 && from.memory != to.memory)) {
    changes.push_back(ports::SetBalloon{to.memory_target.count > 0 ? to.memory_target : to.memory});
  }
  // A CPU that comes may run anywhere at first.
  if (from.cpu_pins != to.cpu_pins || (!to.cpu_pins.empty() && from.cpus != to.cpus)) {
    changes.push_back(ports::SetPins{to.cpu_pins});
  }
  return changes;
}

namespace {

template <class T>
void replace_named(std::vector<T>& devices, const T& device) {
  std::erase_if(devices, [&](const T& other) { return other.name == device.name; });
  devices.push_back(device);
}

template <class T>
void remove_named(std::vector<T>& devices, const std::string& name) {
  std::erase_if(devices, [&](const T& device) { return device.name == name; });
}

}  // namespace

void note_change(model::VmSpec& spec, const ports::DeviceChange& change) {
  std::visit(Overloaded{
                 [&](const ports::PlugDisk& c) { replace_named(spec.disks, c.disk); },
                 [&](const ports::UnplugDisk& c) { remove_named(spec.disks, c.disk.name); },
                 [&](const ports::LimitDisk& c) { replace_named(spec.disks, c.disk); },
                 [&](const ports::PlugNic& c) { replace_named(spec.nics, c.nic); },
                 [&](const ports::UnplugNic& c) { remove_named(spec.nics, c.nic.name); },
                 [&](const ports::PlugUsb& c) { replace_named(spec.usb, c.device); },
                 [&](const ports::UnplugUsb& c) { remove_named(spec.usb, c.device.name); },
                 [&](const ports::SetLink& c) { replace_named(spec.nics, c.nic); },
                 [&](const ports::ChangeMedium& c) { replace_named(spec.cdroms, c.drive); },
                 [&](const ports::SetCpus& c) { spec.cpus = c.cpus; },
                 [&](const ports::SetMemory& c) { spec.memory = c.size; },
                 [&](const ports::SetBalloon& c) {
                   spec.memory_target = c.target == spec.memory ? Bytes{} : c.target;
                 },
                 [&](const ports::SetPins& c) { spec.cpu_pins = c.pins; },
             },
             change);
}

bool needs_guest(const ports::DeviceChange& change) {
  return std::holds_alternative<ports::UnplugDisk>(change) ||
         std::holds_alternative<ports::UnplugNic>(change) ||
         std::holds_alternative<ports::SetCpus>(change) ||
         std::holds_alternative<ports::SetMemory>(change);
}

}  // namespace ruche::core
