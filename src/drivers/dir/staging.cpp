#include "drivers/dir/staging.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>

#include "drivers/dir/incoming.hpp"
#include "model/image_format/qcow2.hpp"

namespace ruche::drivers::dir {

namespace {

using model::DiskFormat;
using model::ImageFormat;
namespace image_format = model::image_format;

// A kernel or an initramfs; larger ones are no such thing.
constexpr Bytes kLargestBootFile = gib(1);
// Tables are read in pieces of this size.
constexpr std::size_t kTablePiece = std::size_t{1} << 20;

Fd open_image(const Place& place, const ports::ImportSource& source) {
  const auto path = source.incoming ? incoming_path(place, *source.incoming) : source.path;
  // Without O_NONBLOCK a fifo would hold us; symbolic links are the administrator's own business.
  Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!file) {
    throw Error(Reason::io_failed, fmt::format("cannot open {}: {}", path, std::strerror(errno)))
        .at("/path")
        .remedy("Give the path of a file on this host that the daemon can read.");
  }
  const auto info = status_of_open(file.get());
  if (!S_ISREG(info.st_mode)) {
    throw Error(Reason::image_refused, path + " is not a regular file").at("/path");
  }
  if (in_use_elsewhere(file.get(), ImageUse::writer)) {
    throw Error(Reason::in_use, path + " is being written by another process")
        .at("/path")
        .remedy("Stop the guest that uses it, then import it.");
  }
  return file;
}

image_format::ImageInfo judge_image(int file, const ports::ImportSource& source) {
  const auto bytes = read_sample(file);
  auto sample = bytes.view();
  sample.more = [file](std::uint64_t offset, std::span<std::uint8_t> into) {
    return read_up_to(file, into, offset);
  };
  auto verdict = image_format::judge(sample, {source.declared_format, source.size_limit});
  if (!verdict) throw std::move(verdict.error());
  return *verdict;
}

Bytes allocated(const struct stat& info) {
  return Bytes{static_cast<std::int64_t>(info.st_blocks) * 512};
}

}  // namespace

Staging::Staging(std::shared_ptr<const Place> place, ports::VolumeRef volume,
                 ports::ImportSource source)
    : place_(std::move(place)),
      volume_(volume),
      source_(std::move(source)),
      names_(names_of(volume_)) {
  open_source();
  make_directory_anew();
}

void Staging::open_source() {
  source_file_ = open_image(*place_, source_);
  judge(source_file_.get());
}

void Staging::judge(int file) {
  const auto size = status_of_open(file).st_size;
  if (!is_disk()) {
    if (size == 0 || Bytes{size} > kLargestBootFile) {
      throw Error(Reason::image_refused, "a kernel or initramfs has between 1 byte and 1 GiB");
    }
    info_.virtual_size = Bytes{size};
    return;
  }
  info_ = judge_image(file, source_);
  // Whoever made the layer has asked what the image is.
  if (info_.format == ImageFormat::iso && volume_.format != DiskFormat::raw) {
    throw Error(Reason::format_mismatch, "an ISO is kept as it is, in a raw layer")
        .remedy("Try again when nobody writes to the file.");
  }
}

bool Staging::is_verbatim() const { return !is_disk() || info_.format == ImageFormat::iso; }

void Staging::make_directory_anew() {
  const auto source = allocated(status_of_open(source_file_.get()));
  owner_ = place_->make_owner(names_);
  clear_leftovers(owner_.get(), names_);
  const bool copies = !source_.incoming;
  // The copy and the conversion of it; where blocks are shared this is more than is needed.
  Bytes needed;
  if (copies) needed += source;
  if (!is_verbatim()) needed += source;
  place_->require_space(owner_.get(), needed);
  workplace_ = std::make_shared<Workplace>(
      make_directory(owner_.get(), names_.staging()),
      fmt::format("{}/{}/{}", place_->root(), names_.owner_path, names_.staging()));
  if (link_source()) {
    copy_.emplace(std::move(source_file_));
  } else {
    copy_.emplace(std::move(source_file_), create_new(workplace_->directory(), kSource), true);
  }
}

// False where the file system knows no links, and for what is not ours.
bool Staging::link_source() {
  if (!source_.incoming) return false;
  const auto folder = open_incoming_folder(*place_);
  if (!folder) return false;
  const auto name = to_text(*source_.incoming);
  if (::linkat(folder.get(), name.c_str(), workplace_->directory(), kSource, 0) == 0) return true;
  if (errno == EPERM || errno == EOPNOTSUPP || errno == EMLINK) return false;
  throw os_error("cannot link an incoming file", errno);
}

