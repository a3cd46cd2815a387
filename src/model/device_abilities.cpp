#include "model/device_abilities.hpp"

#include <fmt/format.h>

#include "base/error.hpp"
#include "model/serial_ports.hpp"

namespace ruche::model {

namespace {

constexpr std::string_view kWithStart = "it comes and goes with a start";
constexpr std::string_view kFixedDevice = "it is part of the machine";
// hw/nvme/ctrl.c: its state is marked unmigratable, and everything that saves memory saves devices.
constexpr std::string_view kNvme = "QEMU cannot save the state of an NVMe controller";
constexpr std::string_view kOutside = "what it does and knows is in the device, out of reach";
// hw/vfio/pci.c: without a migration region of its own a device blocks whatever saves memory.
constexpr std::string_view kUnknown =
    "QEMU cannot save the state of a device that it does not know";
constexpr std::string_view kSharedIdentity = "a clone would share the identity of its TPM";
constexpr std::string_view kFolder = "what virtiofsd has open cannot be saved";
constexpr std::string_view kSharedMemory = "clones share memory that nobody may take away";

}  // namespace

std::string_view why_not(DeviceKind device, Ability ability) {
  switch (device) {
    case DeviceKind::virtio_blk:
    case DeviceKind::virtio_scsi:
    case DeviceKind::virtio_nic:
    case DeviceKind::e1000e:
      return {};
    case DeviceKind::nvme:
      return ability == Ability::hot_plug ? std::string_view() : kNvme;
    case DeviceKind::sata:
    case DeviceKind::cdrom:
      return ability == Ability::hot_plug ? kWithStart : std::string_view();
    case DeviceKind::virtio_mem:
    case DeviceKind::balloon:
      if (ability == Ability::instant_clone) return kSharedMemory;
      return ability == Ability::hot_plug ? kWithStart : std::string_view();
    case DeviceKind::display:
    case DeviceKind::watchdog:
    case DeviceKind::serial:
    case DeviceKind::sound:
      return ability == Ability::hot_plug ? kFixedDevice : std::string_view();
    case DeviceKind::tpm:
      if (ability == Ability::instant_clone) return kSharedIdentity;
      return ability == Ability::hot_plug ? kFixedDevice : std::string_view();
    case DeviceKind::share:
      return ability == Ability::hot_plug ? kWithStart : kFolder;
    case DeviceKind::usb:
      return ability == Ability::hot_plug ? std::string_view() : kOutside;
    case DeviceKind::pci:
      return ability == Ability::hot_plug ? kWithStart : kUnknown;
  }
  broken_invariant("a device outside its enumeration");
}

DeviceKind kind_of(const DiskSpec& disk) {
  switch (disk.bus) {
    case DiskBus::virtio_blk:
      return DeviceKind::virtio_blk;
    case DiskBus::virtio_scsi:
      return DeviceKind::virtio_scsi;
    case DiskBus::sata:
      return DeviceKind::sata;
    case DiskBus::nvme:
      return DeviceKind::nvme;
  }
  broken_invariant("a disk bus outside its enumeration");
}

DeviceKind kind_of(const NicSpec& nic) {
  return nic.model == NicModel::virtio ? DeviceKind::virtio_nic : DeviceKind::e1000e;
}

std::vector<DeviceView> devices_of(const VmSpec& spec) {
  std::vector<DeviceView> devices;
  const auto add = [&](std::string name, DeviceKind kind) {
    const auto says = [kind](Ability ability) {
      const auto why = why_not(kind, ability);
      return why.empty() ? std::string("yes") : "no: " + std::string(why);
    };
    devices.push_back({std::move(name), kind, says(Ability::hot_plug),
                       says(Ability::memory_snapshot), says(Ability::suspend),
                       says(Ability::instant_clone), says(Ability::migrate)});
  };
  for (const auto& disk : spec.disks) add(disk.name, kind_of(disk));
  for (const auto& drive : spec.cdroms) add(drive.name, DeviceKind::cdrom);
  for (const auto& nic : spec.nics) add(nic.name, kind_of(nic));
  for (const auto& share : spec.shares) add(share.name, DeviceKind::share);
  for (const auto& device : spec.usb) add(device.name, DeviceKind::usb);
  for (const auto& device : spec.pci) add(device.name, DeviceKind::pci);
  if (spec.memory_max > spec.memory) add("memory", DeviceKind::virtio_mem);
  if (spec.memory_min.count > 0) add("balloon", DeviceKind::balloon);
  if (spec.display != DisplayKind::none) add("display", DeviceKind::display);
  if (spec.watchdog) add("watchdog", DeviceKind::watchdog);
  for (std::uint32_t port = 0; port < serial_port_count(spec); ++port) {
    add(port == 0 ? "serial" : fmt::format("serial{}", port), DeviceKind::serial);
  }
  if (spec.sound != SoundKind::none) add("sound", DeviceKind::sound);
  if (spec.tpm) add("tpm", DeviceKind::tpm);
  return devices;
}

std::string warning_of(DeviceKind device) {
  std::string lost;
  std::string_view why;
  for (const auto ability : kAbilities) {
    if (ability == Ability::hot_plug || why_not(device, ability).empty()) continue;
    lost += fmt::format("{}no {}", lost.empty() ? "" : ", ", enum_name(ability));
    why = why_not(device, ability);
  }
  return lost.empty() ? lost : fmt::format("{}: {}", lost, why);
}

constexpr auto describe(Type<DeviceKind>) {
  return enumeration<DeviceKind>(
      "DeviceKind", "Kinds of devices of a guest.",
      value(DeviceKind::virtio_blk, "virtio-blk", "A disk on virtio-blk."),
      value(DeviceKind::virtio_scsi, "virtio-scsi", "A disk on virtio-scsi."),
      value(DeviceKind::sata, "sata", "A disk on SATA."),
      value(DeviceKind::nvme, "nvme", "An NVMe disk."),
      value(DeviceKind::cdrom, "cdrom", "A CD-ROM drive."),
      value(DeviceKind::virtio_nic, "virtio-net", "A virtio network adapter."),
      value(DeviceKind::e1000e, "e1000e", "An Intel network adapter."),
      value(DeviceKind::virtio_mem, "virtio-mem", "Room for more memory."),
      value(DeviceKind::balloon, "balloon", "The balloon that takes memory back."),
      value(DeviceKind::display, "display", "The screen."),
      value(DeviceKind::watchdog, "watchdog", "The watchdog."),
      value(DeviceKind::serial, "serial", "The serial console."),
      value(DeviceKind::tpm, "tpm", "The TPM."),
      value(DeviceKind::sound, "sound", "The sound card."),
      value(DeviceKind::share, "share", "A folder of the host."),
      value(DeviceKind::usb, "usb", "A USB device of the host."),
      value(DeviceKind::pci, "pci", "A PCI device of the host."));
}

constexpr auto describe(Type<Ability>) {
  return enumeration<Ability>(
      "Ability", "What a device may stand in the way of.",
      value(Ability::hot_plug, "hot-plug", "Coming and going while the guest runs."),
      value(Ability::memory_snapshot, "memory-snapshot", "A snapshot with memory."),
      value(Ability::suspend, "suspend", "Suspending the guest to disk."),
      value(Ability::instant_clone, "instant-clone", "Doubling the running guest."),
      value(Ability::migrate, "migrate", "Moving the running guest to another host."));
}

constexpr auto describe(Type<DeviceView>) {
  using D = DeviceView;
  return structure<D>("Device", "A device of a VM, and what it allows: yes, or why not.",
                      field<&D::name>("name", "Its name in the guest."),
                      field<&D::kind>("kind", "What it is."),
                      field<&D::hot_plug>("hot_plug", "Coming and going while the VM runs."),
                      field<&D::memory_snapshot>("memory_snapshot", "A snapshot with memory."),
                      field<&D::suspend>("suspend", "Suspending the VM to disk."),
                      field<&D::instant_clone>("instant_clone", "Doubling the running VM."),
                      field<&D::migrate>("migrate", "Moving the running VM to another host."));
}

}  // namespace ruche::model

template const ruche::TypeInfo& ruche::type_of<ruche::model::DeviceKind>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::Ability>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::DeviceView>();
