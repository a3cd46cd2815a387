// Processes of this Linux host: posix_spawn of jail, pidfds, /proc.
#pragma once

#include <memory>
#include <string>

#include "ports/processes.hpp"

namespace ruche::drivers::linux {

struct ProcessOptions {
  std::string jail_path;  // absolute
  std::string instance;   // [a-z0-9-]+, names the instance's control groups
  std::string cgroup_mount = "/sys/fs/cgroup";
};

// Its methods belong to the loop's thread (a helper that dies with the daemon dies with this
// thread).
std::unique_ptr<ports::Processes> linux_processes(ProcessOptions options);

}  // namespace ruche::drivers::linux
