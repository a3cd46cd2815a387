#include "drivers/dir/chain.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>

#include "drivers/dir/found.hpp"

namespace ruche::drivers::dir {

namespace {

using ports::VolumeRef;

// No chain of ours is longer; one that goes round ends here.
constexpr std::size_t kMostLayers = 256;
// The first descriptor of a mirror.
constexpr int kFirstDescriptor = 10;
// Beside what any conversion needs: QEMU keeps tables of every layer.
constexpr Bytes kTablesOfALayer = mib(64);

ChainLayer open_layer(const Place& place, const VolumeRef& volume) {
  const auto names = names_of(volume);
  const auto owner = place.open_owner(names);
  ChainLayer layer;
  layer.volume = volume;
  if (owner) layer.file = open_existing(owner.get(), names.file, O_RDONLY);
  if (!layer.file) {
    throw Error(Reason::no_such_object,
                fmt::format("the volume {} is not on the datastore", to_text(volume.layer)));
  }
  if (!S_ISREG(status_of_open(layer.file.get()).st_mode)) {
    throw Error(Reason::object_broken, fmt::format("{} is not a plain file", names.file));
  }
  layer.facts = read_layer(layer.file.get(), volume);
  return layer;
}

// A directory of a mirror: the helper's user may go through it and change nothing in it.
Fd open_to_all(int parent, const std::string& name) {
  auto directory = make_directory(parent, name);
  if (::fchmod(directory.get(), 0755) != 0) throw os_error("cannot set a mode", errno);
  return directory;
}

}  // namespace

std::vector<ChainLayer> open_chain(const Place& place, const VolumeRef& top) {
  std::vector<ChainLayer> chain;
  std::optional<VolumeRef> next = top;
  while (next) {
    if (chain.size() == kMostLayers) {
      throw Error(Reason::object_broken, fmt::format("the volume {} stands on more than {} others",
                                                     to_text(top.layer), kMostLayers));
    }
    chain.push_back(open_layer(place, *next));
    next = parent_in(chain.back().facts, names_of(*next).file);
  }
  return chain;
}

bool same_file(const VolumeRef& one, const VolumeRef& other) {
  return path_from_sibling(one) == path_from_sibling(other);
}

std::string path_in_mirror(const VolumeRef& volume) {
  const auto names = names_of(volume);
  return names.owner_path + "/" + names.file;
}

Mirror::Mirror(const Place& place, const VolumeRef& volume) {
  const auto names = names_of(volume);
  const auto owner = place.make_owner(names);
  remove_tree(owner.get(), names.staging());
  workplace_ = std::make_shared<Workplace>(
      open_to_all(owner.get(), names.staging()),
      fmt::format("{}/{}/{}", place.root(), names.owner_path, names.staging()));
}

void Mirror::show(const VolumeRef& volume, const Fd& file, HelperUser reader) {
  const auto info = status_of_open(file.get());
  const bool readable = info.st_gid == reader.group && (info.st_mode & S_IRGRP) != 0;
  if (reader.user != 0 && !readable) {
    // It stays so: who reaches the file at all is decided by its directory.
    if (::fchown(file.get(), static_cast<uid_t>(-1), reader.group) != 0 ||
        ::fchmod(file.get(), 0640) != 0) {
      throw os_error("cannot let the helper read a volume", errno);
    }
  }
  work_.read_paths.push_back(link(volume, file));
}

void Mirror::show_writable(const VolumeRef& volume, const Fd& file, HelperUser writer) {
  if (writer.user != 0 && ::fchown(file.get(), writer.user, writer.group) != 0) {
    throw os_error("cannot let the helper write a volume", errno);
  }
  work_.write_paths.push_back(link(volume, file));
}

std::string Mirror::link(const VolumeRef& volume, const Fd& file) {
  const int number = kFirstDescriptor + static_cast<int>(work_.descriptors.size());
  const auto target = fmt::format("/proc/self/fd/{}", number);
  const auto names = names_of(volume);
  const auto folder = open_to_all(workplace_->directory(), names.folder());
  const auto owner = open_to_all(folder.get(), names.owner());
  if (::symlinkat(target.c_str(), owner.get(), names.file.c_str()) != 0) {
    throw os_error("cannot make a link in a staging directory", errno);
  }
  work_.descriptors.push_back({file.get(), number});
  work_.address_space += kTablesOfALayer;
  return target;
}

ImageWork Mirror::work(std::vector<std::string> argv, Bytes largest_file) const {
  auto work = work_;
  work.argv = std::move(argv);
  work.largest_file = largest_file;
  return work;
}

void take_back(const Fd& file) {
  if (status_of_open(file.get()).st_uid == ::geteuid()) return;
  if (::fchown(file.get(), ::geteuid(), ::getegid()) != 0 || ::fchmod(file.get(), 0600) != 0) {
    throw os_error("cannot take a volume back from the helper", errno);
  }
}

}  // namespace ruche::drivers::dir
