#include "own_devices.hpp"

#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

namespace ruche::jail {

namespace {

// Covered for this process alone, and for good: to uncover it again makes the kernel wait for a
// grace period, and a confined process has no business in there.
constexpr const char* kStage = "/dev/shm";

bool is_for_root_only(const std::string& path, struct stat& info) {
  if (!path.starts_with("/dev/") || ::lstat(path.c_str(), &info) != 0) return false;
  return S_ISCHR(info.st_mode) && info.st_uid == 0 && (info.st_mode & (S_IRWXG | S_IRWXO)) == 0;
}

bool enter_namespace() {
  if (::unshare(CLONE_NEWNS) != 0) return false;
  // What the host unmounts later goes from here too.
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) != 0) return false;
  return ::mount("tmpfs", kStage, "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=0700,size=64k") == 0;
}

void show(const std::string& path, const struct stat& info, const Options& options) {
  const auto node = kStage + path.substr(path.rfind('/'));
  if (::mknod(node.c_str(), S_IFCHR | 0600, info.st_rdev) != 0) return;
  if (::chown(node.c_str(), options.user, options.group) != 0) return;
  (void)!::mount(node.c_str(), path.c_str(), nullptr, MS_BIND, nullptr);
}

}  // namespace

void show_own_devices(const Options& options) {
  if (::geteuid() != 0 || options.user == 0) return;
  bool entered = false;
  for (const auto& path : options.write_paths) {
    struct stat info{};
    if (!is_for_root_only(path, info)) continue;
    if (!entered && !enter_namespace()) return;
    entered = true;
    show(path, info, options);
  }
}

}  // namespace ruche::jail
