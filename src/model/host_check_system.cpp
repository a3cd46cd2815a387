// The part of the judgement that is about software: kernel, QEMU, control groups, clock.
#include <fmt/format.h>

#include <algorithm>

#include "model/host_check.hpp"
#include "model/share_rules.hpp"

namespace ruche::model {

std::vector<Finding> judge_system(const HostFacts& facts);

namespace {

using Level = CheckLevel;

// Among the features of a host, beside kSharesFeature.
constexpr const char* kTpmFeature = "tpm";
constexpr const char* kUefiFeature = "uefi";
constexpr const char* kSecureBootFeature = "secure-boot";

bool offers(const HostFacts& facts, std::string_view feature) {
  return std::ranges::find(facts.hypervisor.features, feature) != facts.hypervisor.features.end();
}

Finding worse(Finding finding, Level level, std::string found, std::string remedy) {
  finding.level = level;
  finding.found = std::move(found);
  finding.remedy = std::move(remedy);
  return finding;
}

Finding judge_kernel(const HostFacts& facts) {
  const auto& kernel = facts.kernel;
  Finding finding{.name = "kernel",
                  .found = kernel.release.empty() ? "unknown release" : kernel.release,
                  .why = "it confines guests (Landlock) and tracks their memory while it is saved"};
  if (kernel.landlock == 0) {
    return worse(finding, Level::degraded, finding.found + ", without Landlock",
                 "use Linux 6.1 or newer, with landlock in the kernel parameter lsm=");
  }
  finding.found += fmt::format(", Landlock {}", kernel.landlock);
  return finding;
}

Finding judge_write_tracking(const HostFacts& facts) {
  Finding finding{.name = "write-tracking",
                  .found = "/dev/userfaultfd",
                  .why = "with it a guest's memory is saved while the guest runs"};
  if (facts.kernel.userfaultfd) return finding;
  return worse(finding, Level::degraded, "there is no /dev/userfaultfd",
               "use a kernel of Linux 6.1 or newer with CONFIG_USERFAULTFD");
}

Finding judge_hypervisor(const HostFacts& facts) {
  const auto& hypervisor = facts.hypervisor;
  Finding finding{.name = "qemu",
                  .needed = true,
                  .found = fmt::format("QEMU {}, guests run by {}", hypervisor.version,
                                       enum_name(hypervisor.accelerator)),
                  .why = "it is the machine that a guest sees"};
  if (hypervisor.installed) return finding;
  return worse(finding, Level::missing, "there is no QEMU",
               "install qemu-system-x86 10.0 or newer (Debian 12: from backports)");
}

Finding judge_firmware(const HostFacts& facts) {
  Finding finding{.name = "uefi",
                  .found = "OVMF, with Secure Boot",
                  .why =
                      "guests boot through it unless they boot as on a BIOS; Windows 11 asks "
                      "for Secure Boot"};
  if (!offers(facts, kUefiFeature)) {
    return worse(finding, Level::degraded, "there is no OVMF",
                 "install the package ovmf, then restart ruched");
  }
  if (offers(facts, kSecureBootFeature)) return finding;
  return worse(finding, Level::degraded, "OVMF, without Secure Boot",
               "install Debian's package ovmf, then restart ruched");
}

Finding judge_tpm(const HostFacts& facts) {
  Finding finding{.name = "tpm",
                  .found = "swtpm makes TPMs for guests",
                  .why = "Windows 11 asks for one, and disks are encrypted with its help"};
  if (offers(facts, kTpmFeature)) return finding;
  return worse(finding, Level::degraded, "there is no swtpm",
               "install the package swtpm, then restart ruched");
}

Finding judge_folders(const HostFacts& facts) {
  Finding finding{.name = "virtiofs",
                  .found = "virtiofsd serves folders",
                  .why = "with it a guest mounts folders of its host"};
  if (offers(facts, kSharesFeature)) return finding;
  return worse(finding, Level::degraded,
               facts.is_root ? "there is no virtiofsd" : "ruched may not confine virtiofsd",
               facts.is_root ? kShareRemedy : "run ruched as root");
}

Finding judge_cgroups(const HostFacts& facts) {
  const auto& kernel = facts.kernel;
  Finding finding{.name = "cgroups",
                  .found = fmt::format("version {}", kernel.cgroup_version),
                  .why = "they keep a guest within its memory, processes and processor time"};
  if (kernel.cgroup_version == 0) {
    return worse(finding, Level::missing, "no memory controller is mounted",
                 "mount cgroup2 on /sys/fs/cgroup, and start the kernel without "
                 "cgroup_disable=memory");
  }
  if (!kernel.cgroup_writable) {
    return worse(
        finding, Level::degraded,
        fmt::format("version {}, but the daemon may not make groups", kernel.cgroup_version),
        "run ruched as root, or have systemd delegate a group to it (Delegate=yes)");
  }
  if (kernel.cgroup_version == 2) return finding;
  return worse(finding, Level::degraded, "version 1",
               "start the kernel with systemd.unified_cgroup_hierarchy=1");
}

Finding judge_nftables(const HostFacts& facts) {
  const auto& kernel = facts.kernel;
  Finding finding{.name = "nftables",
                  .found = "the kernel answers, nft is installed",
                  .why = "it carries the address translation and the rules of guests' networks"};
  if (!kernel.nft_program) {
    return worse(finding, Level::missing, "the program nft is not installed",
                 "install the package nftables");
  }
  if (kernel.nftables == "usable") return finding;
  if (kernel.nftables.empty()) {
    return worse(finding, Level::degraded, "nft is installed; only root may ask the kernel",
                 "run ruched as root");
  }
  return worse(finding, Level::missing, "the kernel: " + kernel.nftables,
               "load the module: `modprobe nf_tables`");
}

Finding judge_taps(const HostFacts& facts) {
  Finding finding{
      .name = "taps",
      .found = facts.kernel.vhost_net ? "/dev/net/tun and /dev/vhost-net" : "/dev/net/tun",
      .why =
          "a guest on a bridge has a tap; vhost-net carries its packets in the "
          "kernel"};
  if (!facts.kernel.tun) {
    return worse(finding, Level::missing, "there is no /dev/net/tun",
                 "load the module: `modprobe tun`");
  }
  if (facts.kernel.vhost_net) return finding;
  return worse(finding, Level::degraded, "/dev/net/tun, but no /dev/vhost-net",
               "load the module: `modprobe vhost_net`");
}

Finding judge_clock(const HostFacts& facts) {
  const auto& kernel = facts.kernel;
  Finding finding{.name = "clock",
                  .found = kernel.clock_source.empty() ? "unknown" : kernel.clock_source,
                  .why = "guests ask for the time often, and schedules and logs rely on it"};
  const bool fast = kernel.clock_source == "tsc" || kernel.clock_source == "kvm-clock" ||
                    kernel.clock_source == "arch_sys_counter" ||
                    kernel.clock_source == "hyperv_clocksource_tsc_page";
  if (!fast) {
    return worse(finding, Level::degraded, finding.found + ", a slow one",
                 "see in `dmesg` why the kernel distrusts the TSC");
  }
  if (kernel.clock_synchronized == "no") {
    return worse(finding, Level::degraded, finding.found + ", not synchronized",
                 "install chrony, or switch systemd-timesyncd on");
  }
  if (kernel.clock_synchronized == "yes") finding.found += ", synchronized";
  return finding;
}

}  // namespace

std::vector<Finding> judge_system(const HostFacts& facts) {
  std::vector<Finding> findings;
  for (const auto judge :
       {judge_kernel, judge_write_tracking, judge_hypervisor, judge_firmware, judge_tpm,
        judge_folders, judge_cgroups, judge_nftables, judge_taps, judge_clock}) {
    findings.push_back(judge(facts));
  }
  return findings;
}

std::vector<Reduced> reduced_by(const HostFacts& facts) {
  std::vector<Reduced> reduced;
  if (!facts.is_root) {
    reduced.push_back({"guests run as the daemon's own user, not each as a user of its own",
                       "run ruched as root: it gives each guest a user"});
    reduced.push_back({"no bridge: guests have QEMU's user network and are reached by forwards",
                       "run ruched as root"});
  }
  if (!facts.kernel.cgroup_writable) {
    reduced.push_back({"no control groups: a guest's memory and processor time are not limited",
                       "run ruched as root, or have systemd delegate a group to it"});
  }
  if (facts.kernel.landlock == 0) {
    reduced.push_back({"no Landlock: a guest's process is not kept from other files",
                       "use Linux 6.1 or newer, with landlock in the kernel parameter lsm="});
  }
  if (facts.hypervisor.accelerator != Accelerator::kvm) {
    reduced.push_back({"no hardware virtualization: guests are translated, slower",
                       "see virtualization and kvm in `ruche host check`"});
  }
  return reduced;
}

}  // namespace ruche::model
