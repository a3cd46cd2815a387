// Hosts and their ledgers.
#pragma once

#include <string>
#include <vector>

#include "base/reflect.hpp"
#include "model/ids.hpp"

namespace ruche::model {

enum class Accelerator { kvm, tcg };
constexpr auto describe(Type<Accelerator>) {
  return enumeration<Accelerator>("Accelerator", "What runs guest code.",
                                  value(Accelerator::kvm, "kvm", "Hardware virtualization."),
                                  value(Accelerator::tcg, "tcg", "Binary translation, slower."));
}

// hosts/<id>/spec
struct Host {
  HostId id;
  std::string name;
  Timestamp created_at;
};
constexpr auto describe(Type<Host>) {
  return structure<Host>("Host", "A machine that runs ruched.",
                         field<&Host::id>("id", "Immutable id."),
                         field<&Host::name>("name", "Unique name.", {.format = "name"}),
                         field<&Host::created_at>("created_at", "When it joined."));
}

// hosts/<id>/status: written by the host itself.
struct HostStatus {
  std::string version;  // of ruched
  std::string kernel;
  std::string boot_id;
  std::string cpu_model;
  std::uint32_t sockets = 1;
  std::uint32_t cores = 1;
  std::uint32_t threads = 1;  // of the whole host
  std::uint32_t cpu_level = 1;  // x86-64-v<level>, as the processor shows
  Bytes memory;
  Accelerator accelerator = Accelerator::tcg;
  std::string accelerator_reason;
  std::string qemu_version;
  std::uint32_t cgroup_version = 0;  // 1, 2, or 0: none usable
  std::vector<std::string> features;
  friend bool operator==(const HostStatus&, const HostStatus&) = default;
};
constexpr auto describe(Type<HostStatus>) {
  return structure<HostStatus>(
      "HostStatus", "What a host says of itself.",
      field<&HostStatus::version>("version", "Ruche's version."),
      field<&HostStatus::kernel>("kernel", "Kernel release."),
      field<&HostStatus::boot_id>("boot_id", "Kernel boot id."),
      field<&HostStatus::cpu_model>("cpu_model", "Processor."),
      field<&HostStatus::sockets>("sockets", "Sockets."),
      field<&HostStatus::cores>("cores", "Cores."),
      field<&HostStatus::threads>("threads", "Hardware threads."),
      field<&HostStatus::cpu_level>("cpu_level", "x86-64 microarchitecture level."),
      field<&HostStatus::memory>("memory_bytes", "Memory."),
      field<&HostStatus::accelerator>("accelerator", "What runs guest code here."),
      field<&HostStatus::accelerator_reason>("accelerator_reason", "Why."),
      field<&HostStatus::qemu_version>("qemu_version", "QEMU's version, empty if absent."),
      field<&HostStatus::cgroup_version>("cgroup_version", "1, 2, or 0 when none is usable."),
      field<&HostStatus::features>("features", "Names of optional abilities."));
}

// hosts/<id>/ledger: totals, constant in size. Every admission compares its revision.
struct Ledger {
  Bytes memory_total;  // what guests may have: the host's memory less what the host itself needs
  Bytes memory_reserved;
  std::uint32_t cpus_total = 0;  // threads × the overcommit setting
  std::uint32_t cpus_reserved = 0;
  std::uint64_t generation = 0;
};
constexpr auto describe(Type<Ledger>) {
  return structure<Ledger>(
      "Ledger", "What a host has promised.",
      field<&Ledger::memory_total>("memory_total_bytes", "Memory that guests may have."),
      field<&Ledger::memory_reserved>("memory_reserved_bytes", "Memory promised."),
      field<&Ledger::cpus_total>("cpus_total", "Virtual CPUs that may run."),
      field<&Ledger::cpus_reserved>("cpus_reserved", "Virtual CPUs promised."),
      field<&Ledger::generation>("generation", "Grows with each admission."));
}

// settings/cluster
struct Settings {
  std::uint32_t cpu_overcommit = 4;     // virtual CPUs per hardware thread
  Bytes host_memory_reserve = mib(512);  // kept for the host itself
  Duration recycle_bin = std::chrono::hours(24 * 7);
  Bytes datastore_low_space = mib(512);  // below this nothing new is allocated
  Bytes image_size_limit = gib(1024);    // of an image's file and of its disk
  Duration upload_expiry = std::chrono::hours(24);
};
constexpr auto describe(Type<Settings>) {
  return structure<Settings>(
      "Settings", "Settings of the whole cluster.",
      field<&Settings::cpu_overcommit>("cpu_overcommit", "Virtual CPUs per hardware thread.",
                                       {.min = 1, .max = 64}),
      field<&Settings::host_memory_reserve>("host_memory_reserve_bytes",
                                            "Memory kept for the host itself."),
      field<&Settings::recycle_bin>("recycle_bin_ms", "How long deleted guests are kept."),
      field<&Settings::datastore_low_space>("datastore_low_space_bytes",
                                            "Free space below which nothing new is allocated."),
      field<&Settings::image_size_limit>("image_size_limit_bytes",
                                         "Largest image: its file and its disk.", {.min = 1 << 20}),
      field<&Settings::upload_expiry>("upload_expiry_ms",
                                      "How long an upload may stand still before it is given up.",
                                      {.min = 60'000}));
}

}  // namespace ruche::model
