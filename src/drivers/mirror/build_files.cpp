#include "drivers/mirror/build_files.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>

#include "base/error.hpp"

namespace ruche::drivers::mirror {

namespace {

namespace fs = std::filesystem;

Error failure(const std::string& what, int error) {
  const auto reason = error == ENOSPC ? Reason::not_enough_space : Reason::io_failed;
  return Error(reason, fmt::format("{}: {}", what, std::strerror(error)));
}

void check(const std::error_code& result, const std::string& what) {
  if (result) throw failure(what, result.value());
}

class OpenFile {
 public:
  OpenFile(const std::string& path, int flags)
      : number_(::open(path.c_str(), flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600)) {
    if (number_ < 0) throw failure("cannot open " + path, errno);
  }
  ~OpenFile() { ::close(number_); }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  int get() const { return number_; }

 private:
  int number_;
};

}  // namespace

void make_folder(const std::string& path, std::uint32_t user, std::uint32_t group) {
  std::error_code result;
  fs::create_directories(path, result);
  check(result, "cannot create " + path);
  if (::chmod(path.c_str(), 0700) != 0) throw failure("cannot protect " + path, errno);
  if (user != 0 && ::lchown(path.c_str(), user, group) != 0) {
    throw failure("cannot give away " + path, errno);
  }
}

void remove_folder(const std::string& path) {
  std::error_code result;
  fs::remove_all(path, result);
  check(result, "cannot remove " + path);
}

bool exists(const std::string& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

std::string read_file(const std::string& path, Bytes limit) {
  const OpenFile file(path, O_RDONLY);
  struct stat info{};
  if (::fstat(file.get(), &info) != 0) throw failure("cannot look at " + path, errno);
  if (!S_ISREG(info.st_mode) || info.st_size > limit.count) {
    throw Error(Reason::io_failed, path + " is not what it should be");
  }
  std::string content(static_cast<std::size_t>(info.st_size), '\0');
  std::size_t have = 0;
  while (have < content.size()) {
    const auto got = ::read(file.get(), content.data() + have, content.size() - have);
    if (got < 0) throw failure("cannot read " + path, errno);
    if (got == 0) throw Error(Reason::io_failed, path + " became shorter");
    have += static_cast<std::size_t>(got);
  }
  return content;
}

void write_file(const std::string& path, std::string_view content) {
  const OpenFile file(path, O_WRONLY | O_CREAT | O_TRUNC);
  while (!content.empty()) {
    const auto wrote = ::write(file.get(), content.data(), content.size());
    if (wrote <= 0) throw failure("cannot write " + path, errno);
    content.remove_prefix(static_cast<std::size_t>(wrote));
  }
  if (::fsync(file.get()) != 0) throw failure("cannot flush " + path, errno);
}

void rename_file(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) throw failure("cannot rename " + from, errno);
}

void copy_file(const std::string& from, const std::string& to) {
  write_file(to, read_file(from, gib(1)));
}

void make_sparse_file(const std::string& path, Bytes size) {
  const OpenFile file(path, O_WRONLY | O_CREAT | O_TRUNC);
  if (::ftruncate(file.get(), size.count) != 0) throw failure("cannot write " + path, errno);
}

void write_at(const std::string& path, std::string_view content, std::int64_t offset) {
  const OpenFile file(path, O_WRONLY);
  while (!content.empty()) {
    const auto wrote = ::pwrite(file.get(), content.data(), content.size(), offset);
    if (wrote <= 0) throw failure("cannot write " + path, errno);
    content.remove_prefix(static_cast<std::size_t>(wrote));
    offset += wrote;
  }
}

std::string read_tail(const std::string& path, Bytes limit) {
  const OpenFile file(path, O_RDONLY);
  struct stat info{};
  if (::fstat(file.get(), &info) != 0) throw failure("cannot look at " + path, errno);
  if (!S_ISREG(info.st_mode)) throw Error(Reason::io_failed, path + " is not what it should be");
  const auto from = std::max<std::int64_t>(0, info.st_size - limit.count);
  std::string content(static_cast<std::size_t>(info.st_size - from), '\0');
  const auto got = ::pread(file.get(), content.data(), content.size(), from);
  if (got < 0) throw failure("cannot read " + path, errno);
  content.resize(static_cast<std::size_t>(got));
  return content;
}

void give_file(const std::string& path, std::uint32_t user, std::uint32_t group) {
  if (user == 0) return;
  if (::lchown(path.c_str(), user, group) != 0) throw failure("cannot give away " + path, errno);
}

void take_file(const std::string& path, Bytes limit) {
  const OpenFile file(path, O_RDWR);
  struct stat info{};
  if (::fstat(file.get(), &info) != 0) throw failure("cannot look at " + path, errno);
  if (!S_ISREG(info.st_mode) || info.st_nlink != 1 || info.st_size > limit.count) {
    throw Error(Reason::io_failed, path + " is not what it should be");
  }
  if (::fchown(file.get(), ::geteuid(), ::getegid()) != 0 || ::fchmod(file.get(), 0600) != 0) {
    throw failure("cannot take " + path, errno);
  }
  if (::fsync(file.get()) != 0) throw failure("cannot flush " + path, errno);
}

void link_or_copy(const std::string& from, const std::string& to) {
  std::error_code result;
  fs::remove(to, result);
  if (::link(from.c_str(), to.c_str()) == 0) return;
  fs::copy_file(from, to, result);
  check(result, "cannot copy " + from);
}

void remove_folders(const std::string& parent, std::string_view prefix) {
  std::error_code result;
  std::vector<std::string> found;
  for (fs::directory_iterator at(parent, result), end; !result && at != end; at.increment(result)) {
    if (!at->path().filename().string().starts_with(prefix)) continue;
    if (at->is_directory(result) && !at->is_symlink(result)) found.push_back(at->path());
  }
  check(result, "cannot look into " + parent);
  for (const auto& path : found) remove_folder(path);
}

void remove_leftovers(const std::string& cache) {
  std::error_code result;
  std::vector<std::string> found;
  for (fs::directory_iterator at(cache, result), end; !result && at != end; at.increment(result)) {
    const auto name = at->path().filename().string();
    if (name.starts_with("helper-") || name.starts_with("partial-")) found.push_back(at->path());
  }
  check(result, "cannot look into " + cache);
  for (const auto& path : found) remove_folder(path);
}

void require_free(const std::string& directory, Bytes needed) {
  struct statvfs info{};
  if (::statvfs(directory.c_str(), &info) != 0) throw failure("cannot look at " + directory, errno);
  const Bytes free{static_cast<std::int64_t>(info.f_bavail * info.f_frsize)};
  if (free >= needed) return;
  throw Error(Reason::not_enough_space, fmt::format("the build needs {} in {}, where {} are free",
                                                    to_text(needed), directory, to_text(free)))
      .remedy("Free space there, or start ruched with a --data-dir on a larger file system.");
}

namespace {

// A field of os-release(5), without its quotes.
std::string os_field(std::string_view text, std::string_view name) {
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    auto line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (!line.starts_with(name) || line.size() <= name.size() || line[name.size()] != '=') continue;
    line.remove_prefix(name.size() + 1);
    if (line.size() >= 2 && line.front() == '"' && line.back() == '"') {
      line = line.substr(1, line.size() - 2);
    }
    return std::string(line);
  }
  return {};
}

}  // namespace

