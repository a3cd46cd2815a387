#include "drivers/qemu/boot_files.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/sendfile.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace ruche::drivers::qemu {

namespace {

constexpr std::size_t kMostCopies = 4;  // two kernels with their initramfs

[[noreturn]] void fail(const std::string& what) {
  throw Error(Reason::io_failed, fmt::format("{}: {}", what, std::strerror(errno)));
}

// A hole costs nothing on a disk, but memory here.
constexpr off_t kLargestBootFile = off_t{512} << 20;

bool same_content(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino && a.st_size == b.st_size &&
         a.st_mtim.tv_sec == b.st_mtim.tv_sec && a.st_mtim.tv_nsec == b.st_mtim.tv_nsec &&
         a.st_ctim.tv_sec == b.st_ctim.tv_sec && a.st_ctim.tv_nsec == b.st_ctim.tv_nsec;
}

// Sealed, because a guest that broke out of its QEMU could otherwise write into what the next one
// boots from.
Descriptor copy_to_memory(const Descriptor& file, const std::string& path, off_t size) {
  if (size > kLargestBootFile) throw Error(Reason::io_failed, path + " is too large to boot from");
  Descriptor copy(::memfd_create("boot", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!copy.open()) fail("memfd_create");
  off_t at = 0;
  while (at < size) {
    const auto sent = ::sendfile(copy.get(), file.get(), &at, static_cast<std::size_t>(size - at));
    if (sent < 0) fail(path);
    if (sent == 0) throw Error(Reason::io_failed, path + " became shorter while it was read");
  }
  constexpr int kSeals = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;
  if (::fcntl(copy.get(), F_ADD_SEALS, kSeals) != 0) fail("sealing a copy of " + path);
  return copy;
}

Descriptor duplicate(const Descriptor& descriptor) {
  Descriptor copy(::fcntl(descriptor.get(), F_DUPFD_CLOEXEC, 3));
  if (!copy.open()) fail("dup");
  return copy;
}

}  // namespace

Descriptor BootFiles::share(const Descriptor& file, const std::string& path) {
  struct stat info{};
  if (::fstat(file.get(), &info) != 0) fail(path);
  const auto known = std::find_if(copies_.begin(), copies_.end(),
                                  [&](const Copy& copy) { return same_content(copy.of, info); });
  if (known != copies_.end()) {
    std::rotate(copies_.begin(), known, known + 1);
    return duplicate(copies_.front().memory);
  }
  copies_.push_front({info, copy_to_memory(file, path, info.st_size)});
  if (copies_.size() > kMostCopies) copies_.pop_back();
  return duplicate(copies_.front().memory);
}

}  // namespace ruche::drivers::qemu
