// jail prepares a process and becomes it: cgroup, session, limits, files, user, Landlock, exec.
// It is the only program that runs as root between the daemon and a guest, so it is small, links
// nothing of ours and allocates little. What fails is named on the status descriptor.
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "landlock.hpp"
#include "options.hpp"
#include "own_devices.hpp"
#include "own_root.hpp"

namespace ruche::jail {

namespace {

constexpr int kExitStatus = 126;

// A status message is one line "<preparation>: <why>"; "exec" alone says that all is prepared.
void report(int status_fd, const std::string& message) {
  const int target = status_fd >= 0 ? status_fd : STDERR_FILENO;
  const auto line = message + "\n";
  [[maybe_unused]] const auto written = ::write(target, line.data(), line.size());
}

class Preparation {
 public:
  explicit Preparation(const Options& options) : options_(options) {}

  [[noreturn]] void run() {
    keep_status();
    join_cgroups();
    join_cgroups_later();
    set_session();
    set_limits();
    give_up_protection();
    open_files();
    if (options_.id_count != 0) live_apart();
    show_own_devices(options_);
    const int ruleset = make_landlock();
    drop_privileges();
    if (auto ok = enter_landlock(ruleset); !ok) fail("landlock", ok.error());
    close_the_rest();
    tie_to_parent();
    execute();
  }

 private:
  [[noreturn]] void fail(const char* preparation, const std::string& why) {
    report(options_.status_fd, std::string(preparation) + ": " + why);
    ::_exit(kExitStatus);
  }
  [[noreturn]] void fail_errno(const char* preparation, const std::string& what) {
    const int error = errno;
    fail(preparation, what + ": " + std::strerror(error));
  }

  void keep_status() {
    if (options_.status_fd < 0) return;
    if (::fcntl(options_.status_fd, F_SETFD, FD_CLOEXEC) != 0) fail_errno("status", "descriptor");
  }

  static bool join(const std::string& directory, const std::string& who) {
    const auto path = directory + "/cgroup.procs";
    const int file = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
    if (file < 0) return false;
    const bool joined = ::write(file, who.data(), who.size()) > 0;
    const int error = errno;
    ::close(file);
    errno = error;
    return joined;
  }

  void join_cgroups() {
    for (const auto& directory : options_.cgroups) {
      if (!join(directory, "0")) fail_errno("cgroup", directory);
    }
  }

  // Joining makes the kernel wait for a grace period of some milliseconds. A helper waits for it
  // while we become the program; it is nobody's child and holds nothing but the status descriptor,
  // so that the daemon learns of its end.
  void join_cgroups_later() {
    if (options_.late_cgroups.empty()) return;
    const auto who = std::to_string(::getpid());
    const auto child = ::fork();
    if (child < 0) fail_errno("cgroup", "fork");
    if (child > 0) {
      ::waitpid(child, nullptr, 0);
      return;
    }
    const auto helper = ::fork();
    if (helper < 0) fail_errno("cgroup", "fork");
    if (helper > 0) ::_exit(0);
    close_all_but({options_.status_fd});
    for (const auto& directory : options_.late_cgroups) {
      if (!join(directory, who) && errno != ESRCH) fail_errno("cgroup", directory);
    }
    ::_exit(0);
  }

  // A session of its own: signals to the daemon's terminal or group do not reach a guest. The
  // daemon blocked signals of its own, which must not be inherited.
  void set_session() {
    if (::setsid() < 0) fail_errno("session", "setsid");
    sigset_t none;
    ::sigemptyset(&none);
    if (::sigprocmask(SIG_SETMASK, &none, nullptr) != 0) fail_errno("session", "sigprocmask");
    for (int number = 1; number < 32; ++number) ::signal(number, SIG_DFL);
    ::umask(077);
  }

  void set_limits() {
    for (const auto& limit : options_.limits) {
      const rlimit value{limit.value, limit.value};
      if (::setrlimit(static_cast<__rlimit_resource>(limit.resource), &value) != 0) {
        fail_errno("limits", "setrlimit");
      }
    }
  }

  // The daemon may be spared when the machine runs out of memory. What it starts is not: the kernel
  // would end everything else before the guest that took the memory. A machine without that file
  // protects nobody.
  static void give_up_protection() {
    const int file = ::open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
    if (file < 0) return;
    char sign = 0;
    if (::read(file, &sign, 1) == 1 && sign == '-') (void)!::pwrite(file, "0", 1, 0);
    ::close(file);
  }

