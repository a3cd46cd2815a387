#include "sim/fake_devices.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/overloaded.hpp"
#include "model/named.hpp"
#include "sim/fake_hypervisor.hpp"

namespace ruche::sim {

namespace {

constexpr Duration kPatience{30'000};

bool asks_guest(const ports::DeviceChange& change) {
  return std::holds_alternative<ports::UnplugDisk>(change) ||
         std::holds_alternative<ports::UnplugNic>(change) ||
         std::holds_alternative<ports::SetCpus>(change) ||
         std::holds_alternative<ports::SetMemory>(change);
}

}  // namespace

Async<void> FakeDevices::reach() {
  co_await engine_.arrive();
  co_await engine_.reach(process_);
  if (!process_->alive()) {
    throw Error(Reason::hypervisor_failed, "the guest's process has ended");
  }
  if (engine_.chance(engine_.faults_.unanswered)) {
    throw Error(Reason::hypervisor_failed, "the monitor did not answer");
  }
}

bool FakeDevices::is_made(const ports::DeviceChange& change) const {
  auto& spec = process_->spec.spec;
  return std::visit(Overloaded{
                        [&](const ports::PlugDisk& c) {
                          return model::find_named(spec.disks, c.disk.name) != nullptr;
                        },
                        [&](const ports::UnplugDisk& c) {
                          return model::find_named(spec.disks, c.disk.name) == nullptr;
                        },
                        [&](const ports::LimitDisk& c) {
                          const auto* disk = model::find_named(spec.disks, c.disk.name);
                          return disk != nullptr && disk->limits == c.disk.limits;
                        },
                        [&](const ports::PlugNic& c) {
                          return model::find_named(spec.nics, c.nic.name) != nullptr;
                        },
                        [&](const ports::UnplugNic& c) {
                          return model::find_named(spec.nics, c.nic.name) == nullptr;
                        },
                        [&](const ports::PlugUsb& c) {
                          return model::find_named(spec.usb, c.device.name) != nullptr;
                        },
                        [&](const ports::UnplugUsb& c) {
                          return model::find_named(spec.usb, c.device.name) == nullptr;
                        },
                        [&](const ports::SetLink& c) {
                          const auto* nic = model::find_named(spec.nics, c.nic.name);
                          return nic != nullptr && nic->link == c.nic.link;
                        },
                        [&](const ports::ChangeMedium& c) {
                          const auto* drive = model::find_named(spec.cdroms, c.drive.name);
                          return drive != nullptr && drive->layer == c.drive.layer;
                        },
                        [&](const ports::SetCpus& c) { return spec.cpus == c.cpus; },
                        [&](const ports::SetMemory& c) { return spec.memory == c.size; },
                        [&](const ports::SetBalloon& c) {
                          const auto now =
                              spec.memory_target.count > 0 ? spec.memory_target : spec.memory;
                          return now == c.target;
                        },
                        [&](const ports::SetPins& c) { return spec.cpu_pins == c.pins; },
                    },
                    change);
}

void FakeDevices::plug(const ports::PlugDisk& change) {
  auto& machines = engine_.machines_;
  const auto& path = change.files.chain.at(0).path;
  if (const auto why = machines.storage_.open(change.files.chain); !why.empty()) {
    throw Error(Reason::hypervisor_failed, why);
  }
  if (!machines.storage_.lock(path)) {
    machines.lock_refusals_.push_back({machines.host_, process_->guest, path});
    throw Error(Reason::hypervisor_failed, "Failed to get \"write\" lock on " + path);
  }
  process_->spec.spec.disks.push_back(change.disk);
  process_->spec.disks.push_back(change.files);
}

void FakeDevices::plug(const ports::PlugUsb& change) {
  if (change.path.empty()) {
    throw Error(Reason::hypervisor_failed, "no node for " + change.device.name);
  }
  process_->spec.spec.usb.push_back(change.device);
  process_->spec.usb.push_back({change.device.name, change.path});
}

void FakeDevices::unplug(const std::string& disk) {
  auto& spec = process_->spec;
  if (const auto* files = model::find_named(spec.disks, disk)) {
    engine_.machines_.storage_.unlock(files->chain.front().path);
  }
  std::erase_if(spec.disks, [&](const auto& known) { return known.name == disk; });
  std::erase_if(spec.spec.disks, [&](const auto& known) { return known.name == disk; });
}

void FakeDevices::make(ports::DeviceChange& change) {
  auto& spec = process_->spec.spec;
  const auto missing = [](const std::string& name) {
    return Error(Reason::hypervisor_failed, "the machine has no " + name);
  };
  std::visit(
      Overloaded{
          [&](ports::PlugDisk& c) { plug(c); },
          [&](ports::UnplugDisk& c) { unplug(c.disk.name); },
          [&](ports::LimitDisk& c) {
            auto* disk = model::find_named(spec.disks, c.disk.name);
            if (disk == nullptr) throw missing(c.disk.name);
            disk->limits = c.disk.limits;
          },
          [&](ports::PlugNic& c) {
            if (c.nic.network && !c.port) throw missing("port for " + c.nic.name);
            if (c.port) process_->spec.ports.push_back(*c.port);
            spec.nics.push_back(c.nic);
          },
          [&](ports::UnplugNic& c) {
            const auto is_it = [&](const auto& port) { return port.nic == c.nic.name; };
            std::erase_if(process_->spec.ports, is_it);
            std::erase_if(spec.nics, [&](const auto& nic) { return nic.name == c.nic.name; });
          },
          [&](ports::PlugUsb& c) { plug(c); },
          [&](ports::UnplugUsb& c) {
            const auto is_it = [&](const auto& known) { return known.name == c.device.name; };
            std::erase_if(spec.usb, is_it);
            std::erase_if(process_->spec.usb, is_it);
          },
          [&](ports::SetLink& c) {
            auto* nic = model::find_named(spec.nics, c.nic.name);
            if (nic == nullptr) throw missing(c.nic.name);
            nic->link = c.nic.link;
          },
          [&](ports::ChangeMedium& c) {
            auto* drive = model::find_named(spec.cdroms, c.drive.name);
            if (drive == nullptr) throw missing(c.drive.name);
            *drive = c.drive;
          },
          [&](ports::SetCpus& c) { spec.cpus = c.cpus; },
          [&](ports::SetMemory& c) { spec.memory = c.size; },
          [&](ports::SetBalloon& c) {
            spec.memory_target = c.target == spec.memory ? Bytes{} : c.target;
          },
          [&](ports::SetPins& c) { spec.cpu_pins = c.pins; },
      },
      change);
}

Async<void> FakeDevices::change(ports::DeviceChange change) {
  const auto process = process_;
  co_await reach();
  if (is_made(change)) co_return;
  if (asks_guest(change) && process->follows && (*process->follows)-- == 0) {
    process->keeps_devices = true;
    process->follows.reset();
  }
  if (process->keeps_devices && asks_guest(change)) {
    co_await sleep_for(engine_.clock_, kPatience);
    throw Error(Reason::guest_did_not_follow, "the guest did not follow");
  }
  engine_.effect("device " + to_text(process->guest), [&] { make(change); });
}

Async<void> FakeDevices::grow(model::DiskSpec disk, Bytes size) {
  const auto process = process_;
  co_await reach();
  auto* known = model::find_named(process->spec.spec.disks, disk.name);
  const auto* files = model::find_named(process->spec.disks, disk.name);
  if (known == nullptr || files == nullptr) {
    throw Error(Reason::no_such_object, "the machine has no " + disk.name);
  }
  if (known->size == size) co_return;
  const auto path = files->chain.front().path;
  engine_.effect("grow " + to_text(process->guest), [&] {
    known->size = size;
    engine_.machines_.storage_.grow(path, size);
  });
}

Async<ports::MemoryFacts> FakeDevices::memory() {
  const auto process = process_;
  co_await reach();
  const auto& spec = process->spec.spec;
  ports::MemoryFacts facts;
  facts.plugged = spec.memory;
  facts.available = spec.memory_target.count > 0 ? spec.memory_target : spec.memory;
  co_return facts;
}

}  // namespace ruche::sim
