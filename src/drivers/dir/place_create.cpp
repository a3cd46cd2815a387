// Creation of volumes, many at a time.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <functional>

#include "drivers/dir/place.hpp"
#include "model/image_format/qcow2.hpp"

namespace ruche::drivers::dir {

namespace {

using model::DiskFormat;
using ports::VolumeRef;

// More than the metadata of any new image.
constexpr Bytes kSmallChange = mib(1);
constexpr std::int64_t kLargest = std::int64_t{1} << 51;  // of a qcow2 with 64 KiB clusters

std::string backing_of(const ports::CreateVolume& request) {
  return request.parent ? path_from_sibling(*request.parent) : std::string();
}

// True when the volume is there as requested; throws when it is there and is another.
bool is_there(int owner, const VolumeNames& names, const ports::CreateVolume& request) {
  const auto file = open_existing(owner, names.file, O_RDONLY);
  if (!file) return false;
  const auto facts = read_layer(file.get(), request.volume);
  if (facts.virtual_size == request.size && facts.backing_file == backing_of(request)) return true;
  throw Error(Reason::wrong_state,
              fmt::format("the volume {} is there already, with {} on {}",
                          to_text(request.volume.layer), to_text(facts.virtual_size),
                          facts.backing_file.empty() ? "nothing" : facts.backing_file));
}

// The owner's directory, made when needed; the caller flushes the folder above it.
Fd owner_in(int folder, const std::string& name) {
  if (auto there = open_directory(folder, name)) return there;
  if (::mkdirat(folder, name.c_str(), 0700) != 0 && errno != EEXIST) {
    throw os_error("cannot create the directory " + name, errno);
  }
  auto made = open_directory(folder, name);
  if (!made) throw Error(Reason::io_failed, "the directory " + name + " vanished");
  return made;
}

}  // namespace

void write_new_volume(int file, const ports::CreateVolume& request) {
  if (request.volume.format == DiskFormat::raw) {
    set_size(file, static_cast<std::uint64_t>(request.size.count));
    return;
  }
  model::image_format::NewQcow2 image{request.size, backing_of(request), {}};
  if (request.parent) {
    image.backing_format = request.parent->format == DiskFormat::raw ? "raw" : "qcow2";
  }
  const auto content = model::image_format::make_qcow2(image);
  write_all(file, content.head, 0);
  set_size(file, content.file_size);
}

// A volume on its way. A file that is not published goes with this object.
struct Place::NewVolume {
  VolumeNames names;
  Fd folder;
  Fd owner;
  Fd file;  // empty: it was there already
  bool published = false;

