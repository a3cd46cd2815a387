#include "model/devices.hpp"

namespace ruche::model {

constexpr auto describe(Type<DiskBus>) {
  return enumeration<DiskBus>(
      "DiskBus", "The disk controller the guest sees.",
      value(DiskBus::virtio_blk, "virtio-blk", "Fast, the default."),
      value(DiskBus::virtio_scsi, "virtio-scsi", "Many disks, SCSI commands."),
      value(DiskBus::sata, "sata", "For systems without virtio drivers."),
      value(DiskBus::nvme, "nvme", "An NVMe controller for each disk; not for live migration."));
}

constexpr auto describe(Type<DiskCache>) {
  return enumeration<DiskCache>(
      "DiskCache", "Which caches of the host stand between a disk and its file.",
      value(DiskCache::writeback, "writeback", "The host's page cache; flushes are obeyed."),
      value(DiskCache::none, "none", "None (O_DIRECT)."),
      value(DiskCache::writethrough, "writethrough", "Every write is on the disk when it ends."));
}

constexpr auto describe(Type<DiskLimits>) {
  return structure<DiskLimits>(
      "DiskLimits", "What a disk may do at most; 0: no limit.",
      field<&DiskLimits::iops>("iops", "Operations in a second."),
      field<&DiskLimits::iops_burst>("iops_burst", "Operations in a second for a short time."),
      field<&DiskLimits::bytes_per_second>("bandwidth_bytes", "Bytes in a second."),
      field<&DiskLimits::bytes_per_second_burst>("bandwidth_burst_bytes",
                                                 "Bytes in a second for a short time."));
}

constexpr auto describe(Type<DiskFormat>) {
  return enumeration<DiskFormat>("DiskFormat", "How a volume is stored.",
                                 value(DiskFormat::qcow2, "qcow2", "Thin, layers and snapshots."),
                                 value(DiskFormat::raw, "raw", "Sparse file, no layers on top."));
}

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

constexpr auto describe(Type<PortForward>) {
  return structure<PortForward>("PortForward",
                                "A TCP port of 127.0.0.1 on the host that leads into the guest.",
                                field<&PortForward::host_port>("host_port", "Port on the host.",
                                                               {.required = true, .min = 1}),
                                field<&PortForward::guest_port>("guest_port", "Port in the guest.",
                                                                {.required = true, .min = 1}));
}

constexpr auto describe(Type<NicKind>) {
  return enumeration<NicKind>(
      "NicKind", "What a network adapter is plugged into.",
      value(NicKind::user, "user", "QEMU's own NAT; needs no host network."),
      value(NicKind::network, "network", "A network of the host."));
}

constexpr auto describe(Type<NicModel>) {
  return enumeration<NicModel>(
      "NicModel", "The adapter that the guest sees.",
      value(NicModel::virtio, "virtio", "Fast, the default of systems that have the driver."),
      value(NicModel::e1000e, "e1000e", "Intel 82574L; nearly every system has a driver."));
}

constexpr auto describe(Type<LinkState>) {
  return enumeration<LinkState>("LinkState", "The cable of a network adapter.",
                                value(LinkState::up, "up", "Plugged in."),
                                value(LinkState::down, "down", "Pulled."));
}

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

constexpr auto describe(Type<DisplayKind>) {
  return enumeration<DisplayKind>(
      "DisplayKind", "The screen the guest sees, with a tablet that points on it.",
      value(DisplayKind::none, "none", "None: a serial console only."),
      value(DisplayKind::vga, "vga", "A standard VGA adapter; every system has a driver."),
      value(DisplayKind::virtio, "virtio",
            "A virtio GPU: large and several screens, VGA until its driver is there."));
}

constexpr auto describe(Type<SoundKind>) {
  return enumeration<SoundKind>(
      "SoundKind", "The sound card the guest sees; viewers hear it over VNC.",
      value(SoundKind::none, "none", "None."),
      value(SoundKind::hda, "hda", "Intel HD Audio; every desktop system has a driver."));
}

constexpr auto describe(Type<TpmSpec>) {
  return structure<TpmSpec>(
      "TpmSpec", "A TPM 2.0 chip.",
      field<&TpmSpec::state>("state", "Layer that holds what it keeps.", {.read_only = true}));
}

constexpr auto describe(Type<ShareSpec>) {
  return structure<ShareSpec>(
      "ShareSpec", "A folder of the host that the guest can mount (virtiofs).",
      field<&ShareSpec::name>("name", "Its name in this guest, and the tag to mount.",
                              {.format = "name"}),
      field<&ShareSpec::path>("path", "The folder on the host.", {.format = "path"}),
      field<&ShareSpec::read_only>("read_only", "The guest may not write to it."),
      field<&ShareSpec::slot>("slot", "PCI device number on the root bus.", {.read_only = true}));
}

constexpr auto describe(Type<UsbSpec>) {
  return structure<UsbSpec>(
      "UsbSpec", "A USB device of the host.",
      field<&UsbSpec::name>("name", "Its name in this guest.", {.format = "name"}),
      field<&UsbSpec::vendor_id>("vendor_id", "Vendor id, four hexadecimal digits."),
      field<&UsbSpec::product_id>("product_id", "Product id, four hexadecimal digits."),
      field<&UsbSpec::serial>("serial", "Serial number, where several are alike."));
}

constexpr auto describe(Type<PciSpec>) {
  return structure<PciSpec>(
      "PciSpec", "A PCI device of the host that the guest drives itself.",
      field<&PciSpec::name>("name", "Its name in this guest.", {.format = "name"}),
      field<&PciSpec::address>("address", "Its address on the host, as in 0000:3b:00.0."),
      field<&PciSpec::mediated>("mediated", "Id of the mediated device; empty: the whole one."),
      field<&PciSpec::slot>("slot", "PCI device number on the root bus.", {.read_only = true}));
}

}  // namespace ruche::model

template const ruche::TypeInfo& ruche::type_of<ruche::model::DiskBus>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::DiskCache>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::DiskLimits>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::DiskFormat>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::DiskSpec>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::CdromSpec>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::PortForward>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::NicKind>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::NicModel>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::LinkState>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::NicSpec>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::DisplayKind>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::SoundKind>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::TpmSpec>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::ShareSpec>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::UsbSpec>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::PciSpec>();
