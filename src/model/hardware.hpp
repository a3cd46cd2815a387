// Where devices sit in a guest. A hardware version fixes the mapping from a specification to
// devices and addresses; addresses are stored in the document, so that a device keeps its place
// when others come and go. The mapping of a released version never changes.
//
// Version 1. Every PCI device sits behind a root port of its own; a root port's device number on
// the root bus is the `slot`. Number 0 is the host bridge and 31 the chipset; 1 and 2 are kept for
// the random number generator and the SCSI controller, 28 to 30 for the display (which is on the
// root bus itself), the USB controller and the agent's channel, 27 for memory that is added, 26 for
// the balloon, 24 and 25 for the watchdog and the sound card (which are on the root bus
// themselves). What `slot` means for
//   a virtio-blk disk, an NVMe disk, a NIC, a PCI device of the host: the root port's number, 3 to
//                                23;
//   a virtio-scsi disk:          SCSI target + 1;
//   a SATA disk, a CD-ROM drive: port + 1, 1 to 5.
// The seed is the last target of the SCSI controller.
// 0 means "not assigned yet". Beside the root ports in use a guest starts with kSparePorts empty
// ones, the lowest that are free, so that devices can be added while it runs.
#pragma once

#include <cstdint>
#include <expected>
#include <set>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "base/random.hpp"
#include "model/guest.hpp"

namespace ruche::model {

inline constexpr std::uint32_t kRandomSlot = 1;
inline constexpr std::uint32_t kScsiSlot = 2;
inline constexpr std::uint32_t kFirstFreeSlot = 3;
inline constexpr std::uint32_t kLastFreeSlot = 23;
inline constexpr std::uint32_t kBalloonSlot = 26;
inline constexpr std::uint32_t kMemorySlot = 27;
inline constexpr std::uint32_t kDisplaySlot = 28;
inline constexpr std::uint32_t kUsbSlot = 29;
inline constexpr std::uint32_t kChannelSlot = 30;
inline constexpr std::uint32_t kWatchdogSlot = 24;
inline constexpr std::uint32_t kSoundSlot = 25;
inline constexpr std::uint32_t kSparePorts = 4;
inline constexpr std::uint32_t kMostScsiTargets = 255;
inline constexpr std::uint32_t kSataPorts = 5;
inline constexpr std::uint32_t kSeedTarget = 255;

// Gives a slot to every disk and NIC that has none and checks those that have one. Fails with
// bad_spec (two devices in one place, no place left, a place outside the limits) at the device's
// field; the specification is then unchanged.
std::expected<void, Error> assign_slots(VmSpec& spec);

// The PCI root ports that a guest is started with: of its devices, and the spare ones.
std::set<std::uint32_t> root_ports(const VmSpec& spec);
// The most CPUs that it can have before the next start.
std::uint32_t most_cpus(const VmSpec& spec);
// Whether a disk, a drive or an adapter is called so.
bool has_device(const VmSpec& spec, std::string_view name);
// Memory is added in blocks of this size (virtio-mem on x86).
inline constexpr Bytes kMemoryBlock = mib(2);

// 52:54:00 (QEMU's prefix, locally administered) and three random bytes. Unique with the chance of
// 24 bits: the caller looks whether it is taken.
std::string make_mac(Random& random);
// Six pairs of lower-case hexadecimal digits, joined by colons.
bool is_mac(std::string_view text);

}  // namespace ruche::model
