#include "model/storage.hpp"

namespace ruche::model {

constexpr auto describe(Type<DatastoreKind>) {
  return enumeration<DatastoreKind>("DatastoreKind", "How a datastore keeps its volumes.",
                                    value(DatastoreKind::dir, "dir", "Files in a directory."));
}

constexpr auto describe(Type<Datastore>) {
  return structure<Datastore>(
      "Datastore", "A storage pool.", field<&Datastore::id>("id", "Immutable id."),
      field<&Datastore::name>("name", "Unique name.", {.format = "name"}),
      field<&Datastore::kind>("kind", "Kind."),
      field<&Datastore::path>("path", "Root directory.", {.format = "path"}),
      field<&Datastore::shared>("shared", "Every host sees the same files."),
      field<&Datastore::host>("host", "The only host that has it."),
      field<&Datastore::created_at>("created_at", "When it was added."));
}

constexpr auto describe(Type<DatastoreState>) {
  return enumeration<DatastoreState>(
      "DatastoreState", "Whether a datastore answers.",
      value(DatastoreState::unknown, "unknown", "Not looked at yet."),
      value(DatastoreState::available, "available", "It answers."),
      value(DatastoreState::unavailable, "unavailable", "It does not; see last_error."));
}

constexpr auto describe(Type<DatastoreStatus>) {
  return structure<DatastoreStatus>(
      "DatastoreStatus", "What was last seen of a datastore.",
      field<&DatastoreStatus::state>("state", "State."),
      field<&DatastoreStatus::capacity>("capacity_bytes", "Size of the file system."),
      field<&DatastoreStatus::used>("used_bytes", "Used on it, by anyone."),
      field<&DatastoreStatus::available>("available_bytes", "Free for new data."),
      field<&DatastoreStatus::reflinks>("reflinks", "Copies share blocks (FICLONE)."),
      field<&DatastoreStatus::last_error>("last_error", "Why it is unavailable."));
}

constexpr auto describe(Type<LayerContent>) {
  return enumeration<LayerContent>(
      "LayerContent", "What a layer holds.", value(LayerContent::disk, "disk", "Disk data."),
      value(LayerContent::kernel, "kernel", "A Linux kernel."),
      value(LayerContent::initrd, "initrd", "An initramfs."),
      value(LayerContent::uefi_vars, "uefi-vars", "The variables of a guest's firmware."),
      value(LayerContent::tpm_state, "tpm-state", "What a guest's TPM keeps."),
      value(LayerContent::memory, "memory", "The memory of a suspended guest, or of a snapshot."));
}

constexpr auto describe(Type<LayerState>) {
  return enumeration<LayerState>("LayerState", "Whether a layer may be used.",
                                 value(LayerState::creating, "creating", "Being made."),
                                 value(LayerState::ready, "ready", "Complete."));
}

constexpr auto describe(Type<Layer>) {
  return structure<Layer>(
      "Layer", "One link of a disk's chain.", field<&Layer::id>("id", "Immutable id."),
      field<&Layer::owner_kind>("owner_kind", "Kind of owner."),
      field<&Layer::owner>("owner", "Owner."),
      field<&Layer::datastore>("datastore", "Where it is."),
      field<&Layer::parent>("parent", "The layer it stands on."),
      field<&Layer::content>("content", "What it holds."),
      field<&Layer::format>("format", "How it is stored."),
      field<&Layer::size>("size_bytes", "Virtual size."), field<&Layer::state>("state", "State."),
      field<&Layer::references>("references", "Layers, guests and snapshots that need it."));
}

constexpr auto describe(Type<ImageFormat>) {
  return enumeration<ImageFormat>(
      "ImageFormat", "Format of a foreign image file.",
      value(ImageFormat::qcow2, "qcow2", "QEMU's own."),
      value(ImageFormat::raw, "raw", "Nothing but the disk's bytes."),
      value(ImageFormat::vmdk, "vmdk", "VMware: a single sparse or stream-optimized file."),
      value(ImageFormat::vhd, "vhd", "Virtual PC and older Hyper-V, fixed or dynamic."),
      value(ImageFormat::vhdx, "vhdx", "Hyper-V."),
      value(ImageFormat::vdi, "vdi", "VirtualBox, dynamic or fixed."),
      value(ImageFormat::iso, "iso", "ISO 9660 or UDF: a CD or DVD."));
}

constexpr auto describe(Type<ImageKind>) {
  return enumeration<ImageKind>(
      "ImageKind", "What guests use an image for.",
      value(ImageKind::disk, "disk", "Guests are created from it."),
      value(ImageKind::iso, "iso", "A read-only medium for a CD-ROM drive."));
}

constexpr auto describe(Type<ImageState>) {
  return enumeration<ImageState>(
      "ImageState", "Whether an image may be used.",
      value(ImageState::preparing, "preparing", "Being imported or built."),
      value(ImageState::ready, "ready", "Complete."));
}

constexpr auto describe(Type<Image>) {
  return structure<Image>("Image", "A disk image in the library.",
                          field<&Image::id>("id", "Immutable id."),
                          field<&Image::name>("name", "Unique name.", {.format = "name"}),
                          field<&Image::description>("description", "Notes.", {.max_length = 4096}),
                          field<&Image::datastore>("datastore", "Where it is."),
                          field<&Image::kind>("kind", "What it is for."),
                          field<&Image::disk>("disk", "Its disk layer."),
                          field<&Image::size>("size_bytes", "Virtual size of its disk."),
                          field<&Image::boot>("boot", "How guests made from it boot."),
                          field<&Image::state>("state", "State."),
                          field<&Image::source>("source", "What it was made from."),
                          field<&Image::checksum>("checksum", "Checksum of the source."),
                          field<&Image::created_at>("created_at", "When it was added."));
}

constexpr auto describe(Type<Upload>) {
  return structure<Upload>("Upload", "A file on its way from a client.",
                           field<&Upload::id>("id", "Immutable id."),
                           field<&Upload::name>("name", "Name for people."),
                           field<&Upload::user>("user", "Who sends it."),
                           field<&Upload::host>("host", "Which host receives it."),
                           field<&Upload::datastore>("datastore", "Where it is."),
                           field<&Upload::size>("size_bytes", "Size of the whole file."),
                           field<&Upload::checksum>("checksum", "Checksum of the whole file."),
                           field<&Upload::task>("task", "The import that uses it."),
                           field<&Upload::created_at>("created_at", "When it was begun."),
                           field<&Upload::expires_at>("expires_at", "When it is given up."));
}

}  // namespace ruche::model

template const ruche::TypeInfo& ruche::type_of<ruche::model::DatastoreKind>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::Datastore>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::DatastoreState>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::DatastoreStatus>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::LayerContent>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::LayerState>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::Layer>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::ImageFormat>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::ImageKind>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::ImageState>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::Image>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::Upload>();
