// The devices of a virtual machine. Plain data; where they sit is in hardware.hpp.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/reflect.hpp"
#include "model/ids.hpp"

namespace ruche::model {

enum class DiskBus { virtio_blk, virtio_scsi, sata, nvme };

enum class DiskCache { writeback, none, writethrough };

// What a disk may do at most; 0: no limit. A burst is what it may do for as long as it saved up
// (QEMU's leaky bucket, docs/throttle.txt); it needs the limit that it stands above.
struct DiskLimits {
  std::uint32_t iops = 0;
  std::uint32_t iops_burst = 0;
  Bytes bytes_per_second;
  Bytes bytes_per_second_burst;
  friend bool operator==(const DiskLimits&, const DiskLimits&) = default;
};

enum class DiskFormat { qcow2, raw };

struct DiskSpec {
  std::string name;  // disk0, disk1, …
  LayerId layer;     // the top of its chain
  Bytes size;
  DiskBus bus = DiskBus::virtio_blk;
  std::uint32_t slot = 0;  // its place on the bus (model/hardware.hpp), assigned once and kept
  DiskCache cache = DiskCache::writeback;
  bool discard = true;
  DiskLimits limits;
};

struct CdromSpec {
  std::string name;  // cdrom0, cdrom1, …
  std::optional<ImageId> image;  // absent: the drive is empty
  std::optional<LayerId> layer;  // of the image
  std::uint32_t slot = 0;
};

struct PortForward {
  std::uint16_t host_port = 0;
  std::uint16_t guest_port = 0;
  friend bool operator==(const PortForward&, const PortForward&) = default;
};

enum class NicKind { user, network };

enum class NicModel { virtio, e1000e };

enum class LinkState { up, down };

struct NicSpec {
  std::string name;  // nic0, nic1, …
  NicKind kind = NicKind::user;
  std::string mac;  // 52:54:00:xx:xx:xx, assigned at creation
  std::vector<PortForward> forwards;
  std::uint32_t slot = 0;
  std::optional<NetworkId> network;  // of kind network
  std::string address;  // on its network: known before the guest boots, and its own until purged
  LinkState link = LinkState::up;
  NicModel model = NicModel::virtio;
  friend bool operator==(const NicSpec&, const NicSpec&) = default;
};

enum class DisplayKind { none, vga, virtio };

enum class SoundKind { none, hda };

// A TPM 2.0. Its state belongs to the guest, as its disks do.
struct TpmSpec {
  LayerId state;
  friend bool operator==(const TpmSpec&, const TpmSpec&) = default;
};

// A folder of the host that the guest mounts by its name (virtiofs).
struct ShareSpec {
  std::string name;  // the tag: mount -t virtiofs NAME /mnt
  std::string path;
  bool read_only = false;
  std::uint32_t slot = 0;
  friend bool operator==(const ShareSpec&, const ShareSpec&) = default;
};

// A USB device of the host, by what it is: wherever it is plugged in.
struct UsbSpec {
  std::string name;  // usb0, usb1, …
  std::string vendor_id;   // four hexadecimal digits
  std::string product_id;
  std::string serial;  // where several are alike; empty: any
  friend bool operator==(const UsbSpec&, const UsbSpec&) = default;
};

// A PCI device of the host, whole or a mediated part of one.
struct PciSpec {
  std::string name;  // pci0, pci1, …
  std::string address;  // 0000:3b:00.0
  std::string mediated;  // id of the mediated device (mdev); empty: the whole device
  std::uint32_t slot = 0;
  friend bool operator==(const PciSpec&, const PciSpec&) = default;
};

inline constexpr std::size_t kMostDisks = 16;
inline constexpr std::size_t kMostNics = 8;
inline constexpr std::size_t kMostDrives = 4;
inline constexpr std::size_t kMostFolders = 8;
inline constexpr std::size_t kMostUsb = 8;
inline constexpr std::size_t kMostPci = 8;
inline constexpr std::uint32_t kMostSerialPorts = 4;

}  // namespace ruche::model

extern template const ruche::TypeInfo& ruche::type_of<ruche::model::DiskBus>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::DiskCache>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::DiskLimits>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::DiskFormat>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::DiskSpec>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::CdromSpec>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::PortForward>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::NicKind>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::NicModel>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::LinkState>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::NicSpec>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::DisplayKind>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::SoundKind>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::TpmSpec>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::ShareSpec>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::UsbSpec>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::PciSpec>();
