#include "drivers/linux/processes.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/descriptor.hpp"
#include "base/error.hpp"
#include "drivers/linux/cgroups.hpp"
#include "drivers/linux/jail_command.hpp"
#include "drivers/linux/proc_stat.hpp"

namespace ruche::drivers::linux {

namespace {

using ports::PassedDescriptor;
using ports::Process;
using ports::ProcessExit;
using ports::ProcessIdentity;
using ports::SpawnRequest;

constexpr std::size_t kStatusLimit = 4096;

class LinuxProcess : public Process {
 public:
  LinuxProcess(ProcessIdentity identity, Descriptor pidfd)
      : identity_(std::move(identity)), pidfd_(std::move(pidfd)) {}
  // A child that has ended must not stay a zombie because nobody waited for it.
  ~LinuxProcess() override { reap(); }

  const ProcessIdentity& identity() const override { return identity_; }

  Async<ProcessExit> wait() override {
    if (!exit_) {
      co_await wait_readable(pidfd_.get());
      reap();
    }
    co_return exit_.value_or(ProcessExit{});
  }

  void signal(int number) override {
    ::syscall(SYS_pidfd_send_signal, pidfd_.get(), number, nullptr, 0);
  }

  bool alive() const override {
    if (exit_) return false;
    const auto stat = read_proc_stat(identity_.pid);
    return stat && !stat->ended() && stat->start_ticks == identity_.start_ticks;
  }

 private:
  // Only a child's exit can be read; another one's is already known to be over by its pidfd.
  void reap() {
    if (exit_) return;
    siginfo_t info{};
    if (::waitid(P_PIDFD, static_cast<id_t>(pidfd_.get()), &info, WEXITED | WNOHANG) != 0) return;
    if (info.si_pid == 0) return;
    exit_ = ProcessExit{info.si_code == CLD_EXITED ? info.si_status : -info.si_status};
  }

  ProcessIdentity identity_;
  Descriptor pidfd_;
  std::optional<ProcessExit> exit_;
};

[[noreturn]] void fail(const std::string& name, const std::string& what, int error) {
  throw Error(Reason::process_failed,
              fmt::format("{} could not be started: {}: {}", name, what, std::strerror(error)));
}

// Descriptors are copied above every number that the child uses, so that putting them in place
// never overwrites one that is still to be copied.
class FileActions {
 public:
  FileActions() { ::posix_spawn_file_actions_init(&actions_); }
  ~FileActions() { ::posix_spawn_file_actions_destroy(&actions_); }
  FileActions(const FileActions&) = delete;
  FileActions& operator=(const FileActions&) = delete;

  void pass(const std::string& name, int ours, int theirs, int above) {
    Descriptor copy(::fcntl(ours, F_DUPFD_CLOEXEC, above));
    if (!copy.open()) fail(name, fmt::format("descriptor {}", theirs), errno);
    ::posix_spawn_file_actions_adddup2(&actions_, copy.get(), theirs);
    copies_.push_back(std::move(copy));
  }
  const posix_spawn_file_actions_t* get() const { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_{};
  std::vector<Descriptor> copies_;
};

std::vector<char*> pointers(std::vector<std::string>& words) {
  std::vector<char*> out;
  for (auto& word : words) out.push_back(word.data());
  out.push_back(nullptr);
  return out;
}

Async<void> end_and_reap(Process& process) {
  process.signal(SIGKILL);
  co_await process.wait();
}

class LinuxProcesses : public ports::Processes {
 public:
  explicit LinuxProcesses(ProcessOptions options)
      : options_(std::move(options)),
        cgroups_({.instance = options_.instance, .mount = options_.cgroup_mount}),
        boot_id_(read_boot_id()) {}
  ~LinuxProcesses() override { cgroups_.remove_instance(); }

  Async<std::unique_ptr<Process>> spawn(SpawnRequest request) override {
    check(request);
    JailCommand command;
    command.jail_path = options_.jail_path;
    command.parent_pid = ::getpid();
    if (!request.confinement.cgroup.empty()) {
      command.cgroups = cgroups_.make(request.confinement.cgroup, request.confinement);
    }
    Descriptor status;
    auto process = start(command, request, status);
    std::string said;
    std::exception_ptr failure;
    try {
      said = co_await read_status(status.get());
    } catch (const std::exception&) {
      failure = std::current_exception();
    }
    if (!failure && said == "exec\n") co_return process;
    co_await uninterrupted(end_and_reap(*process));
    if (failure) std::rethrow_exception(failure);
    throw Error(Reason::process_failed, explain(request, said));
  }