  NewVolume() = default;
  NewVolume(NewVolume&&) = default;
  NewVolume& operator=(NewVolume&&) = delete;
  ~NewVolume() {
    if (file && !published) ::unlinkat(owner.get(), names.partial().c_str(), 0);
  }
};

Bytes Place::require_parent(const VolumeRef& parent) const {
  const auto names = names_of(parent);
  const auto owner = open_owner(names);
  const auto file = owner ? open_existing(owner.get(), names.file, O_RDONLY) : Fd();
  if (!file) {
    throw Error(Reason::no_such_object,
                fmt::format("the parent layer {} is not on the datastore", to_text(parent.layer)));
  }
  return read_layer(file.get(), parent).virtual_size;
}

void Place::require_possible(const ports::CreateVolume& request) const {
  const bool raw = request.volume.format == DiskFormat::raw;
  const auto content = request.volume.content;
  const bool made_empty =
      content == model::LayerContent::disk || content == model::LayerContent::tpm_state ||
      content == model::LayerContent::uefi_vars || content == model::LayerContent::memory;
  if (!made_empty || (raw && request.parent)) {
    throw Error(Reason::bad_spec, "only qcow2 volumes stand on a parent")
        .remedy("Use the format qcow2.");
  }
  if (request.size.count <= 0 || request.size.count % 512 != 0 || request.size.count > kLargest) {
    throw Error(Reason::out_of_range, "the size of a disk is a multiple of 512, at most 2 PiB")
        .at("/size_bytes");
  }
  if (!request.parent) return;
  const auto least = require_parent(*request.parent);
  if (request.size < least) {
    throw Error(Reason::out_of_range,
                fmt::format("the disk must have at least the {} of its image", to_text(least)))
        .at("/size_bytes");
  }
}

Place::NewVolume Place::begin_create(const Fd& root, const ports::CreateVolume& request) const {
  require_possible(request);
  require_space(root.get(), kSmallChange);
  NewVolume volume;
  volume.names = names_of(request.volume);
  volume.folder = make_directory(root.get(), volume.names.folder());
  volume.owner = owner_in(volume.folder.get(), volume.names.owner());
  if (is_there(volume.owner.get(), volume.names, request)) return volume;
  clear_leftovers(volume.owner.get(), volume.names);
  volume.file = create_new(volume.owner.get(), volume.names.partial());
  write_new_volume(volume.file.get(), request);
  return volume;
}

void Place::create_all(const std::vector<std::shared_ptr<CreateOrder>>& orders) const {
  Fd root;
  std::vector<std::optional<NewVolume>> volumes(orders.size());
  const auto for_all = [&](const std::function<void(std::size_t)>& step) {
    for (std::size_t i = 0; i < orders.size(); ++i) {
      if (orders[i]->failure) continue;
      try {
        step(i);
      } catch (const Error&) {
        orders[i]->failure = std::current_exception();
      }
    }
  };
  for_all([&](std::size_t i) {
    if (!root) root = open_marked_root();
    volumes[i].emplace(begin_create(root, orders[i]->request));
  });
  // The first flush of a journalling file system carries the others along.
  for_all([&](std::size_t i) {
    if (volumes[i]->file) sync(volumes[i]->file.get(), volumes[i]->names.file);
  });
  for_all([&](std::size_t i) {
    auto& volume = *volumes[i];
    if (volume.file) rename_in(volume.owner.get(), volume.names.partial(), volume.names.file);
    volume.published = true;
  });
  for_all([&](std::size_t i) {
    sync(volumes[i]->owner.get(), "the directory of the volume");
    sync(volumes[i]->folder.get(), "the directory of its owner");
  });
}

// --- size ----------------------------------------------------------------------------------------

namespace {

Error missing(const VolumeRef& volume) {
  return Error(Reason::no_such_object,
               fmt::format("the volume {} is not on the datastore", to_text(volume.layer)));
}

}  // namespace

Bytes Place::size(const VolumeRef& volume) const {
  const auto names = names_of(volume);
  const auto owner = open_owner(names);
  const auto file = owner ? open_existing(owner.get(), names.file, O_RDONLY) : Fd();
  if (!file) throw missing(volume);
  return read_layer(file.get(), volume).virtual_size;
}

Bytes Place::used(const VolumeRef& volume) const {
  const auto names = names_of(volume);
  const auto owner = open_owner(names);
  const auto info = owner ? status_of(owner.get(), names.file) : std::nullopt;
  if (!info) throw missing(volume);
  return Bytes{static_cast<std::int64_t>(info->st_blocks) * 512};
}

void Place::grow(const VolumeRef& volume, Bytes size) const {
  const auto names = names_of(volume);
  const auto owner = open_owner(names);
  const auto file = owner ? open_existing(owner.get(), names.file, O_RDWR) : Fd();
  if (!file) throw missing(volume);
  const auto now = read_layer(file.get(), volume).virtual_size;
  if (now == size) return;
  if (size < now || size.count % 512 != 0 || size.count > kLargest) {
    throw Error(Reason::out_of_range,
                fmt::format("the disk has {}; it becomes a larger multiple of 512, at most 2 PiB",
                            to_text(now)))
        .at("/size_bytes");
  }
  if (in_use_elsewhere(file.get(), ImageUse::any)) {
    throw Error(Reason::in_use,
                fmt::format("the volume {} is open in another process", to_text(volume.layer)));
  }
  require_space(owner.get(), kSmallChange);
  if (volume.format == DiskFormat::raw) {
    set_size(file.get(), static_cast<std::uint64_t>(size.count));
    return sync(file.get(), names.file);
  }
  const auto sample = read_sample(file.get());
  const auto edits = model::image_format::grow_qcow2(sample.view(), size);
  if (!edits) throw edits.error();
  for (const auto& edit : *edits) {
    write_all(file.get(), edit.bytes, edit.offset);
    sync(file.get(), names.file);
  }
}

}  // namespace ruche::drivers::dir
