#include "model/host_check.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace ruche::model {

namespace {

constexpr Bytes kLeastMemory = mib(1024);

using Level = CheckLevel;

Finding good(std::string name, std::string found, std::string why) {
  return {.name = std::move(name), .found = std::move(found), .why = std::move(why)};
}

// The same finding, made worse.
Finding worse(Finding finding, Level level, std::string found, std::string remedy) {
  finding.level = level;
  finding.found = std::move(found);
  finding.remedy = std::move(remedy);
  return finding;
}

bool is_x86(const HostFacts& facts) { return facts.processor.architecture == "x86_64"; }

std::string firmware_switch(const HostFacts& facts, std::string_view intel, std::string_view amd) {
  const bool is_amd = facts.processor.model.find("AMD") != std::string::npos;
  return fmt::format("switch {} on in the firmware (BIOS) setup", is_amd ? amd : intel);
}

// --- what runs guest code ------------------------------------------------------------------------

Finding judge_architecture(const HostFacts& facts) {
  const auto& cpu = facts.processor;
  auto finding = good("processor",
                      fmt::format("{}: {} sockets, {} cores, {} threads",
                                  cpu.model.empty() ? "unknown model" : cpu.model, cpu.sockets,
                                  cpu.cores, cpu.threads),
                      "guests are x86-64 machines, and share these threads");
  if (is_x86(facts)) return finding;
  const auto found = cpu.architecture.empty()
                         ? "no x86-64 processor was recognized"
                         : fmt::format("the processor is {}", cpu.architecture);
  return worse(finding, Level::degraded, found,
               "use an x86-64 machine; elsewhere guests are translated, much slower");
}

Finding judge_virtualization(const HostFacts& facts) {
  const auto& cpu = facts.processor;
  auto finding = good("virtualization", cpu.virtualization,
                      "with it guests run at the speed of the machine; without it QEMU translates "
                      "their code, ten times slower or more");
  if (!cpu.virtualization.empty()) return finding;
  if (cpu.under_hypervisor) {
    return worse(finding, Level::missing,
                 "this machine is a guest, and its hypervisor offers it no virtualization",
                 "switch nested virtualization on for it in the hypervisor below, or use a machine "
                 "of its own");
  }
  return worse(finding, Level::missing, "the processor shows neither VT-x nor AMD-V",
               firmware_switch(facts, "Intel VT-x", "SVM"));
}

Finding judge_nested_paging(const HostFacts& facts) {
  const auto& cpu = facts.processor;
  auto finding = good("nested-paging", cpu.nested_paging,
                      "EPT or NPT let the processor walk a guest's page tables; without them every "
                      "change of a mapping costs an exit");
  if (facts.kernel.nested_paging_off) {
    return worse(finding, Level::degraded, "switched off in the kernel's module",
                 fmt::format("remove the module parameter that does it (see `modinfo {}`)",
                             facts.kernel.kvm_module));
  }
  if (!cpu.nested_paging.empty()) return finding;
  return worse(finding, Level::missing, "the processor shows neither EPT nor NPT",
               cpu.virtualization.empty() ? "see virtualization"
                                          : "use a processor that has it (all since 2010)");
}

Finding judge_kvm(const HostFacts& facts) {
  const auto& kvm = facts.kernel.kvm;
  auto finding = good("kvm", "/dev/kvm makes machines",
                      "it is how QEMU uses the processor's "
                      "virtualization");
  if (kvm == "usable" && !facts.processor.virtualization.empty()) return finding;
  if (kvm == "usable") {
    return worse(finding, Level::missing,
                 "/dev/kvm answers, but the processor shows no virtualization: guests would hang, "
                 "so it is not used",
                 "see virtualization");
  }
  if (kvm.empty()) {
    return worse(finding, Level::missing, "there is no /dev/kvm",
                 facts.processor.virtualization.empty()
                     ? "see virtualization"
                     : "load the module: `modprobe kvm_intel` or `modprobe kvm_amd`");
  }
  const bool refused = kvm.find("ermission denied") != std::string::npos;
  return worse(finding, Level::missing, "/dev/kvm: " + kvm,
               refused ? "put the daemon's user into the group kvm (`usermod -aG kvm USER`) and "
                         "start it anew"
                       : "see what else uses the processor's virtualization (another hypervisor?)");
}

Finding judge_level(const HostFacts& facts) {
  const auto& cpu = facts.processor;
  auto finding = good("level", fmt::format("x86-64-v{}", cpu.level),
                      "new distributions ask for v2 or v3, and guests move only to hosts that have "
                      "theirs");
  if (!is_x86(facts)) {
    return worse(finding, Level::missing, "not x86-64", "use an x86-64 machine");
  }
  if (cpu.level >= 2) return finding;
  return worse(finding, Level::degraded, "x86-64-v1",
               cpu.under_hypervisor ? "give this machine the host's processor model in the "
                                      "hypervisor below"
                                    : "use a newer processor (all since 2009)");
}

Finding judge_turbo(const HostFacts& facts) {
  const auto& cpu = facts.processor;
  auto finding = good("turbo", "on", "a busy guest runs faster while others are idle");
  if (cpu.turbo == "off") {
    return worse(finding, Level::degraded, "off",
                 "switch it on in the firmware setup, or by the kernel's cpufreq boost");
  }
  if (cpu.turbo.empty()) finding.found = "the kernel does not say";
  if (cpu.governor == "powersave" && cpu.turbo == "on") finding.found = "on, governor powersave";
  return finding;
}

Finding judge_iommu(const HostFacts& facts) {
  const auto& kernel = facts.kernel;
  auto finding =
      good("iommu", fmt::format("{} in use, {} groups", kernel.iommus, kernel.iommu_groups),
           "a guest can only be given a PCI device behind an IOMMU");
  if (kernel.iommu_groups > 0) return finding;
  if (facts.processor.under_hypervisor) {
    return worse(finding, Level::missing, "none",
                 "this machine is a guest: its hypervisor would "
                 "have to offer one");
  }
  const bool intel = facts.processor.virtualization == "VT-x";
  return worse(finding, Level::missing, "none in use",
               firmware_switch(facts, "VT-d", "IOMMU") +
                   (intel ? " and start the kernel with intel_iommu=on" : ""));
}

// --- memory --------------------------------------------------------------------------------------

Finding judge_memory(const HostFacts& facts) {
  const auto& memory = facts.memory;
  auto finding = good(
      "memory", fmt::format("{}, {} available", to_text(memory.total), to_text(memory.available)),
      "guests hold what they were promised");
  if (memory.total.count == 0) {
    return worse(finding, Level::degraded, "/proc/meminfo does not say", "look at /proc/meminfo");
  }
  if (memory.total >= kLeastMemory) return finding;
  return worse(finding, Level::degraded, finding.found, "add memory: little is left for guests");
}

Finding judge_ecc(const HostFacts& facts) {
  const auto& memory = facts.memory;
  auto finding =
      good("ecc", fmt::format("{} memory controllers watch, no errors", memory.ecc_controllers),
           "an unnoticed memory error corrupts guests and disks");
  if (memory.uncorrected_errors > 0 || memory.corrected_errors > 0) {
    return worse(finding, Level::degraded,
                 fmt::format("{} errors corrected, {} not", memory.corrected_errors,
                             memory.uncorrected_errors),
                 "find the failing module (`ras-mc-ctl --errors`) and replace it");
  }
  if (memory.ecc_controllers > 0) return finding;
  if (facts.processor.under_hypervisor) {
    finding.found = "not visible: this machine is a guest";
    return finding;
  }
  return worse(finding, Level::missing, "no memory controller reports errors",
               "use ECC memory, and load the EDAC module of the chipset");
}

Finding judge_numa(const HostFacts& facts) {
  const auto& nodes = facts.memory.numa;
  auto finding = good("numa", nodes.size() < 2 ? "one node" : fmt::format("{} nodes", nodes.size()),
                      "memory of another node is slower; big guests should fit into one");
  const auto bare = std::ranges::find_if(
      nodes, [](const NumaNode& node) { return node.memory.count == 0 && !node.cpus.empty(); });
  if (nodes.size() < 2 || bare == nodes.end()) return finding;
  return worse(finding, Level::degraded, fmt::format("node {} has no memory", bare->id),
               "fill the memory slots of every socket alike");
}

Finding judge_huge_pages(const HostFacts& facts) {
  const auto& memory = facts.memory;
  std::string pools;
  for (const auto& pool : memory.huge_pages) {
    if (pool.total == 0) continue;
    pools += fmt::format(", {} × {} ({} free)", pool.total, to_text(pool.size), pool.free);
  }
  const auto& transparent = memory.transparent_huge_pages;
  auto finding =
      good("huge-pages",
           fmt::format("transparent: {}{}", transparent.empty() ? "no" : transparent, pools),
           "they save page-table work, most of all under virtualization");
  if (transparent == "always" || transparent == "madvise" || !pools.empty()) return finding;
  return worse(finding, Level::degraded, finding.found,
               "write madvise into /sys/kernel/mm/transparent_hugepage/enabled");
}

// --- devices -------------------------------------------------------------------------------------

Finding judge_disks(const HostFacts& facts) {
  std::string found;
  for (const auto& disk : facts.disks) {
    found += fmt::format("{}{} {}{}", found.empty() ? "" : ", ", disk.name, to_text(disk.size),
                         disk.rotational ? " (rotating)" : "");
  }
  auto finding = good("disks", found, "datastores are on them; guests feel their latency");
  if (facts.disks.empty()) {
    return worse(finding, Level::degraded, "no disk of its own",
                 "datastores on network storage still work");
  }
  if (!std::ranges::all_of(facts.disks, &DiskFacts::rotational)) return finding;
  return worse(finding, Level::degraded, found, "put datastores on solid-state disks");
}

Finding judge_nics(const HostFacts& facts) {
  std::string found;
  for (const auto& nic : facts.nics) {
    found += fmt::format("{}{} {}", found.empty() ? "" : ", ", nic.name, nic.up ? "up" : "down");
    if (nic.up && nic.speed_mbit > 0) found += fmt::format(" {} Mbit/s", nic.speed_mbit);
  }
  auto finding = good("nics", found, "guests, storage and migration share them");
  if (facts.nics.empty()) {
    return worse(finding, Level::degraded, "no adapter with a device behind it",
                 "guests reach each other and this host only");
  }
  if (std::ranges::any_of(facts.nics, &NicFacts::up)) return finding;
  return worse(finding, Level::degraded, found, "connect a cable, or set a link up");
}

}  // namespace

// In host_check_system.cpp: kernel, QEMU, control groups, clock.
std::vector<Finding> judge_system(const HostFacts& facts);

std::vector<Finding> judge_host(const HostFacts& facts) {
  std::vector<Finding> findings;
  for (const auto judge : {judge_architecture, judge_virtualization, judge_nested_paging, judge_kvm,
                           judge_level, judge_turbo, judge_iommu, judge_memory, judge_ecc,
                           judge_numa, judge_huge_pages, judge_disks, judge_nics}) {
    findings.push_back(judge(facts));
  }
  for (auto& finding : judge_system(facts)) findings.push_back(std::move(finding));
  return findings;
}

CheckLevel overall(const std::vector<Finding>& findings) {
  auto level = CheckLevel::ok;
  for (const auto& finding : findings) {
    if (finding.level == CheckLevel::missing && finding.needed) return CheckLevel::missing;
    if (finding.level != CheckLevel::ok) level = CheckLevel::degraded;
  }
  return level;
}

}  // namespace ruche::model
