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

enum class Ability { hot_plug, memory_snapshot, suspend, instant_clone, migrate };
inline constexpr Ability kAbilities[] = {Ability::hot_plug, Ability::memory_snapshot,
                                         Ability::suspend, Ability::instant_clone,
                                         Ability::migrate};

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
std::vector<DeviceView> devices_of(const VmSpec& spec);

// "no migrate, no suspend: …" of a device that stands in the way of something but hot-plug; empty
// for one that does not.
std::string warning_of(DeviceKind device);

DeviceKind kind_of(const DiskSpec& disk);
DeviceKind kind_of(const NicSpec& nic);

}  // namespace ruche::model

extern template const ruche::TypeInfo& ruche::type_of<ruche::model::DeviceKind>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::Ability>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::DeviceView>();
