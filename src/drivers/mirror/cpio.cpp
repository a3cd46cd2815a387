#include "drivers/mirror/cpio.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

namespace ruche::drivers::mirror {

namespace {

constexpr std::size_t kAlignment = 4;
constexpr std::size_t kBlock = 512;  // the whole archive is padded to this

void pad(std::string& bytes, std::size_t alignment) {
  bytes.append((alignment - bytes.size() % alignment) % alignment, '\0');
}

}  // namespace

void CpioArchive::add(std::string_view path, const Entry& entry, std::string_view content) {
  const std::uint32_t number = entry.mode == 0 ? 0 : ++last_number_;
  constexpr std::uint32_t kNone = 0;
  // magic, inode, mode, uid, gid, links, mtime, size, device, rdevice, name length, checksum.
  bytes_ += "070701";
  for (const std::uint32_t field :
       {number, entry.mode, kNone, kNone, entry.links, kNone,
        static_cast<std::uint32_t>(content.size()), kNone, kNone, entry.major, entry.minor,
        static_cast<std::uint32_t>(path.size() + 1), kNone}) {
    bytes_ += fmt::format("{:08x}", field);
  }
  bytes_ += path;
  bytes_ += '\0';
  pad(bytes_, kAlignment);
  bytes_ += content;
  pad(bytes_, kAlignment);
}

void CpioArchive::add_directory(std::string_view path, std::uint32_t permissions) {
  add(path, {S_IFDIR | permissions, 2, 0, 0}, {});
}

void CpioArchive::add_file(std::string_view path, std::uint32_t permissions,
                           std::string_view content) {
  add(path, {S_IFREG | permissions, 1, 0, 0}, content);
}

void CpioArchive::add_link(std::string_view path, std::string_view target) {
  add(path, {S_IFLNK | 0777, 1, 0, 0}, target);
}

void CpioArchive::add_character_device(std::string_view path, std::uint32_t permissions,
                                       std::uint32_t major, std::uint32_t minor) {
  add(path, {S_IFCHR | permissions, 1, major, minor}, {});
}

void CpioArchive::add_fifo(std::string_view path, std::uint32_t permissions) {
  add(path, {S_IFIFO | permissions, 1, 0, 0}, {});
}

std::string CpioArchive::finish() {
  add("TRAILER!!!", {0, 1, 0, 0}, {});
  pad(bytes_, kBlock);
  return std::move(bytes_);
}

}  // namespace ruche::drivers::mirror