const image_format::ImageInfo& Staging::judge_copy() {
  const int file = copy_->target().get();
  judge(file);
  if (is_disk() && info_.format == ImageFormat::qcow2) walk_tables(file);
  return info_;
}

void Staging::walk_tables(int file) const {
  const image_format::TableCheck check{copy_->size(), info_.cluster_bits, info_.extended_l2};
  std::vector<std::uint8_t> piece(kTablePiece);
  std::vector<std::uint8_t> table(std::size_t{1} << info_.cluster_bits);
  const std::uint64_t l1_bytes = std::uint64_t{info_.l1_entries} * 8;
  for (std::uint64_t at = 0; at < l1_bytes; at += kTablePiece) {
    const auto wanted =
        static_cast<std::size_t>(std::min<std::uint64_t>(kTablePiece, l1_bytes - at));
    const auto have = read_up_to(file, {piece.data(), wanted}, info_.l1_offset + at);
    auto tables = image_format::check_l1({piece.data(), have}, check);
    if (!tables) throw std::move(tables.error());
    for (const auto offset : *tables) {
      const auto length = read_up_to(file, table, offset);
      if (auto ok = image_format::check_l2({table.data(), length}, check); !ok) {
        throw std::move(ok.error());
      }
    }
  }
}

void Staging::hand_to(HelperUser helper) {
  if (helper.user == 0) return;
  // The helper reads the source through its group and cannot change what was hashed and judged.
  const int source = copy_->target().get();
  if (::fchown(source, static_cast<uid_t>(-1), helper.group) != 0 || ::fchmod(source, 0640) != 0 ||
      ::fchown(workplace_->directory(), helper.user, helper.group) != 0) {
    throw os_error("cannot hand the staging directory to the helper", errno);
  }
}

void Staging::publish_source(const std::string& checksum) { publish_file(kSource, checksum); }

void Staging::publish_target(const std::string& checksum) {
  const auto file = open_existing(workplace_->directory(), kTarget, O_RDONLY);
  if (!file) throw Error(Reason::process_failed, "the conversion wrote nothing");
  const auto info = status_of_open(file.get());
  if (!S_ISREG(info.st_mode) || info.st_nlink != 1) {
    throw Error(Reason::image_refused, "the conversion did not leave a plain file");
  }
  const auto facts = read_layer(file.get(), volume_);
  if (!facts.backing_file.empty() || facts.virtual_size != info_.virtual_size) {
    throw Error(Reason::image_refused,
                fmt::format("the conversion made a disk of {} instead of {}",
                            to_text(facts.virtual_size), to_text(info_.virtual_size)));
  }
  publish_file(kTarget, checksum);
}

void Staging::publish_file(const char* name, const std::string& checksum) {
  const auto file = open_existing(workplace_->directory(), name, O_RDONLY);
  if (!file) throw Error(Reason::io_failed, "the imported file vanished");
  if (::fchown(file.get(), ::geteuid(), ::getegid()) != 0 || ::fchmod(file.get(), 0600) != 0) {
    throw os_error("cannot take the imported file", errno);
  }
  sync(file.get(), names_.file);
  replace_durably(owner_.get(), names_.checksum(), checksum + "\n");
  if (::renameat(workplace_->directory(), name, owner_.get(), names_.file.c_str()) != 0) {
    throw os_error("cannot rename " + names_.file, errno);
  }
  sync(owner_.get(), "the directory of the volume");
  remove_tree(owner_.get(), names_.staging());
}

model::ImageFormat inspect_source(const Place& place, const ports::ImportSource& source) {
  const auto file = open_image(place, source);
  return judge_image(file.get(), source).format;
}

std::optional<ports::ImportResult> imported_before(const Place& place,
                                                   const ports::VolumeRef& volume) {
  const auto names = names_of(volume);
  const auto owner = place.open_owner(names);
  if (!owner) return std::nullopt;
  const auto file = open_existing(owner.get(), names.file, O_RDONLY);
  if (!file) return std::nullopt;
  ports::ImportResult result{read_layer(file.get(), volume).virtual_size, {}};
  if (const auto sum = open_existing(owner.get(), names.checksum(), O_RDONLY)) {
    const auto text = read_text(sum.get(), 128);
    result.checksum = text.substr(0, text.find('\n'));
  }
  remove_tree(owner.get(), names.staging());
  return result;
}

void remove_staging(const Place& place, const ports::VolumeRef& volume) {
  const auto names = names_of(volume);
  const auto owner = place.open_owner(names);
  if (!owner) return;
  // A volume that was published keeps its checksum.
  if (!status_of(owner.get(), names.file)) return clear_leftovers(owner.get(), names);
  remove_tree(owner.get(), names.staging());
}

}  // namespace ruche::drivers::dir
