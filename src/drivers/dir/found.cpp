#include "drivers/dir/found.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

namespace ruche::drivers::dir {

namespace {

using model::DiskFormat;
using model::ObjectKind;
using ports::VolumeRef;

// A note is a document of the store, which holds nothing longer.
constexpr std::size_t kLongestNote = 256 << 10;

VolumeRef anything_of(model::GuestId guest) {
  VolumeRef volume;
  volume.owner = guest.value;
  return volume;
}

// Who writes a file: what a guest's TPM keeps belongs to the guest's own user.
enum class Writer { daemon, guest };

// A link to elsewhere, a device or a pipe is not opened at all; a second name of the file would be
// somebody else's way to write it.
void require_plain(int directory, const std::string& name, Writer writer) {
  const auto info = status_of(directory, name);
  if (!info) return;
  if (!S_ISREG(info->st_mode) || info->st_nlink != 1) {
    throw Error(Reason::guest_refused, fmt::format("{} is not a plain file with one name", name))
        .remedy("Replace it by a copy of what it should be.");
  }
  // Whoever's it is, nobody else may write it; who reaches it at all, the directory decides.
  if (writer == Writer::guest && (info->st_mode & (S_IWGRP | S_IWOTH)) == 0) return;
  require_ours(*info, name);
}

Fd open_plain(const Fd& owner, const std::string& name, Writer writer = Writer::daemon) {
  if (!owner) return {};
  require_ours(status_of_open(owner.get()), "its directory");
  require_plain(owner.get(), name, writer);
  return open_existing(owner.get(), name, O_RDONLY);
}

Error missing(const std::string& what) {
  return Error(Reason::no_such_object, what + " is not on the datastore");
}

}  // namespace

void require_ours(const struct stat& info, const std::string& name) {
  const bool others = (info.st_mode & (S_IWGRP | S_IWOTH)) != 0;
  if (info.st_uid == ::geteuid() && !others) return;
  throw Error(Reason::guest_refused, fmt::format("{} could be changed by other users", name))
      .remedy("Give the files of the datastore to this daemon's user: chown -R, chmod -R go-w.");
}

std::optional<VolumeRef> layer_named(std::string_view backing_file) {
  // ../../<folder>/<owner>/<layer>.<extension>
  constexpr std::string_view kUp = "../../";
  constexpr std::size_t kFolder = 6;  // guests or images
  constexpr std::size_t kUuid = 36;
  constexpr std::size_t kLayer = kUp.size() + kFolder + 1 + kUuid + 1;
  if (backing_file.size() <= kLayer + kUuid || !backing_file.starts_with(kUp)) return std::nullopt;
  const auto owner = parse_uuid(backing_file.substr(kUp.size() + kFolder + 1, kUuid));
  const auto layer = parse_uuid(backing_file.substr(kLayer, kUuid));
  if (!owner || !layer) return std::nullopt;
  VolumeRef volume;
  const bool of_image = backing_file.substr(kUp.size(), kFolder) == "images";
  volume.owner_kind = of_image ? ObjectKind::image : ObjectKind::guest;
  volume.owner = *owner;
  volume.layer = {*layer};
  for (const auto format : {DiskFormat::qcow2, DiskFormat::raw}) {
    volume.format = format;
    if (backing_file == path_from_sibling(volume)) return volume;
  }
  return std::nullopt;
}

std::optional<VolumeRef> parent_in(const LayerFacts& facts, const std::string& file) {
  if (facts.backing_file.empty()) return std::nullopt;
  if (auto parent = layer_named(facts.backing_file)) return parent;
  throw Error(Reason::guest_refused,
              fmt::format("{} stands on a file that is no layer of this datastore", file))
      .remedy("Nothing but layers beside it is followed; flatten it with qemu-img first.");
}

std::vector<model::GuestId> found_guests(const Place& place) {
  std::vector<model::GuestId> guests;
  const auto root = place.open_marked_root();
  const auto folder = open_directory(root.get(), "guests");
  if (!folder) return guests;
  for (const auto& name : names_in(folder.get())) {
    if (const auto id = parse_uuid(name)) guests.push_back({*id});
  }
  return guests;
}

std::string read_note_of(const Place& place, model::GuestId guest, const std::string& name) {
  const auto owner = place.open_owner(names_of(anything_of(guest)));
  const auto file = open_plain(owner, name);
  if (!file) throw missing(fmt::format("{} of guest {}", name, to_text(guest)));
  auto text = read_text(file.get(), kLongestNote + 1);
  if (text.size() <= kLongestNote) return text;
  throw Error(Reason::guest_refused, fmt::format("{} is longer than a configuration", name));
}

ports::FoundVolume examine_volume(const Place& place, const VolumeRef& volume) {
  const auto names = names_of(volume);
  const auto owner = place.open_owner(names);
  const bool tpm = volume.content == model::LayerContent::tpm_state;
  const auto file = open_plain(owner, names.file, tpm ? Writer::guest : Writer::daemon);
  if (!file) throw missing(names.owner_path + "/" + names.file);
  if (in_use_elsewhere(file.get(), ImageUse::writer)) {
    throw Error(Reason::in_use, fmt::format("{} is open in another process", names.file))
        .remedy("Stop the guest that uses it.");
  }
  LayerFacts facts;
  std::optional<Error> damaged;
  try {
    facts = read_layer(file.get(), volume);
  } catch (const Error& error) {
    if (error.reason() != Reason::object_broken) throw;
    damaged = error;
  }
  if (damaged) {
    throw Error(Reason::guest_refused, fmt::format("{} cannot be used", names.file))
        .caused_by(*damaged);
  }
  return {facts.virtual_size, parent_in(facts, names.file)};
}

}  // namespace ruche::drivers::dir
