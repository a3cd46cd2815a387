// Datastores, layers and images.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/reflect.hpp"
#include "model/guest.hpp"
#include "model/ids.hpp"
#include "model/placement.hpp"

namespace ruche::model {

enum class DatastoreKind { dir };

struct Datastore {
  DatastoreId id;
  std::string name;
  DatastoreKind kind = DatastoreKind::dir;
  std::string path;        // dir: absolute path of its root
  bool shared = false;     // every host sees the same files
  std::optional<HostId> host;  // the only host that has it, when not shared
  Timestamp created_at;
};

enum class DatastoreState { unknown, available, unavailable };

struct DatastoreStatus {
  DatastoreState state = DatastoreState::unknown;
  Bytes capacity;
  Bytes used;
  Bytes available;
  bool reflinks = false;
  std::string last_error;
  friend bool operator==(const DatastoreStatus&, const DatastoreStatus&) = default;
};

// What a layer holds: disk data, or a file that a guest boots from.
enum class LayerContent { disk, kernel, initrd, uefi_vars, tpm_state, memory };

enum class LayerState { creating, ready };

// layers/<id>. What it shows never changes once something needs it; `references` counts its
// children, the snapshots that hold it and the guests that boot from it.
struct Layer {
  LayerId id;
  ObjectKind owner_kind = ObjectKind::guest;  // guest or image
  Uuid owner;
  DatastoreId datastore;
  std::optional<LayerId> parent;
  LayerContent content = LayerContent::disk;
  DiskFormat format = DiskFormat::qcow2;
  Bytes size;  // virtual size of a disk, file size otherwise
  LayerState state = LayerState::creating;
  std::uint32_t references = 0;
};

// What an image file may be when it comes from outside.
enum class ImageFormat { qcow2, raw, vmdk, vhd, vhdx, vdi, iso };

enum class ImageKind { disk, iso };

enum class ImageState { preparing, ready };

// images/<id>: layers that guests are made from, with the defaults to use.
struct Image {
  ImageId id;
  std::string name;
  std::string description;
  DatastoreId datastore;
  ImageKind kind = ImageKind::disk;
  LayerId disk;  // of an iso: a raw layer that holds the file as it came
  Bytes size;  // virtual size of the disk
  BootSpec boot;
  ImageState state = ImageState::preparing;
  std::string source;  // what it was made from, for people
  std::string checksum;  // sha256:<hex> of the imported file, when known
  Timestamp created_at;
};

// uploads/<id>: a file that a client sends in pieces. How much of it is there is known to the
// datastore alone; the document says whose it is and what it must become.
struct Upload {
  UploadId id;
  std::string name;  // for people: the file's name where it comes from
  std::string user;
  HostId host;  // which receives it
  DatastoreId datastore;
  Bytes size;
  std::string checksum;  // sha256:<hex> of the whole file
  std::optional<TaskId> task;  // the import that uses it
  Timestamp created_at;
  Timestamp expires_at;  // abandoned then; moves while bytes come
};

}  // namespace ruche::model

extern template const ruche::TypeInfo& ruche::type_of<ruche::model::DatastoreKind>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::Datastore>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::DatastoreState>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::DatastoreStatus>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::LayerContent>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::LayerState>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::Layer>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::ImageFormat>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::ImageKind>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::ImageState>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::Image>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::Upload>();
