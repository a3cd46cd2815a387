// What one machine is, as it was read from /proc and /sys. Plain data: host_check.hpp judges it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/reflect.hpp"
#include "model/host.hpp"

namespace ruche::model {

struct ProcessorFacts {
  std::string architecture;  // "x86_64"; empty when nothing says it
  std::string model;
  std::uint32_t sockets = 0;
  std::uint32_t cores = 0;
  std::uint32_t threads = 0;
  std::uint32_t level = 1;
  std::string virtualization;  // "VT-x", "AMD-V" or empty
  std::string nested_paging;   // "EPT", "NPT" or empty
  bool under_hypervisor = false;  // this machine is itself a guest
  std::string turbo;              // "on", "off", or empty: the kernel does not say
  std::string governor;
};

struct NumaNode {
  std::uint32_t id = 0;
  std::string cpus;  // "0-7,16-23"
  Bytes memory;
  Bytes memory_free;
};

struct HugePages {
  Bytes size;
  std::int64_t total = 0;
  std::int64_t free = 0;
};

struct MemoryFacts {
  Bytes total;
  Bytes available;  // what could be had without swapping
  Bytes swap;
  std::vector<NumaNode> numa;
  std::vector<HugePages> huge_pages;
  std::string transparent_huge_pages;  // always, madvise, never
  std::uint32_t ecc_controllers = 0;   // memory controllers that report to EDAC
  std::int64_t corrected_errors = 0;
  std::int64_t uncorrected_errors = 0;
};

struct DiskFacts {
  std::string name;
  std::string model;
  Bytes size;
  bool rotational = false;
  bool in_use = false;  // something of it is mounted, or swapped to
  std::string pci;      // address of what it is behind
};

struct NicFacts {
  std::string name;
  std::string mac;
  std::string driver;
  bool up = false;
  std::int64_t speed_mbit = 0;  // 0: unknown
  std::string pci;              // address of what it is behind
};

struct PciFacts {
  std::string address;  // 0000:00:1f.2
  std::string device_class;
  std::string vendor;
  std::string device;
  std::string driver;
  std::optional<std::int64_t> iommu_group;
  bool bridge = false;
  std::string path;  // the node through which a program gets it (vfio); empty: there is none
};

// A part of a PCI device that its driver makes for one user (mdev).
struct MediatedFacts {
  std::string id;
  std::string address;  // of the PCI device
  std::string kind;     // nvidia-35, i915-GVTg_V5_4, …
  std::optional<std::int64_t> iommu_group;
  std::string path;  // as of PciFacts
};

struct UsbFacts {
  std::string path;  // of its node: /dev/bus/usb/001/004
  std::string vendor_id;
  std::string product_id;
  std::string manufacturer;
  std::string product;
  std::string serial;
  bool hub = false;
  std::string holds;  // what the host uses of it: "disk sda"; empty: nothing
};

struct BoardFacts {
  std::string vendor, product, firmware, firmware_date;
  bool uefi = false;
};

struct KernelFacts {
  std::string release;
  std::string command_line;
  std::string kvm;        // "usable"; else why /dev/kvm is not; empty: there is none
  std::string kvm_module;  // kvm_intel or kvm_amd, when loaded as such
  bool nested_paging_off = false;  // the module's parameter ept or npt says no
  bool nesting = false;            // guests may have guests
  std::uint32_t iommus = 0;
  std::uint32_t iommu_groups = 0;
  std::uint32_t cgroup_version = 0;
  bool cgroup_writable = false;
  std::int64_t landlock = 0;  // version, 0: absent
  bool userfaultfd = false;   // /dev/userfaultfd is there
  bool vhost_net = false;
  bool tun = false;
  bool vfio = false;     // /dev/vfio is there
  bool iommufd = false;  // /dev/iommu is there
  bool nft_program = false;
  std::string nftables;  // "usable"; else why not; empty: it could not be asked
  std::string clock_source;
  std::string clock_sources;  // that it could use
  std::string clock_synchronized;  // "yes", "no"; empty: it could not be asked
};

struct HypervisorFacts {
  bool installed = false;  // now; it may have been removed since the daemon started
  Accelerator accelerator = Accelerator::tcg;
  std::string reason;
  std::string version;
  std::vector<std::string> features;
};

struct HostFacts {
  ProcessorFacts processor;
  MemoryFacts memory;
  std::vector<DiskFacts> disks;
  std::vector<NicFacts> nics;
  std::vector<PciFacts> pci;
  std::vector<MediatedFacts> mediated;
  std::vector<UsbFacts> usb;
  BoardFacts board;
  KernelFacts kernel;
  HypervisorFacts hypervisor;
  bool is_root = false;  // ruched runs as root
  std::string load;      // of the last minute: hardware threads kept busy, "0.42"
};

// --- the judgement ------------------------------------------------------------------------------

enum class CheckLevel { ok, degraded, missing };

struct Finding {
  std::string name;  // "kvm"
  CheckLevel level = CheckLevel::ok;
  bool needed = false;  // no guest can start without it
  std::string found;
  std::string why;     // it matters
  std::string remedy;  // empty when ok
};

// What a daemon that is not root cannot do for its guests.
struct Reduced {
  std::string what;
  std::string remedy;
};

struct HostCheck {
  HostId id;
  std::string name;
  CheckLevel level = CheckLevel::ok;  // the worst; missing only for what guests need
  std::vector<Finding> findings;
  std::vector<Reduced> reduced;
};

}  // namespace ruche::model

extern template const ruche::TypeInfo& ruche::type_of<ruche::model::ProcessorFacts>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::NumaNode>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::HugePages>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::MemoryFacts>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::DiskFacts>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::NicFacts>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::PciFacts>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::MediatedFacts>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::UsbFacts>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::BoardFacts>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::KernelFacts>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::HypervisorFacts>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::HostFacts>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::CheckLevel>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::Finding>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::Reduced>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::HostCheck>();
