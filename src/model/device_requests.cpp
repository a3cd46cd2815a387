#include "model/device_requests.hpp"

namespace ruche::model {

constexpr auto describe(Type<AddDisk>) {
  return structure<AddDisk>(
      "AddDisk", "A blank disk to add.",
      field<&AddDisk::vm>(
          "vm", "Name or id.",
          {.required = true, .format = "reference", .positional = true, .example = "web1"}),
      field<&AddDisk::size>("size_bytes", "Capacity.",
                            {.required = true, .min = 1 << 20, .example = "4GiB"}),
      field<&AddDisk::bus>("bus", "Disk controller."),
      field<&AddDisk::format>("format", "How it is stored."),
      field<&AddDisk::name>("name", "Its name in the guest; the next free one when absent.",
                            {.format = "name"}),
      field<&AddDisk::cache>("cache", "Caches of the host."),
      field<&AddDisk::keep_trimmed>("keep_trimmed",
                                    "What the guest trims is not given back to the datastore."),
      field<&AddDisk::limits>("limits", "What it may do at most."));
}

constexpr auto describe(Type<DiskRef>) {
  return structure<DiskRef>(
      "DiskRef", "A disk of a VM.",
      field<&DiskRef::vm>(
          "vm", "Name or id.",
          {.required = true, .format = "reference", .positional = true, .example = "web1"}),
      field<&DiskRef::disk>(
          "disk", "The disk's name.",
          {.required = true, .format = "name", .positional = true, .example = "disk1"}));
}

constexpr auto describe(Type<GrowDiskRequest>) {
  return structure<GrowDiskRequest>(
      "GrowDiskRequest", "A disk to make larger.",
      field<&GrowDiskRequest::vm>(
          "vm", "Name or id.",
          {.required = true, .format = "reference", .positional = true, .example = "web1"}),
      field<&GrowDiskRequest::disk>(
          "disk", "The disk's name.",
          {.required = true, .format = "name", .positional = true, .example = "disk1"}),
      field<&GrowDiskRequest::size>(
          "size_bytes", "What it becomes.",
          {.required = true, .min = 1 << 20, .positional = true, .example = "8GiB"}));
}

constexpr auto describe(Type<DiskEdit>) {
  return structure<DiskEdit>(
      "DiskEdit", "What can be changed of a disk.",
      field<&DiskEdit::cache>("cache", "Caches of the host."),
      field<&DiskEdit::discard>("discard", "What the guest trims is given back to the datastore."),
      field<&DiskEdit::limits>("limits", "What it may do at most."));
}

constexpr auto describe(Type<AddNic>) {
  return structure<AddNic>(
      "AddNic", "A network adapter to add.",
      field<&AddNic::vm>(
          "vm", "Name or id.",
          {.required = true, .format = "reference", .positional = true, .example = "web1"}),
      field<&AddNic::network>("network",
                              "Its network: name or id; `user` is QEMU's own NAT; the default "
                              "network where it works when absent.",
                              {.format = "reference", .example = "default"}),
      field<&AddNic::name>("name", "Its name in the guest; the next free one when absent.",
                           {.format = "name"}),
      field<&AddNic::mac>("mac", "Hardware address; chosen when absent.", {.max_length = 17}),
      field<&AddNic::link>("link", "Its cable."));
}

constexpr auto describe(Type<NicRef>) {
  return structure<NicRef>(
      "NicRef", "A network adapter of a VM.",
      field<&NicRef::vm>(
          "vm", "Name or id.",
          {.required = true, .format = "reference", .positional = true, .example = "web1"}),
      field<&NicRef::nic>(
          "nic", "The adapter's name.",
          {.required = true, .format = "name", .positional = true, .example = "nic1"}));
}

constexpr auto describe(Type<NicEdit>) {
  return structure<NicEdit>("NicEdit", "What can be changed of a network adapter.",
                            field<&NicEdit::link>("link", "Its cable."),
                            field<&NicEdit::mac>("mac", "Hardware address.", {.max_length = 17}));
}

constexpr auto describe(Type<InsertMedium>) {
  return structure<InsertMedium>(
      "InsertMedium", "A CD to put into a drive.",
      field<&InsertMedium::vm>(
          "vm", "Name or id.",
          {.required = true, .format = "reference", .positional = true, .example = "web1"}),
      field<&InsertMedium::cdrom>(
          "cdrom", "The drive's name.",
          {.required = true, .format = "name", .positional = true, .example = "cdrom0"}),
      field<&InsertMedium::image>(
          "image", "Image of kind iso: name or id.",
          {.required = true, .format = "reference", .positional = true, .example = "debian-iso"}));
}

constexpr auto describe(Type<DriveRef>) {
  return structure<DriveRef>(
      "DriveRef", "A CD-ROM drive of a VM.",
      field<&DriveRef::vm>(
          "vm", "Name or id.",
          {.required = true, .format = "reference", .positional = true, .example = "web1"}),
      field<&DriveRef::cdrom>(
          "cdrom", "The drive's name.",
          {.required = true, .format = "name", .positional = true, .example = "cdrom0"}));
}

constexpr auto describe(Type<AddDrive>) {
  return structure<AddDrive>(
      "AddDrive", "A CD-ROM drive to add.",
      field<&AddDrive::vm>(
          "vm", "Name or id.",
          {.required = true, .format = "reference", .positional = true, .example = "web1"}),
      field<&AddDrive::image>("image", "Image of kind iso to put into it; empty when absent.",
                              {.format = "reference"}));
}

constexpr auto describe(Type<AddShare>) {
  return structure<AddShare>(
      "AddShare", "A folder of the host for a VM to mount (virtiofs).",
      field<&AddShare::vm>(
          "vm", "Name or id.",
          {.required = true, .format = "reference", .positional = true, .example = "web1"}),
      field<&AddShare::path>("path", "The folder, on the VM's host.",
                             {.required = true, .format = "path", .positional = true}),
      field<&AddShare::name>("name", "The tag to mount; share0, share1, … when absent.",
                             {.format = "name"}),
      field<&AddShare::read_only>("read_only", "The VM may not write to it."));
}

constexpr auto describe(Type<ShareRef>) {
  return structure<ShareRef>(
      "ShareRef", "A folder that a VM can mount.",
      field<&ShareRef::vm>(
          "vm", "Name or id.",
          {.required = true, .format = "reference", .positional = true, .example = "web1"}),
      field<&ShareRef::share>(
          "share", "Its name.",
          {.required = true, .format = "name", .positional = true, .example = "share0"}));
}

constexpr auto describe(Type<AddUsb>) {
  return structure<AddUsb>(
      "AddUsb", "A USB device of the host for a VM.",
      field<&AddUsb::vm>(
          "vm", "Name or id.",
          {.required = true, .format = "reference", .positional = true, .example = "web1"}),
      field<&AddUsb::device>(
          "device", "Vendor and product, as in 046d:c52b.",
          {.required = true, .max_length = 9, .positional = true, .example = "046d:c52b"}),
      field<&AddUsb::serial>("serial", "Its serial number, where several are alike.",
                             {.max_length = 126}));
}

constexpr auto describe(Type<UsbRef>) {
  return structure<UsbRef>(
      "UsbRef", "A USB device of a VM.",
      field<&UsbRef::vm>(
          "vm", "Name or id.",
          {.required = true, .format = "reference", .positional = true, .example = "web1"}),
      field<&UsbRef::usb>(
          "usb", "Its name.",
          {.required = true, .format = "name", .positional = true, .example = "usb0"}));
}

constexpr auto describe(Type<AddPci>) {
  return structure<AddPci>(
      "AddPci", "A PCI device of the host for a VM to drive.",
      field<&AddPci::vm>(
          "vm", "Name or id.",
          {.required = true, .format = "reference", .positional = true, .example = "web1"}),
      field<&AddPci::address>(
          "address", "Its address on the host.",
          {.required = true, .max_length = 16, .positional = true, .example = "0000:3b:00.0"}),
      field<&AddPci::mediated>("mediated", "Id of a mediated device of it (mdev).",
                               {.format = "uuid"}));
}

constexpr auto describe(Type<PciRef>) {
  return structure<PciRef>(
      "PciRef", "A PCI device that a VM drives.",
      field<&PciRef::vm>(
          "vm", "Name or id.",
          {.required = true, .format = "reference", .positional = true, .example = "web1"}),
      field<&PciRef::pci>(
          "pci", "Its name.",
          {.required = true, .format = "name", .positional = true, .example = "pci0"}));
}

constexpr auto describe(Type<MemoryView>) {
  return structure<MemoryView>(
      "Memory", "A VM's memory at the moment.",
      field<&MemoryView::plugged>("plugged_bytes", "What it has."),
      field<&MemoryView::available>("available_bytes", "What its balloon leaves to it."),
      field<&MemoryView::total>("guest_total_bytes",
                                "What its system counts; needs a balloon and its driver."),
      field<&MemoryView::free>("guest_free_bytes", "What its system uses for nothing."),
      field<&MemoryView::usable>("guest_usable_bytes", "The same with caches it can drop."));
}

}  // namespace ruche::model

template const ruche::TypeInfo& ruche::type_of<ruche::model::AddDisk>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::DiskRef>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::GrowDiskRequest>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::DiskEdit>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::AddNic>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::NicRef>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::NicEdit>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::InsertMedium>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::DriveRef>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::AddDrive>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::AddShare>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::ShareRef>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::AddUsb>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::UsbRef>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::AddPci>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::PciRef>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::MemoryView>();