  std::unique_ptr<Process> find(const ProcessIdentity& identity) override {
    if (identity.pid <= 0 || identity.boot_id != boot_id_) return nullptr;
    Descriptor pidfd(static_cast<int>(::syscall(SYS_pidfd_open, identity.pid, 0)));
    if (!pidfd.open()) return nullptr;
    auto process = std::make_unique<LinuxProcess>(identity, std::move(pidfd));
    if (!process->alive()) return nullptr;
    return process;
  }

  std::vector<ProcessIdentity> find_by_words(const std::vector<std::string>& words) override {
    std::vector<ProcessIdentity> found;
    for (const auto pid : pids_with_words(words)) {
      const auto stat = read_proc_stat(pid);
      if (stat && !stat->ended()) found.push_back({pid, stat->start_ticks, boot_id_});
    }
    return found;
  }

  std::string cgroup_path(const std::string& name) const override { return cgroups_.path(name); }
  void remove_cgroup(const std::string& name) override { cgroups_.remove(name); }
  const std::string& boot_id() const override { return boot_id_; }

 private:
  static void check(const SpawnRequest& request) {
    if (request.argv.empty() || !request.argv.front().starts_with('/')) {
      throw Error(Reason::bad_request, "a program to start has an absolute path");
    }
    for (const auto& passed : request.descriptors) {
      if (passed.theirs < 3) throw Error(Reason::bad_request, "descriptors 0 to 2 are files");
    }
  }

  // The status pipe's number in the child is the first that no passed descriptor uses.
  std::unique_ptr<LinuxProcess> start(JailCommand& command, const SpawnRequest& request,
                                      Descriptor& status) {
    int highest = 2;
    for (const auto& passed : request.descriptors) highest = std::max(highest, passed.theirs);
    command.status_descriptor = highest + 1;
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) fail(request.name, "pipe", errno);
    status = Descriptor(ends[0]);
    const Descriptor writer(ends[1]);

    FileActions actions;
    const int above = command.status_descriptor + 1;
    for (const auto& passed : request.descriptors) {
      actions.pass(request.name, passed.ours, passed.theirs, above);
    }
    actions.pass(request.name, writer.get(), command.status_descriptor, above);
    auto words = jail_arguments(command, request);
    auto environment = request.environment;
    const auto argv = pointers(words);
    const auto envp = pointers(environment);
    pid_t pid = 0;
    const int error = ::posix_spawn(&pid, options_.jail_path.c_str(), actions.get(), nullptr,
                                    argv.data(), envp.data());
    if (error != 0) fail(request.name, options_.jail_path, error);
    return child(request.name, pid);
  }

  // The pid is ours until it is reaped, so that nothing here can meet another process.
  std::unique_ptr<LinuxProcess> child(const std::string& name, pid_t pid) {
    Descriptor pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    if (!pidfd.open()) {
      const int error = errno;
      ::kill(pid, SIGKILL);
      ::waitpid(pid, nullptr, 0);
      fail(name, "pidfd_open", error);
    }
    ProcessIdentity identity;
    identity.pid = pid;
    identity.boot_id = boot_id_;
    if (const auto stat = read_proc_stat(pid)) identity.start_ticks = stat->start_ticks;
    return std::make_unique<LinuxProcess>(std::move(identity), std::move(pidfd));
  }

  // Ends when jail has become the program, or has ended.
  static Async<std::string> read_status(int descriptor) {
    std::string said;
    char part[512];
    while (said.size() < kStatusLimit) {
      co_await wait_readable(descriptor);
      const auto got = ::read(descriptor, part, sizeof part);
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) break;
      said.append(part, static_cast<std::size_t>(got));
    }
    co_return said;
  }

  static std::string explain(const SpawnRequest& request, std::string_view said) {
    if (said.starts_with("exec\n")) said.remove_prefix(5);
    while (said.ends_with('\n')) said.remove_suffix(1);
    if (said.empty()) said = "it ended during its preparation";
    return fmt::format("{} could not be started: {}", request.name, said);
  }

  ProcessOptions options_;
  Cgroups cgroups_;
  std::string boot_id_;
};

}  // namespace

std::unique_ptr<ports::Processes> linux_processes(ProcessOptions options) {
  return std::make_unique<LinuxProcesses>(std::move(options));
}

}  // namespace ruche::drivers::linux
