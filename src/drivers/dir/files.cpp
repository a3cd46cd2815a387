#include "drivers/dir/files.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <span>

namespace ruche::drivers::dir {

void Fd::reset() {
  if (number_ >= 0) ::close(number_);
  number_ = -1;
}

Error os_error(std::string what, int error) {
  auto message = fmt::format("{}: {}", what, std::strerror(error));
  switch (error) {
    case ENOSPC:
    case EDQUOT:
      return Error(Reason::not_enough_space, std::move(message))
          .remedy("Free space on the datastore, or use another one.");
    case EIO:
    case ENODEV:
    case ENXIO:
    case ESTALE:
    case ENOTCONN:
    case ECONNABORTED:
    case ETIMEDOUT:
    case EHOSTDOWN:
    case EROFS:
      return Error(Reason::datastore_unavailable, std::move(message))
          .remedy("Look at the file system of the datastore, and at the kernel's log.");
    default:
      return Error(Reason::io_failed, std::move(message));
  }
}

Fd open_existing(int directory, const std::string& name, int flags) {
  // O_NONBLOCK: a fifo that somebody put there must not hold us.
  Fd file(::openat(directory, name.c_str(), flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!file && errno != ENOENT) throw os_error("cannot open " + name, errno);
  return file;
}

Fd create_new(int directory, const std::string& name) {
  Fd file(::openat(directory, name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!file) throw os_error("cannot create " + name, errno);
  return file;
}

Fd open_directory(int parent, const std::string& name) {
  return open_existing(parent, name, O_RDONLY | O_DIRECTORY);
}

Fd make_directory(int parent, const std::string& name) {
  if (auto there = open_directory(parent, name)) return there;
  if (::mkdirat(parent, name.c_str(), 0700) != 0 && errno != EEXIST) {
    throw os_error("cannot create the directory " + name, errno);
  }
  sync(parent, "the directory above " + name);
  auto made = open_directory(parent, name);
  if (!made) throw Error(Reason::io_failed, "the directory " + name + " vanished");
  return made;
}

std::optional<struct stat> status_of(int directory, const std::string& name) {
  struct stat info{};
  if (::fstatat(directory, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0) return info;
  if (errno == ENOENT) return std::nullopt;
  throw os_error("cannot look at " + name, errno);
}

struct stat status_of_open(int file) {
  struct stat info{};
  if (::fstat(file, &info) != 0) throw os_error("cannot look at a file", errno);
  return info;
}

std::vector<std::string> names_in(int directory) {
  const int copy = ::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (copy < 0) throw os_error("cannot list a directory", errno);
  const auto close_stream = [](DIR* stream) { ::closedir(stream); };
  const std::unique_ptr<DIR, decltype(close_stream)> stream(::fdopendir(copy), close_stream);
  if (!stream) {
    ::close(copy);
    throw Error(Reason::io_failed, "cannot list a directory");
  }
  std::vector<std::string> names;
  errno = 0;
  while (const auto* entry = ::readdir(stream.get())) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
    errno = 0;
  }
  if (errno != 0) throw os_error("cannot list a directory", errno);
  std::sort(names.begin(), names.end());
  return names;
}

void write_all(int file, std::span<const std::uint8_t> bytes, std::uint64_t offset) {
  while (!bytes.empty()) {
    const auto wrote = ::pwrite(file, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) throw os_error("cannot write", wrote < 0 ? errno : ENOSPC);
    bytes = bytes.subspan(static_cast<std::size_t>(wrote));
    offset += static_cast<std::uint64_t>(wrote);
  }
}

std::size_t read_up_to(int file, std::span<std::uint8_t> bytes, std::uint64_t offset) {
  std::size_t have = 0;
  while (have < bytes.size()) {
    const auto got =
        ::pread(file, bytes.data() + have, bytes.size() - have, static_cast<off_t>(offset + have));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw os_error("cannot read", errno);
    if (got == 0) break;
    have += static_cast<std::size_t>(got);
  }
  return have;
}

std::string read_text(int file, std::size_t limit) {
  std::vector<std::uint8_t> bytes(limit);
  const auto have = read_up_to(file, bytes, 0);
  return {reinterpret_cast<const char*>(bytes.data()), have};
}

void set_size(int file, std::uint64_t size) {
  if (::ftruncate(file, static_cast<off_t>(size)) != 0) throw os_error("cannot set a size", errno);
}

void sync(int file, std::string_view what) {
  if (::fsync(file) != 0) throw os_error(fmt::format("cannot flush {}", what), errno);
}

void rename_in(int directory, const std::string& from, const std::string& to) {
  if (::renameat(directory, from.c_str(), directory, to.c_str()) != 0) {
    throw os_error("cannot rename " + from, errno);
  }
}

void remove_file(int directory, const std::string& name) {
  if (::unlinkat(directory, name.c_str(), 0) != 0 && errno != ENOENT) {
    throw os_error("cannot remove " + name, errno);
  }
}

void remove_tree(int parent, const std::string& name, int levels) {
  const auto info = status_of(parent, name);
  if (!info) return;
  if (!S_ISDIR(info->st_mode)) return remove_file(parent, name);
  const auto directory = levels > 0 ? open_directory(parent, name) : Fd();
  if (directory) {
    for (const auto& inside : names_in(directory.get())) {
      remove_tree(directory.get(), inside, levels - 1);
    }
  }
  if (::unlinkat(parent, name.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT) {
    throw os_error("cannot remove " + name, errno);
  }
}

void replace_durably(int directory, const std::string& name, std::string_view content) {
  const auto temporary = name + ".partial";
  remove_file(directory, temporary);
  const auto file = create_new(directory, temporary);
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(content.data());
  try {
    write_all(file.get(), {bytes, content.size()}, 0);
    sync(file.get(), name);
    rename_in(directory, temporary, name);
  } catch (const Error&) {
    ::unlinkat(directory, temporary.c_str(), 0);
    throw;
  }
  sync(directory, "the directory of " + name);
}

bool in_use_elsewhere(int file, ImageUse use) {
  constexpr off_t kUsed = 100;    // RAW_LOCK_PERM_BASE
  constexpr off_t kWrite = 1;     // BLK_PERM_WRITE is bit 1
  struct flock lock{};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = use == ImageUse::writer ? kUsed + kWrite : kUsed;
  lock.l_len = use == ImageUse::writer ? 1 : 200;
  if (::fcntl(file, F_OFD_GETLK, &lock) != 0) return false;  // no locks on this file system
  return lock.l_type != F_UNLCK;
}

SampleBytes read_sample(int file) {
  using namespace model::image_format;
  SampleBytes sample;
  sample.file_size = static_cast<std::uint64_t>(status_of_open(file).st_size);
  sample.head.resize(std::min<std::uint64_t>(kHeadBytes, sample.file_size));
  sample.head.resize(read_up_to(file, sample.head, 0));
  sample.tail.resize(std::min<std::uint64_t>(kTailBytes, sample.file_size));
  sample.tail.resize(read_up_to(file, sample.tail, sample.file_size - sample.tail.size()));
  return sample;
}

}  // namespace ruche::drivers::dir
