#include "core/placement/admission.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "model/cpu_list.hpp"

namespace ruche::core {

model::Ledger make_ledger(const model::HostStatus& host, const model::Settings& settings) {
  model::Ledger ledger;
  // A small host keeps at most a quarter for itself, whatever the setting says.
  const Bytes kept = std::min(settings.host_memory_reserve, Bytes{host.memory.count / 4});
  ledger.memory_total = host.memory - kept;
  ledger.cpus_total = host.threads * settings.cpu_overcommit;
  return ledger;
}

std::expected<void, Error> could_ever_run(const model::Ledger& ledger,
                                          const model::Reservation& wanted) {
  const Bytes free = ledger.memory_total - ledger.memory_reserved;
  if (wanted.memory > ledger.memory_total) {
    return std::unexpected(
        Error(Reason::never_fits,
              fmt::format(
                  "it needs {} of memory with overhead; this host has {} for guests, {} free now",
                  to_text(wanted.memory), to_text(ledger.memory_total), to_text(free)))
            .at("/memory_bytes")
            .remedy("give it less memory, or add memory to the host"));
  }
  if (wanted.cpus > ledger.cpus_total) {
    return std::unexpected(
        Error(Reason::never_fits,
              fmt::format("it needs {} CPUs; this host may run {} virtual CPUs in all, {} free now",
                          wanted.cpus, ledger.cpus_total, ledger.cpus_total - ledger.cpus_reserved))
            .at("/cpus")
            .remedy("give it fewer CPUs, or raise the setting cpu_overcommit"));
  }
  return {};
}

std::expected<void, Error> reserve(model::Ledger& ledger, const model::Reservation& wanted) {
  if (auto ever = could_ever_run(ledger, wanted); !ever) return ever;
  const Bytes free = ledger.memory_total - ledger.memory_reserved;
  if (wanted.memory > free) {
    return std::unexpected(
        Error(Reason::not_enough_memory,
              fmt::format("it needs {} of memory with overhead, {} of {} are free",
                          to_text(wanted.memory), to_text(free), to_text(ledger.memory_total)))
            .remedy("stop another guest, or give this one less memory"));
  }
  const std::uint32_t free_cpus =
      ledger.cpus_total - std::min(ledger.cpus_total, ledger.cpus_reserved);
  if (wanted.cpus > free_cpus) {
    return std::unexpected(
        Error(Reason::not_enough_cpus, fmt::format("it needs {} CPUs, {} of {} are free",
                                                   wanted.cpus, free_cpus, ledger.cpus_total))
            .remedy("stop another guest, or raise the setting cpu_overcommit"));
  }
  ledger.memory_reserved += wanted.memory;
  ledger.cpus_reserved += wanted.cpus;
  ++ledger.generation;
  return {};
}

void release(model::Ledger& ledger, const model::Reservation& held) {
  ledger.memory_reserved -= held.memory;
  ledger.cpus_reserved -= std::min(ledger.cpus_reserved, held.cpus);
  ++ledger.generation;
}

std::expected<void, Error> can_run_baseline(const model::HostStatus& host,
                                            model::CpuBaseline baseline) {
  if (baseline == model::CpuBaseline::host) return {};
  const std::uint32_t needed = baseline == model::CpuBaseline::x86_64_v2   ? 2
                               : baseline == model::CpuBaseline::x86_64_v3 ? 3
                                                                           : 4;
  // Emulation has levels of its own: QEMU's translator knows AVX2, not AVX-512.
  const std::uint32_t has = host.accelerator == model::Accelerator::tcg ? 3 : host.cpu_level;
  if (needed <= has) return {};
  return std::unexpected(
      Error(Reason::host_cannot,
            fmt::format("{} needs x86-64-v{}; this host offers x86-64-v{} ({})",
                        enum_name(baseline), needed, has, enum_name(host.accelerator)))
          .at("/cpu_baseline")
          .remedy("choose a lower CPU baseline"));
}

std::expected<void, Error> can_place(const model::HostStatus& host, std::uint32_t numa_nodes,
                                     const model::VmSpec& spec) {
  if (spec.numa.bind && spec.numa.nodes > numa_nodes) {
    return std::unexpected(
        Error(Reason::host_cannot,
              fmt::format("its memory is bound to {} NUMA nodes; this host has {}", spec.numa.nodes,
                          numa_nodes))
            .at("/numa/nodes")
            .remedy("use fewer nodes, or do not bind them"));
  }
  for (std::size_t i = 0; i < spec.cpu_pins.size(); ++i) {
    const auto threads = model::parse_cpu_list(spec.cpu_pins[i]);
    if (!threads || threads->empty() || *threads->rbegin() < host.threads) continue;
    return std::unexpected(Error(Reason::host_cannot,
                                 fmt::format("this host has no hardware thread {}; it has 0 to {}",
                                             *threads->rbegin(), host.threads - 1))
                               .at(fmt::format("/cpu_pins/{}", i))
                               .remedy("pin its CPUs to threads that are there"));
  }
  return {};
}

}  // namespace ruche::core
