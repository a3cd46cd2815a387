#include "model/host.hpp"

namespace ruche::model {

constexpr auto describe(Type<Accelerator>) {
  return enumeration<Accelerator>("Accelerator", "What runs guest code.",
                                  value(Accelerator::kvm, "kvm", "Hardware virtualization."),
                                  value(Accelerator::tcg, "tcg", "Binary translation, slower."));
}

constexpr auto describe(Type<Host>) {
  return structure<Host>("Host", "A machine that runs ruched.",
                         field<&Host::id>("id", "Immutable id."),
                         field<&Host::name>("name", "Unique name.", {.format = "name"}),
                         field<&Host::created_at>("created_at", "When it joined."));
}

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

constexpr auto describe(Type<Ledger>) {
  return structure<Ledger>(
      "Ledger", "What a host has promised.",
      field<&Ledger::memory_total>("memory_total_bytes", "Memory that guests may have."),
      field<&Ledger::memory_reserved>("memory_reserved_bytes", "Memory promised."),
      field<&Ledger::cpus_total>("cpus_total", "Virtual CPUs that may run."),
      field<&Ledger::cpus_reserved>("cpus_reserved", "Virtual CPUs promised."),
      field<&Ledger::generation>("generation", "Grows with each admission."));
}

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

template const ruche::TypeInfo& ruche::type_of<ruche::model::Accelerator>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::Host>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::HostStatus>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::Ledger>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::Settings>();
