#include "drivers/linux/host_info.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <charconv>
#include <fstream>
#include <set>
#include <sstream>

#include "base/error.hpp"
#include "drivers/linux/cgroups.hpp"

namespace ruche::drivers::linux {

namespace {

constexpr unsigned kLandlockVersionQuestion = 1;  // LANDLOCK_CREATE_RULESET_VERSION

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

// /proc/cpuinfo: one paragraph for each hardware thread.
struct CpuInfo {
  std::string model, flags;
  std::uint32_t threads = 0;
  std::set<std::string> sockets, cores;
};

CpuInfo read_cpu_info(const std::string& path) {
  std::ifstream file(path);
  CpuInfo info;
  std::string line, socket = "0";
  while (std::getline(file, line)) {
    const auto colon = line.find(':');
    if (colon == std::string::npos) continue;
    const auto key = trimmed(std::string_view(line).substr(0, colon));
    const std::string value(trimmed(std::string_view(line).substr(colon + 1)));
    if (key == "processor") {
      ++info.threads;
      socket = "0";
    } else if (key == "model name" && info.model.empty()) {
      info.model = value;
    } else if (key == "flags" && info.flags.empty()) {
      info.flags = value;
    } else if (key == "physical id") {
      socket = value;
      info.sockets.insert(value);
    } else if (key == "core id") {
      info.cores.insert(fmt::format("{}/{}", socket, value));
    }
  }
  return info;
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

long ask_landlock() {
  return ::syscall(SYS_landlock_create_ruleset, nullptr, 0, kLandlockVersionQuestion);
}

class LinuxHostInfo : public ports::HostInfo {
 public:
  explicit LinuxHostInfo(HostInfoOptions options) : options_(std::move(options)) {}

  Async<model::HostStatus> read() override {
    model::HostStatus status;
    status.version = options_.version;
    status.kernel = first_line(options_.root + "/proc/sys/kernel/osrelease");
    status.boot_id = first_line(options_.root + "/proc/sys/kernel/random/boot_id");
    const auto cpu = read_cpu_info(options_.root + "/proc/cpuinfo");
    status.cpu_model = cpu.model;
    status.threads = std::max(cpu.threads, 1U);
    status.sockets = std::max<std::uint32_t>(static_cast<std::uint32_t>(cpu.sockets.size()), 1);
    status.cores =
        cpu.cores.empty() ? status.threads : static_cast<std::uint32_t>(cpu.cores.size());
    status.cpu_level = cpu_level(cpu.flags);
    status.memory = read_memory(options_.root + "/proc/meminfo");
    status.cgroup_version = cgroup_version(options_.root + "/sys/fs/cgroup");
    const long abi = options_.landlock_abi >= 0 ? options_.landlock_abi : ask_landlock();
    if (abi > 0) status.features.push_back(fmt::format("landlock-{}", abi));
    co_return status;
  }

 private:
  HostInfoOptions options_;
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
