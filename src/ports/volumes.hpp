// The edge to storage: one VolumeDriver per datastore. Layers are named by their id; paths are the
// driver's business. All methods are idempotent by name: the same request again, also after a crash
// in the middle, ends in the same state. A datastore that is away, or that did not answer within
// its deadline, throws datastore_unavailable from everything but probe(); nothing else waits for
// it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/async.hpp"
#include "model/storage.hpp"
#include "ports/hypervisor.hpp"

namespace ruche::ports {

struct VolumeRef {
  model::ObjectKind owner_kind = model::ObjectKind::guest;
  Uuid owner;
  model::LayerId layer;
  model::LayerContent content = model::LayerContent::disk;
  model::DiskFormat format = model::DiskFormat::qcow2;
};

struct CreateVolume {
  VolumeRef volume;
  Bytes size;
  std::optional<VolumeRef> parent;  // a linked overlay on this layer
};

// partial: something of it is there, but it never became complete; create, import and remove start
// by clearing that away.
enum class VolumeState { absent, partial, ready };

struct ImportSource {
  std::string path;  // on this host; opened once, never by name again
  std::optional<Uuid> incoming;  // instead of a path: what came in under this id
  std::optional<model::ImageFormat> declared_format;  // must match; raw only when declared
  std::string checksum;  // sha256:<hex> that it must have; empty: any
  Bytes size_limit = gib(1024);  // of the file, and of the disk in it
};
struct ImportResult {
  Bytes virtual_size;
  std::string checksum;  // sha256:<hex> of the source
};

// Files on their way in, uploads and downloads, each under the id of what it is for. They belong to
// no owner yet, and become a volume by import(), which leaves them where they are.
class IncomingFiles {
 public:
  virtual ~IncomingFiles() = default;
  // How much is there for good: flushed to the disk before this returns. 0 when there is nothing.
  virtual Async<Bytes> flush(Uuid id) = 0;
  // Writes at the end of the file, which `offset` must be (wrong_offset). Flushed only by flush().
  // not_enough_space when the datastore is low; what fitted is there, and the file goes on from it.
  virtual Async<void> append(Uuid id, Bytes offset, std::string bytes) = 0;
  // The file for a download, made when it is absent, and how much the datastore can take.
  struct Place {
    std::string path;
    Bytes room;
  };
  virtual Async<Place> open(Uuid id) = 0;
  // With all that lies beside it under the same id; absent is not an error.
  virtual Async<void> remove(Uuid id) = 0;
  virtual Async<std::vector<Uuid>> list() = 0;
};

// What the file of a layer says about itself.
struct FoundVolume {
  Bytes size;  // virtual size of a disk, size of the file otherwise
  std::optional<VolumeRef> parent;  // the layer it stands on, on the same datastore
};

// Guests whose files are there, known to the store or not. Files may have been put there by
// anybody: what is read is bounded and judged by our own parsers, and no name in it is followed
// out of the datastore.
class FoundGuests {
 public:
  virtual ~FoundGuests() = default;
  // By their folders, sorted.
  virtual Async<std::vector<model::GuestId>> guests() = 0;
  // A note beside a guest's volumes. Throws no_such_object, or guest_refused when it is no plain
  // file or longer than a document may be.
  virtual Async<std::string> read_note(model::GuestId guest, std::string file_name) = 0;
  // Throws no_such_object, in_use when it is open elsewhere for writing, or guest_refused: it is no
  // plain file with one name, its header contradicts the file, or it stands on a file that is no
  // layer of this datastore.
  virtual Async<FoundVolume> examine(VolumeRef volume) = 0;
};

class VolumeDriver {
 public:
  virtual ~VolumeDriver() = default;
  // Capacity and whether it answers; an unavailable datastore is a status, not an exception.
  virtual Async<model::DatastoreStatus> probe() = 0;
  // Makes an absent or empty place into this datastore, marked with its id; again is nothing. A
  // place that holds anything else is refused (wrong_state), and so is another datastore's unless
  // it is adopted: then it is marked anew, and whoever had it finds it away. Only this method ever
  // makes a datastore's place; all others find it away when it is not there.
  virtual Async<void> prepare(bool adopt = false) = 0;
  virtual Async<VolumeState> find(VolumeRef volume) = 0;
  // Throws not_enough_space before anything is written when the datastore is low. A volume that is
  // there already with another size or parent throws wrong_state.
  virtual Async<void> create(CreateVolume request) = 0;
  // A full copy, sharing blocks where the file system can. The source must have no writer (in_use).
  // A copy of an overlay stands on the same parent.
  virtual Async<void> copy(VolumeRef volume, VolumeRef source, ProgressSink progress) = 0;
  // A copy of all that a disk shows, on `parent`, which is in its chain, or on nothing. The chain
  // must have no writer (in_use). Cancellable; throws not_enough_space.
  virtual Async<void> clone(VolumeRef volume, VolumeRef source, std::optional<VolumeRef> parent,
                            ProgressSink progress) = 0;
  // What is in `below` moves up into the volume that stands on it, which then stands on `base`, or
  // on nothing. Nobody has the volume open (in_use). What it shows is right at every moment, also
  // after a kill; it stands on `base` already is nothing.
  virtual Async<void> merge(VolumeRef volume, VolumeRef below, std::optional<VolumeRef> base,
                            ProgressSink progress) = 0;
  // The layer that a disk stands on, as its own file says; also while it is open elsewhere.
  virtual Async<std::optional<model::LayerId>> parent(VolumeRef volume) = 0;
  // What its file takes of the datastore. Throws no_such_object.
  virtual Async<Bytes> used(VolumeRef volume) = 0;
  // Absent is not an error. A volume that is open elsewhere throws in_use.
  virtual Async<void> remove(VolumeRef volume) = 0;
  // The disk becomes this large, never smaller; it has that size already is nothing. Throws in_use
  // when it is open elsewhere for writing, and not_enough_space.
  virtual Async<void> grow(VolumeRef volume, Bytes size) = 0;
  // What the guest would see of it. Throws no_such_object.
  virtual Async<Bytes> size(VolumeRef volume) = 0;
  // Says what a foreign image is, by the same judge and with the same errors as import().
  virtual Async<model::ImageFormat> inspect(ImportSource source) = 0;
  // Copies a foreign image into a new qcow2 layer, after our own header parser has judged it and
  // with qemu-img confined; an ISO into a raw layer, or a kernel or initramfs, verbatim.
  // Cancellable; a partial result is invisible (find says partial) until it is complete. Throws
  // image_refused, format_mismatch, checksum_mismatch or not_enough_space. A volume that is ready
  // already is left alone and told about once more.
  virtual Async<ImportResult> import(VolumeRef volume, ImportSource source,
                                     ProgressSink progress) = 0;
  virtual IncomingFiles& incoming() = 0;
  virtual FoundGuests& found() = 0;
  // The file that a hypervisor opens.
  virtual ImageFile file(const VolumeRef& volume) const = 0;
  // Files that belong to a guest beside its volumes (its exported configuration): durable replace
  // (temporary, fsync, rename).
  virtual Async<void> write_note(model::GuestId guest, std::string file_name,
                                 std::string content) = 0;
  // Removes the owner's notes and directory when it is empty of volumes; else nothing happens.
  virtual Async<void> remove_owner(model::ObjectKind kind, Uuid owner) = 0;
};

// Makes the driver for a datastore of this host.
class VolumeDrivers {
 public:
  virtual ~VolumeDrivers() = default;
  // Does not look at the place yet, so it never waits. The result must not outlive this object.
  virtual std::unique_ptr<VolumeDriver> open(const model::Datastore& datastore) = 0;
};

// Builds ready-made guests from the machine's own package mirror (`ruche image build demo`).
struct ImageRecipe {
  std::string name;
  bool direct_kernel = false;  // gives a kernel and an initramfs beside the disk
};
struct BuiltImage {
  std::string disk_path;  // raw or qcow2, declared below
  model::DiskFormat disk_format = model::DiskFormat::raw;
  std::string kernel_path;  // of a recipe with direct_kernel, else empty
  std::string initrd_path;
  std::string command_line;
  std::string source;  // for people: package names and versions
};
class ImageBuilder {
 public:
  virtual ~ImageBuilder() = default;
  virtual std::vector<ImageRecipe> recipes() const = 0;
  // Builds in `directory` (created, owned by the caller). Lines of what happens go to `say`. May
  // take minutes; cancelled, it ends what it started.
  virtual Async<BuiltImage> build(std::string recipe, std::string directory,
                                  std::function<void(std::string)> say) = 0;
  // Removes what a build left in its directory; nothing there is not an error.
  virtual Async<void> clean(std::string directory) = 0;
};

}  // namespace ruche::ports
