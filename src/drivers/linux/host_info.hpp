// What this machine is, from /proc and /sys.
#pragma once

#include <memory>
#include <string>

#include "ports/host_info.hpp"

namespace ruche::drivers::linux {

struct HostInfoOptions {
  std::string version;  // of ruched
  std::string root;     // "" for this machine; tests pass a directory with proc/ and sys/ in it
  int landlock_abi = -1;  // -1: ask the kernel
  std::string cgroup_mount = "/sys/fs/cgroup";  // where guests' groups are made
};

std::unique_ptr<ports::HostInfo> linux_host_info(HostInfoOptions options);

// The x86-64 microarchitecture level (psABI) that the flags of /proc/cpuinfo amount to; 1 at least.
std::uint32_t cpu_level(const std::string& flags);

}  // namespace ruche::drivers::linux
