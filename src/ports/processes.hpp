// The edge to the operating system's processes. Every helper and every guest is started through
// the small program `jail`, which prepares the process (user, cgroup, limits, Landlock, seccomp
// no_new_privs) and execs it; the daemon itself only uses posix_spawn.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/async.hpp"
#include "base/units.hpp"

namespace ruche::ports {

// A process as we can find it again after a restart of the daemon: a pid alone is reused.
struct ProcessIdentity {
  std::int32_t pid = 0;
  std::uint64_t start_ticks = 0;  // field 22 of /proc/<pid>/stat (proc(5))
  std::string boot_id;            // /proc/sys/kernel/random/boot_id
  friend bool operator==(const ProcessIdentity&, const ProcessIdentity&) = default;
};

// Ids of the host that a process has as its own 0, 1, 2, …
struct IdRange {
  std::uint32_t first = 0;
  std::uint32_t count = 0;
};

// What the process may do. Empty lists allow nothing of that kind.
struct Confinement {
  std::uint32_t user = 0;   // 0: stay the daemon's user (only when the daemon is not root)
  std::uint32_t group = 0;
  std::vector<std::string> read_paths;   // readable below these
  std::vector<std::string> write_paths;  // readable and writable below these
  std::vector<std::string> execute_paths;
  bool landlock = true;
  // The process is root where it lives, and nobody outside: in a user namespace with these ids, in
  // process, mount and IPC namespaces of its own, where the paths above are all that there is (and
  // files of `write_paths` may be executed too). It may mount and change owners in there. Needs a
  // daemon that is root; `user`, `group` and `landlock` mean nothing then. When the process ends,
  // so does everything that it started.
  std::optional<IdRange> own_root;
  std::string cgroup;  // name below the instance's cgroup root; empty: none
  // Enters the cgroup while the program starts, not before: the kernel takes 5 to 15 ms for it. For
  // programs that start no other process meanwhile. spawn() returns when it is done all the same.
  bool late_cgroup = false;
  std::optional<Bytes> memory_max;  // cgroup limits
  std::optional<std::uint32_t> pids_max;
  std::optional<std::uint32_t> cpu_percent;  // 100 = one CPU
  std::uint32_t cpu_weight = 100;  // against the groups beside it (cgroup v2's cpu.weight), 1–10000
  std::optional<Bytes> file_size_max;  // RLIMIT_FSIZE
  std::optional<Bytes> address_space_max;  // RLIMIT_AS
  std::optional<std::uint32_t> cpu_seconds_max;
  bool locks_memory = false;  // as much as it likes (RLIMIT_MEMLOCK): devices that write to it
  bool dies_with_daemon = false;  // helpers yes (PR_SET_PDEATHSIG), guests never
};

// An open descriptor handed to the child under a fixed number.
struct PassedDescriptor {
  int ours;
  int theirs;
};

struct SpawnRequest {
  std::string name;  // for logs and errors
  std::vector<std::string> argv;  // argv[0] is an absolute path
  std::vector<std::string> environment;
  Confinement confinement;
  std::vector<PassedDescriptor> descriptors;
  std::string stdout_path;  // files, never pipes of the daemon; empty: /dev/null
  std::string stderr_path;
  std::string working_directory = "/";
};

struct ProcessExit {
  int status = 0;  // exit code, or -signal
  bool signalled() const { return status < 0; }
};

// A handle on a running process (a pidfd). Dropping it does not end the process.
class Process {
 public:
  virtual ~Process() = default;
  virtual const ProcessIdentity& identity() const = 0;
  // Waits for the end. A process we did not start ends with status 0: its code is not ours to read.
  virtual Async<ProcessExit> wait() = 0;
  virtual void signal(int number) = 0;  // a process that is gone already is not an error
  virtual bool alive() const = 0;
};

class Processes {
 public:
  virtual ~Processes() = default;
  // Returns when the exec is certain (or throws process_failed saying which preparation failed).
  virtual Async<std::unique_ptr<Process>> spawn(SpawnRequest request) = 0;
  // Null when the identity's process is gone (or another one has its pid).
  virtual std::unique_ptr<Process> find(const ProcessIdentity& identity) = 0;
  // Living processes whose command line holds these words one after the other: how one is found
  // that was started just before the daemon died, before anything was written about it.
  virtual std::vector<ProcessIdentity> find_by_words(const std::vector<std::string>& words) {
    (void)words;
    return {};
  }
  // Absolute path of a confined process's cgroup directory (memory controller), empty if none.
  virtual std::string cgroup_path(const std::string& name) const = 0;
  // Removes an empty cgroup; nothing to remove is not an error.
  virtual void remove_cgroup(const std::string& name) = 0;
  virtual const std::string& boot_id() const = 0;
};

// What a helper printed and how it ended.
struct HelperResult {
  int status = 0;  // exit code, or -signal
  std::string output;  // bounded; the first 1 MiB
  std::string error_output;  // bounded; the last 4 KiB
};

// Runs a helper to its end. Its output goes through two files in `scratch_dir` (an existing
// directory of the daemon) which are gone afterwards; the request's stdout_path and stderr_path are
// replaced. It dies with the daemon. When the caller is cancelled the helper is killed, waited for,
// and the cancellation goes on. A status other than 0 is a result, not an error.
Async<HelperResult> run_helper(Processes& processes, SpawnRequest request, std::string scratch_dir);

}  // namespace ruche::ports
