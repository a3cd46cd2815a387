#include "drivers/linux/host_facts.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "drivers/linux/cgroups.hpp"
#include "drivers/linux/host_info.hpp"

namespace ruche::drivers::linux {

namespace {

using std::string_view;

std::string joined(std::initializer_list<string_view> parts) {
  std::string out;
  for (const auto part : parts) out += part;
  return out;
}

std::uint32_t count_of(std::size_t number) { return static_cast<std::uint32_t>(number); }

// A size that the kernel gives in kB; what is absurd is 0.
Bytes kilobytes(string_view text) {
  const auto number = number_in(text);
  return number && *number >= 0 && *number < (1LL << 50) ? kib(*number) : Bytes{};
}

// "vmx flags" and "flags" of the first processor, and how many there are of what.
struct CpuInfo {
  std::string model, flags, vmx_flags;
  bool arm = false;
  std::uint32_t threads = 0;
  std::set<std::string> sockets, cores;
};

CpuInfo parse_cpu_info(string_view text) {
  CpuInfo info;
  std::string socket = "0";
  while (!text.empty()) {
    const auto line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    const auto colon = line.find(':');
    if (colon == line.npos) continue;
    const auto key = trimmed(line.substr(0, colon));
    const std::string value(trimmed(line.substr(colon + 1)));
    if (key == "processor") {
      ++info.threads;
    } else if (key == "model name" && info.model.empty()) {
      info.model = value.substr(0, 120);
    } else if (key == "flags" && info.flags.empty()) {
      info.flags = value;
    } else if (key == "vmx flags" && info.vmx_flags.empty()) {
      info.vmx_flags = value;
    } else if (key == "CPU implementer") {
      info.arm = true;
    } else if (key == "physical id") {
      socket = value;
      info.sockets.insert(value);
    } else if (key == "core id") {
      info.cores.insert(socket + "/" + value);
    }
  }
  for (char& c : info.model) c = c < ' ' || c > '~' ? '?' : c;
  return info;
}

std::string turbo_of(const Tree& tree) {
  const auto intel = tree.line("/sys/devices/system/cpu/intel_pstate/no_turbo");
  if (!intel.empty()) return intel == "0" ? "on" : "off";
  const auto boost = tree.line("/sys/devices/system/cpu/cpufreq/boost");
  if (!boost.empty()) return boost == "1" ? "on" : "off";
  return "";
}

std::vector<model::NumaNode> read_numa(const Tree& tree) {
  std::vector<model::NumaNode> nodes;
  const string_view place = "/sys/devices/system/node/";
  for (const auto& name : tree.names(place)) {
    if (!name.starts_with("node")) continue;
    const auto id = number_in(name.substr(4));
    if (!id || *id < 0 || *id > 4095) continue;
    const auto folder = joined({place, name});
    model::NumaNode node;
    node.id = static_cast<std::uint32_t>(*id);
    node.cpus = tree.line(folder + "/cpulist");
    const auto meminfo = tree.whole(folder + "/meminfo");
    node.memory = kilobytes(value_of_key(meminfo, fmt::format("Node {} MemTotal", *id)));
    node.memory_free = kilobytes(value_of_key(meminfo, fmt::format("Node {} MemFree", *id)));
    nodes.push_back(std::move(node));
  }
  std::ranges::sort(nodes, {}, &model::NumaNode::id);
  return nodes;
}

std::vector<model::HugePages> read_huge_pages(const Tree& tree) {
  std::vector<model::HugePages> pools;
  const string_view place = "/sys/kernel/mm/hugepages/";
  for (const auto& name : tree.names(place)) {
    constexpr string_view kPrefix = "hugepages-", kSuffix = "kB";
    if (!name.starts_with(kPrefix) || !name.ends_with(kSuffix)) continue;
    const auto digits = name.substr(kPrefix.size(), name.size() - kPrefix.size() - kSuffix.size());
    model::HugePages pool;
    pool.size = kilobytes(digits);
    pool.total = tree.number(joined({place, name, "/nr_hugepages"})).value_or(0);
    pool.free = tree.number(joined({place, name, "/free_hugepages"})).value_or(0);
    if (pool.size.count > 0) pools.push_back(pool);
  }
  std::ranges::sort(pools, {}, [](const auto& pool) { return pool.size.count; });
  return pools;
}

void read_ecc(const Tree& tree, model::MemoryFacts& memory) {
  const string_view place = "/sys/devices/system/edac/mc/";
  for (const auto& name : tree.names(place)) {
    if (!name.starts_with("mc") || !number_in(name.substr(2))) continue;
    ++memory.ecc_controllers;
    memory.corrected_errors += tree.number(joined({place, name, "/ce_count"})).value_or(0);
    memory.uncorrected_errors += tree.number(joined({place, name, "/ue_count"})).value_or(0);
  }
}

}  // namespace

model::ProcessorFacts read_processor(const Tree& tree) {
  const auto info = parse_cpu_info(tree.whole("/proc/cpuinfo"));
  model::ProcessorFacts processor;
  processor.architecture = tree.line("/proc/sys/kernel/arch");
  if (processor.architecture.empty() && !info.flags.empty()) processor.architecture = "x86_64";
  if (processor.architecture.empty() && info.arm) processor.architecture = "aarch64";
  processor.model = info.model;
  processor.threads = std::max(info.threads, 1U);
  processor.sockets = std::max(count_of(info.sockets.size()), 1U);
  processor.cores = info.cores.empty() ? processor.threads : count_of(info.cores.size());
  processor.level = cpu_level(info.flags);
  if (has_word(info.flags, "vmx")) processor.virtualization = "VT-x";
  if (has_word(info.flags, "svm")) processor.virtualization = "AMD-V";
  if (has_word(info.flags, "ept") || has_word(info.vmx_flags, "ept")) {
    processor.nested_paging = "EPT";
  }
  if (has_word(info.flags, "npt")) processor.nested_paging = "NPT";
  processor.under_hypervisor = has_word(info.flags, "hypervisor");
  processor.turbo = turbo_of(tree);
  processor.governor = tree.line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
  return processor;
}

model::MemoryFacts read_memory_facts(const Tree& tree) {
  const auto meminfo = tree.whole("/proc/meminfo");
  model::MemoryFacts memory;
  memory.total = kilobytes(value_of_key(meminfo, "MemTotal"));
  memory.available = kilobytes(value_of_key(meminfo, "MemAvailable"));
  memory.swap = kilobytes(value_of_key(meminfo, "SwapTotal"));
  memory.numa = read_numa(tree);
  memory.huge_pages = read_huge_pages(tree);
  memory.transparent_huge_pages =
      chosen_word(tree.line("/sys/kernel/mm/transparent_hugepage/enabled"));
  read_ecc(tree, memory);
  return memory;
}

model::KernelFacts read_kernel(const Tree& tree, const HostProbes& probes) {
  model::KernelFacts kernel;
  kernel.release = tree.line("/proc/sys/kernel/osrelease");
  kernel.command_line = tree.line("/proc/cmdline");
  kernel.kvm = probes.kvm;
  for (const string_view module : {"kvm_intel", "kvm_amd"}) {
    const auto folder = joined({"/sys/module/", module});
    if (!tree.exists(folder)) continue;
    kernel.kvm_module = module;
    const auto nested = tree.line(folder + "/parameters/nested");
    kernel.nesting = nested == "Y" || nested == "1";
    const auto paging =
        tree.line(folder + (module == "kvm_intel" ? "/parameters/ept" : "/parameters/npt"));
    kernel.nested_paging_off = paging == "N" || paging == "0";
  }
  kernel.iommus = count_of(tree.names("/sys/class/iommu").size());
  kernel.iommu_groups = count_of(tree.names("/sys/kernel/iommu_groups").size());
  kernel.cgroup_version = cgroup_version(tree.path("/sys/fs/cgroup"));
  kernel.cgroup_writable = probes.cgroup_writable;
  kernel.landlock = probes.landlock;
  kernel.userfaultfd = tree.exists("/dev/userfaultfd");
  kernel.vhost_net = tree.exists("/dev/vhost-net");
  kernel.tun = tree.exists("/dev/net/tun");
  kernel.vfio = tree.exists("/dev/vfio");
  kernel.iommufd = tree.exists("/dev/iommu");
  kernel.nft_program = probes.nft_program;
  kernel.nftables = probes.nftables;
  const string_view clock = "/sys/devices/system/clocksource/clocksource0/";
  kernel.clock_source = tree.line(joined({clock, "current_clocksource"}));
  kernel.clock_sources = tree.line(joined({clock, "available_clocksource"}));
  kernel.clock_synchronized = probes.clock_synchronized;
  return kernel;
}

model::HostFacts read_host_facts(const Tree& tree, const HostProbes& probes) {
  model::HostFacts facts;
  facts.processor = read_processor(tree);
  facts.memory = read_memory_facts(tree);
  facts.kernel = read_kernel(tree, probes);
  facts.is_root = probes.is_root;
  facts.hypervisor.installed = tree.exists("/usr/bin/qemu-system-x86_64");
  read_devices(tree, facts);
  const auto load = tree.line("/proc/loadavg");
  facts.load = load.substr(0, load.find(' '));
  return facts;
}

}  // namespace ruche::drivers::linux
