// What a device allows: one table, device × ability. It decides before any effect, names the device
// in a refusal, and warns when such a device is added. docs/devices.md shows it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "model/guest.hpp"

namespace ruche::model {

enum class DeviceKind {
  virtio_blk,
  virtio_scsi,
  sata,
  nvme,
  cdrom,
  virtio_nic,
  e1000e,
  virtio_mem,
  balloon,
  display,
  watchdog,
  serial,
  tpm,
  sound,
  share,
  usb,
  pci
};
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

enum class Ability { hot_plug, memory_snapshot, suspend, instant_clone, migrate };
inline constexpr Ability kAbilities[] = {Ability::hot_plug, Ability::memory_snapshot,
                                         Ability::suspend, Ability::instant_clone,
                                         Ability::migrate};
constexpr auto describe(Type<Ability>) {
  return enumeration<Ability>(
      "Ability", "What a device may stand in the way of.",
      value(Ability::hot_plug, "hot-plug", "Coming and going while the guest runs."),
      value(Ability::memory_snapshot, "memory-snapshot", "A snapshot with memory."),
      value(Ability::suspend, "suspend", "Suspending the guest to disk."),
      value(Ability::instant_clone, "instant-clone", "Doubling the running guest."),
      value(Ability::migrate, "migrate", "Moving the running guest to another host."));
}

// Empty: it allows it. Else why not, for people.
std::string_view why_not(DeviceKind device, Ability ability);

// A device of a guest, with what it allows: "yes", or why not.
struct DeviceView {
  std::string name;
  DeviceKind kind = DeviceKind::virtio_blk;
  std::string hot_plug;
  std::string memory_snapshot;
  std::string suspend;
  std::string instant_clone;
  std::string migrate;
};
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
std::vector<DeviceView> devices_of(const VmSpec& spec);

// "no migrate, no suspend: …" of a device that stands in the way of something but hot-plug; empty
// for one that does not.
std::string warning_of(DeviceKind device);

DeviceKind kind_of(const DiskSpec& disk);
DeviceKind kind_of(const NicSpec& nic);

}  // namespace ruche::model
