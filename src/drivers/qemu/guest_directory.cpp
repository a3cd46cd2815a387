#include "drivers/qemu/guest_directory.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

namespace ruche::drivers::qemu {

namespace {

constexpr int kBacklog = 8;

[[noreturn]] void fail(const std::string& what) {
  throw Error(Reason::io_failed, fmt::format("{}: {}", what, std::strerror(errno)));
}

void write_all(int file, std::string_view content, const std::string& path) {
  while (!content.empty()) {
    const auto written = ::write(file, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail(path);
    content.remove_prefix(static_cast<std::size_t>(written));
  }
}

std::string read_at(int file, off_t offset, std::size_t limit) {
  std::string text(limit, '\0');
  std::size_t have = 0;
  while (have < limit) {
    const auto got =
        ::pread(file, text.data() + have, limit - have, offset + static_cast<off_t>(have));
    if (got <= 0) break;
    have += static_cast<std::size_t>(got);
  }
  text.resize(have);
  return text;
}

}  // namespace

GuestDirectory::GuestDirectory(std::string run_directory, model::GuestId guest)
    : path_(std::move(run_directory) + "/" + to_text(guest)) {}

bool GuestDirectory::exists() const { return ::access(path_.c_str(), F_OK) == 0; }

void GuestDirectory::create() {
  if (::mkdir(path_.c_str(), 0700) != 0) fail(path_);
}

void GuestDirectory::remove() {
  std::error_code failure;
  std::filesystem::remove_all(path_, failure);
  if (failure) throw Error(Reason::io_failed, path_ + ": " + failure.message());
}

Descriptor GuestDirectory::open_directory() const {
  Descriptor directory(::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
  if (!directory.open()) fail(path_);
  return directory;
}

GuestDirectory::Address GuestDirectory::address(std::string_view name) const {
  auto directory = open_directory();
  auto text = fmt::format("/proc/self/fd/{}/{}", directory.get(), name);
  return {std::move(directory), std::move(text)};
}

Descriptor GuestDirectory::listen(std::string_view name) const {
  const auto here = address(name);
  Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket.open()) fail("socket");
  sockaddr_un where{};
  where.sun_family = AF_UNIX;
  std::copy(here.path.begin(), here.path.end(), where.sun_path);
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&where), sizeof where) != 0 ||
      ::listen(socket.get(), kBacklog) != 0) {
    fail(file(name));
  }
  return socket;
}

void GuestDirectory::write(std::string_view name, std::string_view content,
                           Durability durability) const {
  const bool durable = durability == Durability::full;
  const auto target = file(name);
  const auto temporary = target + ".new";
  {
    const Descriptor out(
        ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!out.open()) fail(temporary);
    write_all(out.get(), content, temporary);
    if (durable && ::fsync(out.get()) != 0) fail(temporary);
  }
  if (::rename(temporary.c_str(), target.c_str()) != 0) fail(target);
  if (durable && ::fsync(open_directory().get()) != 0) fail(path_);
}

std::optional<std::string> GuestDirectory::read(std::string_view name, std::size_t limit) const {
  const auto path = file(name);
  const Descriptor in(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!in.open() && (errno == ENOENT || errno == ENOTDIR)) return std::nullopt;
  if (!in.open()) {
    throw Error(Reason::document_unreadable, fmt::format("{}: {}", path, std::strerror(errno)));
  }
  struct stat info{};
  if (::fstat(in.get(), &info) != 0 || !S_ISREG(info.st_mode) || info.st_size < 0 ||
      static_cast<std::size_t>(info.st_size) > limit) {
    throw Error(Reason::document_unreadable, path + " is not a file of a sensible size");
  }
  return read_at(in.get(), 0, static_cast<std::size_t>(info.st_size));
}

std::string GuestDirectory::tail(std::string_view name, std::size_t limit) const {
  const Descriptor in(::open(file(name).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  struct stat info{};
  if (!in.open() || ::fstat(in.get(), &info) != 0 || !S_ISREG(info.st_mode)) return {};
  const auto size = static_cast<std::size_t>(info.st_size);
  return read_at(in.get(), static_cast<off_t>(size > limit ? size - limit : 0), limit);
}

void GuestDirectory::trim(std::string_view name, std::size_t limit) const {
  struct stat info{};
  const auto path = file(name);
  if (::lstat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) return;
  if (static_cast<std::size_t>(info.st_size) > limit && ::truncate(path.c_str(), 0) != 0)
    fail(path);
}

std::vector<model::GuestId> list_guest_directories(const std::string& run_directory) {
  std::vector<model::GuestId> guests;
  std::error_code failure;
  for (const auto& entry : std::filesystem::directory_iterator(run_directory, failure)) {
    const auto id = parse_uuid(entry.path().filename().string());
    if (id) guests.push_back({*id});
  }
  if (failure && failure != std::errc::no_such_file_or_directory) {
    throw Error(Reason::io_failed, run_directory + ": " + failure.message());
  }
  std::sort(guests.begin(), guests.end());
  return guests;
}

}  // namespace ruche::drivers::qemu
