// The hardware and policies of a virtual machine, as a user asks for them. Plain data; rules are in
// guest_rules.hpp.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/reflect.hpp"
#include "model/devices.hpp"
#include "model/ids.hpp"

namespace ruche::model {

enum class CpuBaseline { x86_64_v2, x86_64_v3, x86_64_v4, host };

enum class MemoryKind { private_, shareable };

enum class RestartPolicy { never, on_crash };

enum class GuestSystem { linux_, windows, bsd, other };

enum class WatchdogAction { reset, power_off, pause, none };

enum class BootKind { bios, direct_kernel, uefi };

struct BootSpec {
  BootKind kind = BootKind::bios;
  bool secure = false;  // UEFI that starts signed programs only
  std::vector<std::string> order;  // names of devices; empty: disks, then drives, then adapters
  std::optional<LayerId> kernel;
  std::optional<LayerId> initrd;
  std::optional<LayerId> uefi_vars;
  std::string command_line;
  friend bool operator==(const BootSpec&, const BootSpec&) = default;
};

struct CpuTopology {
  std::uint32_t sockets = 1;
  std::uint32_t cores = 1;
  std::uint32_t threads = 1;
  friend bool operator==(const CpuTopology&, const CpuTopology&) = default;
};

// What the board says of itself (SMBIOS types 1 and 3); empty: what QEMU says.
struct SmbiosSpec {
  std::string manufacturer;
  std::string product;
  std::string version;
  std::string serial;
  std::string sku;
  std::string family;
  std::string asset_tag;
  friend bool operator==(const SmbiosSpec&, const SmbiosSpec&) = default;
};

// CPUs and memory are split evenly over the nodes.
struct NumaSpec {
  std::uint32_t nodes = 1;
  bool bind = false;  // node n's memory comes from the host's node n
  friend bool operator==(const NumaSpec&, const NumaSpec&) = default;
};

enum class HugePageSize { none, mib2, gib1 };

enum class HostShutdownAction { shut_down, suspend };

// What the guest is told about itself at its first boot, without what is secret (GuestSeed).
struct CloudInit {
  std::string user;
  std::string host_name;
  std::vector<std::string> ssh_keys;
  std::vector<std::string> packages;
  bool has_password = false;
  std::uint32_t user_data_length = 0;
  std::uint32_t vendor_data_length = 0;
  bool copied = false;  // its disks were another's: it gets a machine id of its own
};

struct VmSpec {
  GuestSystem system = GuestSystem::linux_;
  std::uint32_t cpus = 1;
  std::uint32_t cpus_max = 0;  // what `cpus` can grow to while it runs; 0: no more
  std::optional<CpuTopology> topology;  // absent: one socket, cpus cores
  CpuBaseline cpu_baseline = CpuBaseline::x86_64_v2;
  Bytes memory = mib(512);
  Bytes memory_max;  // what `memory` can grow to while it runs; 0: no more
  Bytes memory_min;  // what is left to it at least when memory is taken back; 0: none is
  Bytes memory_target;  // what it shall use at most at the moment (balloon); 0: all
  MemoryKind memory_kind = MemoryKind::private_;
  BootSpec boot;
  std::uint32_t hardware_version = 1;
  std::string machine_type;  // pinned at creation: pc-q35-10.0
  std::vector<DiskSpec> disks;
  std::vector<NicSpec> nics;
  std::vector<CdromSpec> cdroms;
  std::vector<ShareSpec> shares;
  std::vector<UsbSpec> usb;
  std::vector<PciSpec> pci;
  bool serial = true;
  std::uint32_t serial_ports = 1;  // where it has any; the first is the console
  DisplayKind display = DisplayKind::none;
  std::string generation_id;  // changes whenever the guest goes back in time or is copied
  std::optional<CloudInit> cloud_init;
  std::optional<WatchdogAction> watchdog;  // absent: it has none
  std::optional<TpmSpec> tpm;
  SoundKind sound = SoundKind::none;
  SmbiosSpec smbios;
  NumaSpec numa;
  HugePageSize huge_pages = HugePageSize::none;
  // Hardware threads of the host that CPU n may run on ("0-3,8"); one entry is for all CPUs.
  std::vector<std::string> cpu_pins;
  HostShutdownAction on_host_shutdown = HostShutdownAction::shut_down;
  bool autostart = false;
  std::uint32_t start_order = 0;  // the lower the earlier; at a shutdown the higher the earlier
  Duration start_delay{0};  // before the next one is started
  RestartPolicy restart_policy = RestartPolicy::never;
};

}  // namespace ruche::model

extern template const ruche::TypeInfo& ruche::type_of<ruche::model::CpuBaseline>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::MemoryKind>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::RestartPolicy>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::GuestSystem>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::WatchdogAction>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::BootKind>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::BootSpec>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::CpuTopology>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::SmbiosSpec>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::NumaSpec>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::HugePageSize>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::HostShutdownAction>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::CloudInit>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::VmSpec>();
