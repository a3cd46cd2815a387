#include "drivers/linux/host_info.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>

#include "base/error.hpp"
#include "drivers/linux/cgroups.hpp"
#include "drivers/linux/host_facts.hpp"

namespace ruche::drivers::linux {

namespace {

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

Bytes read_memory(const std::string& path) {
  std::ifstream file(path);
  std::string key;
  std::int64_t kilobytes = 0;
  std::string unit;
  while (file >> key >> kilobytes) {
    std::getline(file, unit);
    if (key == "MemTotal:") return kib(kilobytes);
  }
  throw Error(Reason::io_failed, path + " does not say how much memory there is");
}

class LinuxHostInfo : public ports::HostInfo {
 public:
  explicit LinuxHostInfo(HostInfoOptions options) : options_(std::move(options)) {}

  Async<model::HostStatus> read() override {
    model::HostStatus status;
    status.version = options_.version;
    status.kernel = first_line(options_.root + "/proc/sys/kernel/osrelease");
    status.boot_id = first_line(options_.root + "/proc/sys/kernel/random/boot_id");
    const auto cpu = read_processor(Tree(options_.root));
    status.cpu_model = cpu.model;
    status.threads = cpu.threads;
    status.sockets = cpu.sockets;
    status.cores = cpu.cores;
    status.cpu_level = cpu.level;
    status.memory = read_memory(options_.root + "/proc/meminfo");
    status.cgroup_version = cgroup_version(options_.root + "/sys/fs/cgroup");
    const long abi = options_.landlock_abi >= 0 ? options_.landlock_abi : landlock_version();
    if (abi > 0) status.features.push_back(fmt::format("landlock-{}", abi));
    co_return status;
  }

  // A machine with many devices takes a while, and some files of sysfs ask the hardware.
  Async<model::HostFacts> inspect() override {
    co_return co_await lane_.run(
        [this] { return read_host_facts(Tree(options_.root), probe_host(options_.cgroup_mount)); });
  }

 private:
  HostInfoOptions options_;
  Lane lane_{"host facts"};
};

}  // namespace

std::uint32_t cpu_level(const std::string& flags) {
  std::istringstream words(flags);
  std::set<std::string> have;
  for (std::string flag; words >> flag;) have.insert(flag);
  const auto all = [&](std::initializer_list<const char*> needed) {
    return std::all_of(needed.begin(), needed.end(),
                       [&](const char* flag) { return have.contains(flag); });
  };
  if (!all({"cx16", "lahf_lm", "popcnt", "pni", "sse4_1", "sse4_2", "ssse3"})) return 1;
  if (!all({"avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave"})) return 2;
  if (!all({"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"})) return 3;
  return 4;
}

std::unique_ptr<ports::HostInfo> linux_host_info(HostInfoOptions options) {
  return std::make_unique<LinuxHostInfo>(std::move(options));
}

}  // namespace ruche::drivers::linux
