// What users ask of a guest's devices. Each is a change of its specification; the process follows
// at once where it can.
#pragma once

#include <optional>
#include <string>

#include "base/reflect.hpp"
#include "model/guest.hpp"

namespace ruche::model {

struct AddDisk {
  std::string vm;
  Bytes size;
  DiskBus bus = DiskBus::virtio_blk;
  DiskFormat format = DiskFormat::qcow2;
  std::string name;
  DiskCache cache = DiskCache::writeback;
  bool keep_trimmed = false;
  DiskLimits limits;
};

struct DiskRef {
  std::string vm;
  std::string disk;
};

struct GrowDiskRequest {
  std::string vm;
  std::string disk;
  Bytes size;
};

// What can be changed of a disk; PATCH merges into it.
struct DiskEdit {
  DiskCache cache = DiskCache::writeback;
  bool discard = true;
  DiskLimits limits;
};

struct AddNic {
  std::string vm;
  std::string network;
  std::string name;
  std::string mac;
  LinkState link = LinkState::up;
};

struct NicRef {
  std::string vm;
  std::string nic;
};

// What can be changed of an adapter; PATCH merges into it.
struct NicEdit {
  LinkState link = LinkState::up;
  std::string mac;
};

struct InsertMedium {
  std::string vm;
  std::string cdrom;
  std::string image;
};

struct DriveRef {
  std::string vm;
  std::string cdrom;
};

struct AddDrive {
  std::string vm;
  std::string image;
};

struct AddShare {
  std::string vm;
  std::string path;
  std::string name;
  bool read_only = false;
};

struct ShareRef {
  std::string vm;
  std::string share;
};

struct AddUsb {
  std::string vm;
  std::string device;
  std::string serial;
};

struct UsbRef {
  std::string vm;
  std::string usb;
};

struct AddPci {
  std::string vm;
  std::string address;
  std::string mediated;
};

struct PciRef {
  std::string vm;
  std::string pci;
};

// A guest's memory, as it is at the moment.
struct MemoryView {
  Bytes plugged;
  Bytes available;
  std::optional<Bytes> total;
  std::optional<Bytes> free;
  std::optional<Bytes> usable;
};

}  // namespace ruche::model

extern template const ruche::TypeInfo& ruche::type_of<ruche::model::AddDisk>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::DiskRef>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::GrowDiskRequest>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::DiskEdit>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::AddNic>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::NicRef>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::NicEdit>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::InsertMedium>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::DriveRef>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::AddDrive>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::AddShare>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::ShareRef>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::AddUsb>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::UsbRef>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::AddPci>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::PciRef>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::MemoryView>();
