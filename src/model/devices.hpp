// The devices of a virtual machine. Plain data; where they sit is in hardware.hpp.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/reflect.hpp"
#include "model/ids.hpp"

namespace ruche::model {

enum class DiskBus { virtio_blk, virtio_scsi, sata, nvme };
constexpr auto describe(Type<DiskBus>) {
  return enumeration<DiskBus>(
      "DiskBus", "The disk controller the guest sees.",
      value(DiskBus::virtio_blk, "virtio-blk", "Fast, the default."),
      value(DiskBus::virtio_scsi, "virtio-scsi", "Many disks, SCSI commands."),
      value(DiskBus::sata, "sata", "For systems without virtio drivers."),
      value(DiskBus::nvme, "nvme", "An NVMe controller for each disk; not for live migration."));
}

enum class DiskCache { writeback, none, writethrough };
constexpr auto describe(Type<DiskCache>) {
  return enumeration<DiskCache>(
      "DiskCache", "Which caches of the host stand between a disk and its file.",
      value(DiskCache::writeback, "writeback", "The host's page cache; flushes are obeyed."),
      value(DiskCache::none, "none", "None (O_DIRECT)."),
      value(DiskCache::writethrough, "writethrough", "Every write is on the disk when it ends."));
}

// What a disk may do at most; 0: no limit. A burst is what it may do for as long as it saved up
// (QEMU's leaky bucket, docs/throttle.txt); it needs the limit that it stands above.
struct DiskLimits {
  std::uint32_t iops = 0;
  std::uint32_t iops_burst = 0;
  Bytes bytes_per_second;
  Bytes bytes_per_second_burst;
  friend bool operator==(const DiskLimits&, const DiskLimits&) = default;
};
constexpr auto describe(Type<DiskLimits>) {
  return structure<DiskLimits>(
      "DiskLimits", "What a disk may do at most; 0: no limit.",
      field<&DiskLimits::iops>("iops", "Operations in a second."),
      field<&DiskLimits::iops_burst>("iops_burst", "Operations in a second for a short time."),
      field<&DiskLimits::bytes_per_second>("bandwidth_bytes", "Bytes in a second."),
      field<&DiskLimits::bytes_per_second_burst>("bandwidth_burst_bytes",
                                                 "Bytes in a second for a short time."));
}

enum class DiskFormat { qcow2, raw };
constexpr auto describe(Type<DiskFormat>) {
  return enumeration<DiskFormat>("DiskFormat", "How a volume is stored.",
                                 value(DiskFormat::qcow2, "qcow2", "Thin, layers and snapshots."),
                                 value(DiskFormat::raw, "raw", "Sparse file, no layers on top."));
}

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
constexpr auto describe(Type<DiskSpec>) {
  return structure<DiskSpec>(
      "DiskSpec", "A virtual disk.",
      field<&DiskSpec::name>("name", "The disk's name in this guest.", {.format = "name"}),
      field<&DiskSpec::layer>("layer", "The volume layer on top of its chain.",
                              {.read_only = true}),
      field<&DiskSpec::size>("size_bytes", "Capacity the guest sees.", {.min = 1 << 20}),
      field<&DiskSpec::bus>("bus", "Disk controller."),
      field<&DiskSpec::slot>("slot", "Its place on the bus, assigned once and kept.",
                             {.read_only = true}),
      field<&DiskSpec::cache>("cache", "Caches of the host."),
      field<&DiskSpec::discard>("discard", "What the guest trims is given back to the datastore."),
      field<&DiskSpec::limits>("limits", "What it may do at most."));
}

struct CdromSpec {
  std::string name;  // cdrom0, cdrom1, …
  std::optional<ImageId> image;  // absent: the drive is empty
  std::optional<LayerId> layer;  // of the image
  std::uint32_t slot = 0;
};
constexpr auto describe(Type<CdromSpec>) {
  return structure<CdromSpec>(
      "CdromSpec", "A CD-ROM drive.",
      field<&CdromSpec::name>("name", "The drive's name in this guest.", {.format = "name"}),
      field<&CdromSpec::image>("image", "The image in the drive; absent: it is empty.",
                               {.read_only = true}),
      field<&CdromSpec::layer>("layer", "Layer of the image.", {.read_only = true}),
      field<&CdromSpec::slot>("slot", "Its SATA port, assigned once and kept.",
                              {.read_only = true}));
}

struct PortForward {
  std::uint16_t host_port = 0;
  std::uint16_t guest_port = 0;
  friend bool operator==(const PortForward&, const PortForward&) = default;
};
constexpr auto describe(Type<PortForward>) {
  return structure<PortForward>("PortForward",
                                "A TCP port of 127.0.0.1 on the host that leads into the guest.",
                                field<&PortForward::host_port>("host_port", "Port on the host.",
                                                               {.required = true, .min = 1}),
                                field<&PortForward::guest_port>("guest_port", "Port in the guest.",
                                                                {.required = true, .min = 1}));
}

enum class NicKind { user, network };
constexpr auto describe(Type<NicKind>) {
  return enumeration<NicKind>(
      "NicKind", "What a network adapter is plugged into.",
      value(NicKind::user, "user", "QEMU's own NAT; needs no host network."),
      value(NicKind::network, "network", "A network of the host."));
}

enum class NicModel { virtio, e1000e };
constexpr auto describe(Type<NicModel>) {
  return enumeration<NicModel>(
      "NicModel", "The adapter that the guest sees.",
      value(NicModel::virtio, "virtio", "Fast, the default of systems that have the driver."),
      value(NicModel::e1000e, "e1000e", "Intel 82574L; nearly every system has a driver."));
}

enum class LinkState { up, down };
constexpr auto describe(Type<LinkState>) {
  return enumeration<LinkState>("LinkState", "The cable of a network adapter.",
                                value(LinkState::up, "up", "Plugged in."),
                                value(LinkState::down, "down", "Pulled."));
}

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
constexpr auto describe(Type<NicSpec>) {
  return structure<NicSpec>(
      "NicSpec", "A network adapter.",
      field<&NicSpec::name>("name", "The adapter's name in this guest.", {.format = "name"}),
      field<&NicSpec::kind>("kind", "What it is plugged into."),
      field<&NicSpec::network>("network", "The network it is plugged into.", {.read_only = true}),
      field<&NicSpec::mac>("mac", "Hardware address.", {.read_only = true}),
      field<&NicSpec::address>("address", "IPv4 address on its network.", {.read_only = true}),
      field<&NicSpec::forwards>("forwards", "Host ports that lead into the guest.",
                                {.max_length = 64}),
      field<&NicSpec::slot>("slot", "PCI device number on the root bus.", {.read_only = true}),
      field<&NicSpec::link>("link", "Its cable."), field<&NicSpec::model>("model", "What it is."));
}

enum class DisplayKind { none, vga, virtio };
constexpr auto describe(Type<DisplayKind>) {
  return enumeration<DisplayKind>(
      "DisplayKind", "The screen the guest sees, with a tablet that points on it.",
      value(DisplayKind::none, "none", "None: a serial console only."),
      value(DisplayKind::vga, "vga", "A standard VGA adapter; every system has a driver."),
      value(DisplayKind::virtio, "virtio",
            "A virtio GPU: large and several screens, VGA until its driver is there."));
}

enum class SoundKind { none, hda };
constexpr auto describe(Type<SoundKind>) {
  return enumeration<SoundKind>(
      "SoundKind", "The sound card the guest sees; viewers hear it over VNC.",
      value(SoundKind::none, "none", "None."),
      value(SoundKind::hda, "hda", "Intel HD Audio; every desktop system has a driver."));
}

// A TPM 2.0. Its state belongs to the guest, as its disks do.
struct TpmSpec {
  LayerId state;
  friend bool operator==(const TpmSpec&, const TpmSpec&) = default;
};
constexpr auto describe(Type<TpmSpec>) {
  return structure<TpmSpec>(
      "TpmSpec", "A TPM 2.0 chip.",
      field<&TpmSpec::state>("state", "Layer that holds what it keeps.", {.read_only = true}));
}

// A folder of the host that the guest mounts by its name (virtiofs).
struct ShareSpec {
  std::string name;  // the tag: mount -t virtiofs NAME /mnt
  std::string path;
  bool read_only = false;
  std::uint32_t slot = 0;
  friend bool operator==(const ShareSpec&, const ShareSpec&) = default;
};
constexpr auto describe(Type<ShareSpec>) {
  return structure<ShareSpec>(
      "ShareSpec", "A folder of the host that the guest can mount (virtiofs).",
      field<&ShareSpec::name>("name", "Its name in this guest, and the tag to mount.",
                              {.format = "name"}),
      field<&ShareSpec::path>("path", "The folder on the host.", {.format = "path"}),
      field<&ShareSpec::read_only>("read_only", "The guest may not write to it."),
      field<&ShareSpec::slot>("slot", "PCI device number on the root bus.", {.read_only = true}));
}

// A USB device of the host, by what it is: wherever it is plugged in.
struct UsbSpec {
  std::string name;  // usb0, usb1, …
  std::string vendor_id;   // four hexadecimal digits
  std::string product_id;
  std::string serial;  // where several are alike; empty: any
  friend bool operator==(const UsbSpec&, const UsbSpec&) = default;
};
constexpr auto describe(Type<UsbSpec>) {
  return structure<UsbSpec>(
      "UsbSpec", "A USB device of the host.",
      field<&UsbSpec::name>("name", "Its name in this guest.", {.format = "name"}),
      field<&UsbSpec::vendor_id>("vendor_id", "Vendor id, four hexadecimal digits."),
      field<&UsbSpec::product_id>("product_id", "Product id, four hexadecimal digits."),
      field<&UsbSpec::serial>("serial", "Serial number, where several are alike."));
}

// A PCI device of the host, whole or a mediated part of one.
struct PciSpec {
  std::string name;  // pci0, pci1, …
  std::string address;  // 0000:3b:00.0
  std::string mediated;  // id of the mediated device (mdev); empty: the whole device
  std::uint32_t slot = 0;
  friend bool operator==(const PciSpec&, const PciSpec&) = default;
};
constexpr auto describe(Type<PciSpec>) {
  return structure<PciSpec>(
      "PciSpec", "A PCI device of the host that the guest drives itself.",
      field<&PciSpec::name>("name", "Its name in this guest.", {.format = "name"}),
      field<&PciSpec::address>("address", "Its address on the host, as in 0000:3b:00.0."),
      field<&PciSpec::mediated>("mediated", "Id of the mediated device; empty: the whole one."),
      field<&PciSpec::slot>("slot", "PCI device number on the root bus.", {.read_only = true}));
}

inline constexpr std::size_t kMostDisks = 16;
inline constexpr std::size_t kMostNics = 8;
inline constexpr std::size_t kMostDrives = 4;
inline constexpr std::size_t kMostFolders = 8;
inline constexpr std::size_t kMostUsb = 8;
inline constexpr std::size_t kMostPci = 8;
inline constexpr std::uint32_t kMostSerialPorts = 4;

}  // namespace ruche::model
