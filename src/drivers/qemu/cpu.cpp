#include "drivers/qemu/cpu.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "model/hardware.hpp"

namespace ruche::drivers::qemu {

namespace {

// `enforce`: a flag that is missing refuses the start instead of changing the guest's processor.
constexpr std::string_view kLevel2 =
    "qemu64,-svm,+x2apic,+cx16,+lahf_lm,+popcnt,+pni,+sse4.1,+sse4.2,+ssse3";
// xsaveopt is more than the level asks for: Linux 6.1 hangs in its first second on a processor that
// has xsave and nothing of the second leaf about it; every processor of this level has it.
constexpr std::string_view kLevel3 =
    ",+abm,+avx,+avx2,+bmi1,+bmi2,+f16c,+fma,+movbe,+xsave,+xsaveopt";
constexpr std::string_view kLevel4 = ",+avx512bw,+avx512cd,+avx512dq,+avx512f,+avx512vl";

std::expected<std::string, Error> model_argument(model::CpuBaseline baseline,
                                                 model::Accelerator accelerator) {
  const bool translated = accelerator == model::Accelerator::tcg;
  switch (baseline) {
    case model::CpuBaseline::x86_64_v2:
      return fmt::format("{},enforce", kLevel2);
    case model::CpuBaseline::x86_64_v3:
      return fmt::format("{}{},enforce", kLevel2, kLevel3);
    case model::CpuBaseline::x86_64_v4:
      if (translated) {
        return std::unexpected(
            Error(Reason::host_cannot, "binary translation has no AVX-512, which x86-64-v4 needs")
                .at("/cpu_baseline")
                .remedy("use x86-64-v3, or a host with hardware virtualization"));
      }
      return fmt::format("{}{}{},enforce", kLevel2, kLevel3, kLevel4);
    case model::CpuBaseline::host:
      return translated ? "max" : "host";
  }
  broken_invariant("a CPU baseline outside its enumeration");
}

// What Windows asks a hypervisor for (docs/system/i386/hyperv.rst); QEMU has it under KVM only.
constexpr std::string_view kHyperV =
    ",hv-relaxed=on,hv-vapic=on,hv-spinlocks=0x1fff,hv-vpindex=on,hv-runtime=on,hv-synic=on,"
    "hv-stimer=on,hv-time=on,hv-frequencies=on,hv-tlbflush=on,hv-ipi=on";

}  // namespace

model::CpuTopology topology_of(const model::VmSpec& spec) {
  if (spec.topology) return *spec.topology;
  const auto cpus = model::most_cpus(spec);
  const auto sockets = cpus % spec.numa.nodes == 0 ? spec.numa.nodes : 1;
  return {sockets, cpus / sockets, 1};
}

std::vector<std::uint32_t> cpu_nodes(std::uint32_t cpus, std::uint32_t nodes) {
  std::vector<std::uint32_t> found;
  for (std::uint32_t node = 0; node < nodes; ++node) {
    found.insert(found.end(), cpus / nodes + (node < cpus % nodes ? 1 : 0), node);
  }
  return found;
}

std::vector<std::size_t> order_of_coming(const std::vector<std::uint32_t>& nodes) {
  std::map<std::uint32_t, std::size_t> counts;
  std::vector<std::tuple<std::size_t, std::uint32_t, std::size_t>> ranked;
  for (std::size_t place = 0; place < nodes.size(); ++place) {
    ranked.emplace_back(counts[nodes[place]]++, nodes[place], place);
  }
  std::ranges::sort(ranked);
  std::vector<std::size_t> order;
  for (const auto& [rank, node, place] : ranked) order.push_back(place);
  return order;
}

json::Object cpu_place(const model::CpuTopology& topology, std::uint32_t place) {
  const auto core = place / topology.threads;
  return {{"socket-id", std::int64_t{core / topology.cores}},
          {"core-id", std::int64_t{core % topology.cores}},
          {"thread-id", std::int64_t{place % topology.threads}}};
}

std::expected<std::string, Error> cpu_argument(const model::VmSpec& spec,
                                               model::Accelerator accelerator) {
  auto argument = model_argument(spec.cpu_baseline, accelerator);
  const bool windows = spec.system == model::GuestSystem::windows;
  if (argument && windows && accelerator == model::Accelerator::kvm) *argument += kHyperV;
  return argument;
}

std::expected<std::string, Error> smp_argument(const model::VmSpec& spec) {
  const auto topology = topology_of(spec);
  const auto most = model::most_cpus(spec);
  const auto product =
      static_cast<std::uint64_t>(topology.sockets) * topology.cores * topology.threads;
  if (spec.cpus == 0 || product != most) {
    return std::unexpected(
        Error(Reason::bad_spec,
              fmt::format("{} sockets × {} cores × {} threads are not {} CPUs", topology.sockets,
                          topology.cores, topology.threads, most))
            .at("/topology"));
  }
  const auto counts = spec.cpus_max > 0 ? fmt::format("cpus=1,maxcpus={}", most)
                                        : fmt::format("cpus={}", spec.cpus);
  return fmt::format("{},sockets={},dies=1,cores={},threads={}", counts, topology.sockets,
                     topology.cores, topology.threads);
}

std::string cpu_id(std::size_t index) { return fmt::format("cpu{}", index); }

std::vector<json::Object> cpu_devices(const model::VmSpec& spec, model::Accelerator accelerator) {
  std::vector<json::Object> devices;
  const auto cpu = cpu_argument(spec, accelerator);
  if (spec.cpus_max == 0 || !cpu) return devices;
  const auto topology = topology_of(spec);
  const auto order = order_of_coming(cpu_nodes(model::most_cpus(spec), spec.numa.nodes));
  for (std::uint32_t i = 1; i < spec.cpus; ++i) {
    json::Object device{{"driver", cpu->substr(0, cpu->find(',')) + "-x86_64-cpu"},
                        {"id", cpu_id(i)}};
    for (const auto& [key, value] : cpu_place(topology, static_cast<std::uint32_t>(order[i]))) {
      device[key] = value;
    }
    devices.push_back(std::move(device));
  }
  return devices;
}

}  // namespace ruche::drivers::qemu
