#include "drivers/dir/place.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "drivers/dir/found.hpp"
#include "model/image_format/qcow2.hpp"

namespace ruche::drivers::dir {

namespace {

using model::DiskFormat;
using model::LayerContent;
using model::ObjectKind;
using ports::VolumeRef;

constexpr const char* kMark = ".ruche-datastore";

constexpr std::string_view kMarkStart = "ruche-datastore 1\nid ";

std::string mark_text(model::DatastoreId id) {
  return fmt::format("{}{}\n", kMarkStart, to_text(id));
}

Error away(const std::string& root, const std::string& why) {
  return Error(Reason::datastore_unavailable, fmt::format("the datastore at {} {}", root, why));
}

std::string_view folder_of(ObjectKind kind) {
  return kind == ObjectKind::image ? "images" : "guests";
}

std::string extension_of(const VolumeRef& volume) {
  switch (volume.content) {
    case LayerContent::kernel:
      return "kernel";
    case LayerContent::initrd:
      return "initrd";
    case LayerContent::uefi_vars:
      return "vars";
    case LayerContent::tpm_state:
      return "tpm";
    case LayerContent::memory:
      return "memory";
    case LayerContent::disk:
      break;
  }
  return volume.format == DiskFormat::raw ? "raw" : "qcow2";
}

bool is_volume_file(const std::string& name) {
  return name.size() > 36 && parse_uuid(std::string_view(name).substr(0, 36)).has_value();
}

void require_note_name(const std::string& name) {
  const bool plain = name.size() <= 100 && !name.empty() && name.front() != '.' &&
                     name.find('/') == std::string::npos && name.find('\0') == std::string::npos;
  if (!plain || is_volume_file(name) || name.ends_with(".partial")) {
    throw Error(Reason::internal_error, "a note cannot be named " + name);
  }
}

struct statvfs space_of(int directory) {
  struct statvfs info{};
  if (::fstatvfs(directory, &info) != 0) throw os_error("cannot look at the file system", errno);
  return info;
}

Bytes blocks(std::uint64_t count, const struct statvfs& info) {
  return Bytes{static_cast<std::int64_t>(count * info.f_frsize)};
}

}  // namespace

VolumeNames names_of(const VolumeRef& volume) {
  return {fmt::format("{}/{}", folder_of(volume.owner_kind), to_text(volume.owner)),
          fmt::format("{}.{}", to_text(volume.layer), extension_of(volume))};
}

std::string path_from_sibling(const VolumeRef& target) {
  const auto names = names_of(target);
  return "../../" + names.owner_path + "/" + names.file;
}

Fd Place::open_marked_root() const {
  Fd root(::open(root_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!root) throw away(root_, fmt::format("cannot be opened: {}", std::strerror(errno)));
  const auto mark = open_existing(root.get(), kMark, O_RDONLY);
  if (!mark) {
    throw away(root_, "has lost its mark; its file system is probably not mounted")
        .remedy("Mount the file system again; nothing was changed meanwhile.");
  }
  if (read_text(mark.get(), 256) != mark_text(id_)) {
    throw away(root_, "belongs to another datastore, as its mark says");
  }
  return root;
}

void Place::prepare(bool adopt) const {
  std::error_code failed;
  std::filesystem::create_directories(root_, failed);
  if (failed) throw os_error("cannot create " + root_, failed.value());
  const Fd root(::open(root_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!root) throw os_error("cannot open " + root_, errno);
  const auto mark = open_existing(root.get(), kMark, O_RDONLY);
  const auto text = mark ? read_text(mark.get(), 256) : std::string();
  const bool ours = text == mark_text(id_);
  if (mark && !ours && !(adopt && text.starts_with(kMarkStart))) {
    throw Error(Reason::wrong_state, root_ + " is the place of another datastore")
        .at("/path")
        .remedy("Choose another directory. If no Ruche uses it any more: --adopt.");
  }
  if (!mark) require_empty(root.get());
  if (mark && !ours) require_adoptable(root.get());
  if (!mark) replace_durably(root.get(), kMark, mark_text(id_));
  make_directory(root.get(), "guests");
  make_directory(root.get(), "images");
  // Last: an adoption that fails leaves the place to whoever had it.
  if (mark && !ours) replace_durably(root.get(), kMark, mark_text(id_));
}

void Place::require_empty(int root) const {
  for (const auto& name : names_in(root)) {
    if (name == "lost+found" || name == std::string(kMark) + ".partial") continue;
    throw Error(Reason::wrong_state, fmt::format("{} is not empty: it holds {}", root_, name))
        .at("/path")
        .remedy("Choose an empty directory, or one that does not exist yet.");
  }
}

void Place::require_adoptable(int root) const {
  require_ours(status_of_open(root), root_);
  for (const char* name : {"guests", "images"}) {
    if (const auto folder = open_directory(root, name)) {
      require_ours(status_of_open(folder.get()), fmt::format("{}/{}", root_, name));
    }
  }
}

model::DatastoreStatus Place::look() const {
  const auto root = open_marked_root();
  const auto info = space_of(root.get());
  model::DatastoreStatus status;
  status.state = model::DatastoreState::available;
  status.capacity = blocks(info.f_blocks, info);
  status.used = blocks(info.f_blocks - info.f_bfree, info);
  status.available = blocks(info.f_bavail, info);
  return status;
}

bool Place::shares_blocks() const {
  const auto root = open_marked_root();
  const auto nameless = [&] {
    return Fd(::openat(root.get(), ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  };
  const Fd source = nameless();
  const Fd target = nameless();
  if (!source || !target || ::ftruncate(source.get(), 65536) != 0) return false;
  return ::ioctl(target.get(), FICLONE, source.get()) == 0;
}

Fd Place::open_owner(const VolumeNames& names) const {
  const auto root = open_marked_root();
  return open_directory(root.get(), names.owner_path);
}

Fd Place::make_owner(const VolumeNames& names) const {
  const auto root = open_marked_root();
  if (auto there = open_directory(root.get(), names.owner_path)) return there;
  const auto folder = make_directory(root.get(), names.folder());
  return make_directory(folder.get(), names.owner());
}

Bytes Place::room(int directory) const {
  const auto info = space_of(directory);
  return std::max(blocks(info.f_bavail, info) - reserve_, Bytes{});
}

void Place::require_space(int directory, Bytes needed) const {
  const auto info = space_of(directory);
  const auto free = blocks(info.f_bavail, info);
  if (free - needed >= reserve_) return;
  throw Error(Reason::not_enough_space,
              fmt::format("the datastore at {} has {} free; this needs {}, and {} must stay free",
                          root_, to_text(free), to_text(needed), to_text(reserve_)))
      .remedy("Free space on the datastore, or use another one.");
}

ports::VolumeState Place::find(const VolumeRef& volume) const {
  const auto names = names_of(volume);
  const auto owner = open_owner(names);
  if (!owner) return ports::VolumeState::absent;
  if (status_of(owner.get(), names.file)) return ports::VolumeState::ready;
  for (const auto& leftover : {names.partial(), names.staging(), names.checksum()}) {
    if (status_of(owner.get(), leftover)) return ports::VolumeState::partial;
  }
  return ports::VolumeState::absent;
}

LayerFacts read_layer(int file, const VolumeRef& volume) {
  if (volume.content != LayerContent::disk || volume.format == DiskFormat::raw) {
    return {Bytes{status_of_open(file).st_size}, {}};
  }
  const auto bytes = read_sample(file);
  auto header = model::image_format::read_own_qcow2(bytes.view());
  if (!header) {
    throw Error(Reason::object_broken,
                fmt::format("the volume {} is damaged", to_text(volume.layer)))
        .caused_by(header.error());
  }
  return {header->info.virtual_size, header->backing_file};
}

void Place::remove(const VolumeRef& volume) const {
  const auto names = names_of(volume);
  const auto owner = open_owner(names);
  if (!owner) return;
  const auto info = status_of(owner.get(), names.file);
  if (info && S_ISREG(info->st_mode)) {
    const auto file = open_existing(owner.get(), names.file, O_RDONLY);
    if (file && in_use_elsewhere(file.get(), ImageUse::any)) {
      throw Error(Reason::in_use,
                  fmt::format("the volume {} is open in another process", to_text(volume.layer)))
          .remedy("Stop the guest that uses it.");
    }
  }
  remove_file(owner.get(), names.file);
  clear_leftovers(owner.get(), names);
  sync(owner.get(), "the directory of the volume");
}

void Place::write_note(model::GuestId guest, const std::string& name,
                       std::string_view content) const {
  require_note_name(name);
  VolumeRef anything;
  anything.owner = guest.value;
  const auto owner = make_owner(names_of(anything));
  replace_durably(owner.get(), name, content);
}

void Place::remove_owner(ObjectKind kind, const Uuid& owner_id) const {
  VolumeRef anything;
  anything.owner_kind = kind;
  anything.owner = owner_id;
  const auto names = names_of(anything);
  const auto root = open_marked_root();
  const auto owner = open_directory(root.get(), names.owner_path);
  if (!owner) return;
  const auto inside = names_in(owner.get());
  for (const auto& name : inside) {
    if (is_volume_file(name)) return;
  }
  for (const auto& name : inside) remove_file(owner.get(), name);
  const auto folder = open_directory(root.get(), names.folder());
  if (!folder) return;
  if (::unlinkat(folder.get(), names.owner().c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT) {
    throw os_error("cannot remove " + names.owner_path, errno);
  }
  sync(folder.get(), names.owner_path);
}

void clear_leftovers(int owner, const VolumeNames& names) {
  remove_file(owner, names.partial());
  remove_tree(owner, names.staging());
  remove_file(owner, names.checksum());
}

void publish(int owner, const std::string& from, const VolumeNames& names) {
  rename_in(owner, from, names.file);
  sync(owner, "the directory of the volume");
}

}  // namespace ruche::drivers::dir
