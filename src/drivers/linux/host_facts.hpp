// HostFacts from a tree with proc/ and sys/ in it. Only reads; never throws for what it finds.
#pragma once

#include <string>

#include "drivers/linux/tree.hpp"
#include "model/host_facts.hpp"

namespace ruche::drivers::linux {

// What no file says and only a try can tell. Tests give it; this machine is asked by probe_host().
struct HostProbes {
  std::string kvm;                 // "usable", else why not; empty: no /dev/kvm
  std::string nftables;            // "usable", else why not; empty: it could not be asked
  std::string clock_synchronized;  // "yes", "no"; empty: it could not be asked
  std::int64_t landlock = 0;       // version
  bool is_root = false;
  bool nft_program = false;
  bool cgroup_writable = false;
};
std::int64_t landlock_version();  // 0: absent
HostProbes probe_host(const std::string& cgroup_mount);

model::HostFacts read_host_facts(const Tree& tree, const HostProbes& probes);

// The parts, for tests and the fuzzer.
model::ProcessorFacts read_processor(const Tree& tree);
model::MemoryFacts read_memory_facts(const Tree& tree);
model::KernelFacts read_kernel(const Tree& tree, const HostProbes& probes);
void read_devices(const Tree& tree, model::HostFacts& facts);

}  // namespace ruche::drivers::linux