  void redirect(int target, const std::string& path, int flags) {
    const int file = ::open(path.c_str(), flags | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (file < 0) fail_errno("files", path);
    if (::dup2(file, target) < 0) fail_errno("files", path);
    if (file != target) {
      ::close(file);
    } else if (::fcntl(file, F_SETFD, 0) != 0) {
      fail_errno("files", path);
    }
  }

  void open_files() {
    redirect(STDIN_FILENO, "/dev/null", O_RDONLY);
    redirect(STDOUT_FILENO, options_.stdout_path, O_WRONLY | O_CREAT | O_APPEND);
    redirect(STDERR_FILENO, options_.stderr_path, O_WRONLY | O_CREAT | O_APPEND);
    if (::chdir(options_.directory.c_str()) != 0) fail_errno("directory", options_.directory);
    program_ = ::open(options_.argv.front().c_str(), O_PATH | O_CLOEXEC);
    if (program_ < 0) fail_errno("exec", options_.argv.front());
  }

  // What follows happens in the new process, which is nobody's child that could be watched: it ends
  // with the process that waits for it.
  [[noreturn]] void live_apart() {
    if (auto ok = enter_own_root(options_); !ok) fail("own-root", ok.error());
    close_the_rest();
    execute();
  }

  int make_landlock() {
    if (!options_.landlock) return -1;
    auto ruleset = prepare_landlock(options_);
    if (!ruleset) fail("landlock", ruleset.error());
    return *ruleset;
  }

  // Without root nobody can become somebody else: guests of such a daemon run as its own user.
  void drop_privileges() {
    const bool is_root = ::geteuid() == 0;
    if (is_root && options_.group != 0) {
      if (::setgroups(0, nullptr) != 0) fail_errno("user", "setgroups");
      if (::setresgid(options_.group, options_.group, options_.group) != 0) {
        fail_errno("user", "setresgid");
      }
    }
    if (is_root && options_.user != 0) {
      if (::setresuid(options_.user, options_.user, options_.user) != 0) {
        fail_errno("user", "setresuid");
      }
      if (::setuid(0) == 0) fail("user", "root could be taken back");
    }
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) fail_errno("no-new-privs", "prctl");
  }

  void close_range(unsigned first, unsigned last) {
    if (first > last) return;
    if (::syscall(SYS_close_range, first, last, 0U) != 0) fail_errno("descriptors", "close_range");
  }

  // Everything goes but the listed, which must be open and must survive the exec.
  void close_the_rest() {
    auto kept = options_.keep;
    for (const int descriptor : kept) {
      const int flags = ::fcntl(descriptor, F_GETFD);
      if (flags < 0) fail_errno("descriptors", std::to_string(descriptor));
      if (::fcntl(descriptor, F_SETFD, flags & ~FD_CLOEXEC) != 0) {
        fail_errno("descriptors", std::to_string(descriptor));
      }
    }
    if (options_.status_fd >= 0) kept.push_back(options_.status_fd);
    kept.push_back(program_);
    close_all_but(std::move(kept));
  }

  void close_all_but(std::vector<int> kept) {
    std::sort(kept.begin(), kept.end());
    unsigned next = 3;
    for (const int descriptor : kept) {
      if (descriptor < 0) continue;
      const auto number = static_cast<unsigned>(descriptor);
      if (number > next) close_range(next, number - 1);
      next = std::max(next, number + 1);
    }
    close_range(next, ~0U);
  }

  // After setresuid, which clears it. The parent may have gone before: look again afterwards.
  void tie_to_parent() {
    if (options_.parent == 0) return;
    if (::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) fail_errno("parent", "prctl");
    if (::getppid() != options_.parent) fail("parent", "it has gone");
  }

  [[noreturn]] void execute() {
    std::vector<char*> argv;
    for (const auto& argument : options_.argv) argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    if (options_.status_fd >= 0) report(options_.status_fd, "exec");
    ::execve(argv.front(), argv.data(), environ);
    // A program of ours may lie below a directory that only root may enter: it was opened before.
    // Not at first, because its process would be named after the descriptor.
    if (errno == EACCES) {
      ::syscall(SYS_execveat, program_, "", argv.data(), environ, AT_EMPTY_PATH);
    }
    fail_errno("exec", options_.argv.front());
  }

  const Options& options_;
  int program_ = -1;
};

}  // namespace
}  // namespace ruche::jail

int main(int argc, char** argv) {
  const std::vector<std::string_view> arguments(argv + std::min(argc, 1), argv + argc);
  const auto options = ruche::jail::parse(arguments);
  if (!options) {
    // The status descriptor may be among what could not be read: the message goes to stderr too.
    const auto line = "jail: " + options.error() + "\n";
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
    for (std::size_t i = 0; i + 1 < arguments.size() && arguments[i] != "--"; ++i) {
      if (arguments[i] != "--status-fd") continue;
      const int descriptor = std::atoi(std::string(arguments[i + 1]).c_str());
      if (descriptor > 2) ruche::jail::report(descriptor, "arguments: " + options.error());
      break;
    }
    return 125;
  }
  ruche::jail::Preparation(*options).run();
}
