#include "own_root.hpp"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace ruche::jail {

namespace {

using Result = std::expected<void, std::string>;

// Any directory does: it is covered while the new root is put together, for this process alone.
constexpr const char* kStage = "/tmp";
constexpr const char* kNewRoot = "/new";
constexpr const char* kOldRoot = "/old";

Result failure(const std::string& what) {
  return std::unexpected(what + ": " + std::strerror(errno));
}

Result make_directories(const std::string& path) {
  for (std::size_t at = path.find('/', 1); at != path.npos; at = path.find('/', at + 1)) {
    const auto parent = path.substr(0, at);
    if (::mkdir(parent.c_str(), 0755) != 0 && errno != EEXIST) return failure(parent);
  }
  if (::mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) return failure(path);
  return {};
}

// Shows `path` of the old root in the new one. A symbolic link stays one.
Result show(const std::string& path, bool writable) {
  const auto from = kOldRoot + path;
  const auto to = kNewRoot + path;
  struct stat info{};
  if (::lstat(from.c_str(), &info) != 0) return failure(path);
  if (auto ok = make_directories(to.substr(0, to.rfind('/'))); !ok) return ok;
  if (S_ISLNK(info.st_mode)) {
    char target[4096];
    const auto length = ::readlink(from.c_str(), target, sizeof target - 1);
    if (length < 0) return failure(path);
    target[length] = '\0';
    if (::symlink(target, to.c_str()) != 0 && errno != EEXIST) return failure(path);
    return {};
  }
  if (S_ISDIR(info.st_mode)) {
    if (auto ok = make_directories(to); !ok) return ok;
  } else {
    const int file = ::open(to.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (file < 0) return failure(path);
    ::close(file);
  }
  if (::mount(from.c_str(), to.c_str(), nullptr, MS_BIND | MS_REC, nullptr) != 0) {
    return failure(path);
  }
  if (writable) return {};
  // With all that is mounted below it. A namespace of other users cannot take that off again.
  mount_attr attributes{};
  attributes.attr_set = MOUNT_ATTR_RDONLY;
  if (::mount_setattr(AT_FDCWD, to.c_str(), AT_RECURSIVE, &attributes, sizeof attributes) != 0) {
    return failure(path);
  }
  return {};
}

Result show_devices() {
  for (const char* device :
       {"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"}) {
    if (auto ok = show(device, true); !ok) return ok;
  }
  const std::string devices = std::string(kNewRoot) + "/dev";
  ::symlink("/proc/self/fd", (devices + "/fd").c_str());
  ::symlink("/proc/self/fd/0", (devices + "/stdin").c_str());
  ::symlink("/proc/self/fd/1", (devices + "/stdout").c_str());
  ::symlink("/proc/self/fd/2", (devices + "/stderr").c_str());
  return {};
}

Result pivot(const char* new_root, const char* put_old) {
  if (::syscall(SYS_pivot_root, new_root, put_old) != 0) return failure("pivot_root");
  if (::chdir("/") != 0) return failure("chdir");
  return {};
}

// As root of the host, in a mount namespace of our own, because only that may walk to every path.
Result build_root(const Options& options) {
  if (::unshare(CLONE_NEWNS) != 0) return failure("unshare");
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return failure("private");
  if (::mount("tmpfs", kStage, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=64m") != 0) {
    return failure("tmpfs");
  }
  const std::string stage = kStage;
  ::umask(0022);
  if (::mkdir((stage + kNewRoot).c_str(), 0755) != 0) return failure("mkdir");
  if (::mkdir((stage + kOldRoot).c_str(), 0755) != 0) return failure("mkdir");
  if (auto ok = pivot(kStage, (stage + kOldRoot).c_str()); !ok) return ok;
  // A root must be a mount point.
  if (::mount(kNewRoot, kNewRoot, nullptr, MS_BIND, nullptr) != 0) return failure("bind");
  for (const auto& path : options.execute_paths) {
    if (auto ok = show(path, false); !ok) return ok;
  }
  for (const auto& path : options.read_paths) {
    if (auto ok = show(path, false); !ok) return ok;
  }
  for (const auto& path : options.write_paths) {
    if (auto ok = show(path, true); !ok) return ok;
  }
  if (auto ok = show_devices(); !ok) return ok;
  // Needed until the namespace has its own: one may only mount what one could see before.
  if (auto ok = show("/proc", true); !ok) return ok;
  const std::string scratch = std::string(kNewRoot) + "/tmp";
  if (::mkdir(scratch.c_str(), 01777) != 0 && errno != EEXIST) return failure("/tmp");
  if (::chmod(scratch.c_str(), 01777) != 0) return failure("/tmp");
  const auto old = std::string(kNewRoot) + kOldRoot;
  if (::mkdir(old.c_str(), 0700) != 0) return failure("mkdir");
  if (auto ok = pivot(kNewRoot, old.c_str()); !ok) return ok;
  if (::umount2(kOldRoot, MNT_DETACH) != 0) return failure("umount");
  ::rmdir(kOldRoot);
  ::umask(0077);
  return {};
}

bool write_file(const std::string& path, const std::string& text) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (file < 0) return false;
  const bool written = ::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  ::close(file);
  return written;
}

// Only a process outside may map ids that are not its own. It waits until the namespace is there.
[[noreturn]] void map_ids(int go, pid_t target, const Options& options) {
  char byte = 0;
  if (::read(go, &byte, 1) != 1) ::_exit(1);
  const auto map =
      "0 " + std::to_string(options.first_id) + " " + std::to_string(options.id_count) + "\n";
  const auto process = "/proc/" + std::to_string(target);
  const bool done = write_file(process + "/uid_map", map) && write_file(process + "/gid_map", map);
  ::_exit(done ? 0 : 1);
}

Result enter_namespaces(const Options& options) {
  int go[2];
  if (::pipe2(go, O_CLOEXEC) != 0) return failure("pipe");
  const pid_t self = ::getpid();
  const pid_t mapper = ::fork();
  if (mapper < 0) return failure("fork");
  if (mapper == 0) {
    ::close(go[1]);
    map_ids(go[0], self, options);
  }
  ::close(go[0]);
  constexpr int kNamespaces =
      CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS;
  const bool apart = ::unshare(kNamespaces) == 0;
  const int error = errno;
  if (apart && ::write(go[1], "g", 1) != 1) return failure("pipe");
  ::close(go[1]);
  int status = 1;
  ::waitpid(mapper, &status, 0);
  errno = error;
  if (!apart) return failure("unshare");
  if (status != 0) return std::unexpected("the ids could not be mapped");
  if (::setgroups(0, nullptr) != 0 || ::setresgid(0, 0, 0) != 0 || ::setresuid(0, 0, 0) != 0) {
    return failure("setresuid");
  }
  return {};
}

// What stays outside holds nothing but the wait.
[[noreturn]] void wait_and_end(pid_t inside, int alive) {
  ::syscall(SYS_close_range, 0U, static_cast<unsigned>(alive) - 1, 0U);
  ::syscall(SYS_close_range, static_cast<unsigned>(alive) + 1, ~0U, 0U);
  int status = 0;
  while (::waitpid(inside, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status)) ::_exit(WEXITSTATUS(status));
  ::_exit(128 + WTERMSIG(status));
}

}  // namespace

std::expected<void, std::string> enter_own_root(const Options& options) {
  if (auto ok = build_root(options); !ok) return ok;
  if (auto ok = enter_namespaces(options); !ok) return ok;
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return failure("no_new_privs");
  if (options.parent != 0) {
    // Changing users took it away; the parent may have gone meanwhile.
    if (::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) return failure("prctl");
    if (::getppid() != options.parent) return std::unexpected("the parent has gone");
  }
  int alive[2];
  if (::pipe2(alive, O_CLOEXEC) != 0) return failure("pipe");
  const pid_t inside = ::fork();
  if (inside < 0) return failure("fork");
  if (inside > 0) {
    ::close(alive[0]);
    wait_and_end(inside, alive[1]);
  }
  ::close(alive[1]);
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) return failure("prctl");
  pollfd outside{alive[0], 0, 0};
  if (::poll(&outside, 1, 0) != 0) return std::unexpected("the parent has gone");
  ::close(alive[0]);
  if (::mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) != 0) {
    return failure("/proc");
  }
  if (::chdir(options.directory.c_str()) != 0) return failure(options.directory);
  return {};
}

}  // namespace ruche::jail