std::string debian_codename() {
  // A link on most systems, and the administrator's own business.
  std::error_code ignored;
  const auto path = fs::canonical("/etc/os-release", ignored);
  if (ignored) return {};
  const auto text = read_file(path, kib(64));
  if (os_field(text, "ID") != "debian") return {};
  const auto name = os_field(text, "VERSION_CODENAME");
  const bool plain = std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
  });
  return plain ? name : std::string();
}

std::vector<AptFile> read_apt_files() {
  constexpr const char* kMain = "/etc/apt/sources.list";
  constexpr const char* kParts = "/etc/apt/sources.list.d";
  std::vector<std::string> paths;
  if (exists(kMain)) paths.emplace_back(kMain);
  std::error_code result;
  for (fs::directory_iterator at(kParts, result), end; !result && at != end; at.increment(result)) {
    const auto name = at->path().filename().string();
    if (name.ends_with(".list") || name.ends_with(".sources")) paths.push_back(at->path());
  }
  std::sort(paths.begin(), paths.end());
  std::vector<AptFile> files;
  for (const auto& path : paths) {
    std::error_code ignored;
    const auto real = fs::canonical(path, ignored);
    if (!ignored && fs::is_regular_file(real, ignored)) {
      files.push_back({path, read_file(real, mib(1))});
    }
  }
  return files;
}

std::int64_t changed_at(const std::string& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) return 0;
  return info.st_mtim.tv_sec * std::int64_t{1'000'000'000} + info.st_mtim.tv_nsec;
}

UnpackedKernel find_kernel(const std::string& folder) {
  UnpackedKernel kernel;
  std::error_code result;
  for (fs::recursive_directory_iterator at(folder, result), end; !result && at != end;
       at.increment(result)) {
    if (!at->is_regular_file(result) || at->is_symlink(result)) continue;
    const auto name = at->path().filename().string();
    const auto directory = at->path().parent_path().filename();
    if (name.starts_with("vmlinuz-") && directory == "boot") kernel.image = at->path();
    const auto dot = name.find(".ko");
    if (dot == std::string::npos) continue;
    auto module = name.substr(0, dot);
    std::replace(module.begin(), module.end(), '-', '_');
    kernel.modules.emplace(std::move(module), at->path());
  }
  check(result, "cannot look into " + folder);
  if (kernel.image.empty()) {
    throw Error(Reason::process_failed, "the kernel's package holds no kernel");
  }
  return kernel;
}

std::string find_busybox(const std::string& folder) {
  for (const char* place : {"/bin/busybox", "/usr/bin/busybox"}) {
    if (exists(folder + place)) return folder + place;
  }
  throw Error(Reason::process_failed, "the package busybox-static holds no busybox");
}

}  // namespace ruche::drivers::mirror
