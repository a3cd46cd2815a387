#include "drivers/qemu/cpu.hpp"

#include <fmt/format.h>

namespace ruche::drivers::qemu {

namespace {

// `enforce`: a flag that is missing refuses the start instead of changing the guest's processor.
constexpr std::string_view kLevel2 =
    "qemu64,-svm,+x2apic,+cx16,+lahf_lm,+popcnt,+pni,+sse4.1,+sse4.2,+ssse3";
constexpr std::string_view kLevel3 = ",+abm,+avx,+avx2,+bmi1,+bmi2,+f16c,+fma,+movbe,+xsave";
constexpr std::string_view kLevel4 = ",+avx512bw,+avx512cd,+avx512dq,+avx512f,+avx512vl";

}  // namespace

std::expected<std::string, Error> cpu_argument(model::CpuBaseline baseline,
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

std::expected<std::string, Error> smp_argument(const model::VmSpec& spec) {
  const auto topology = spec.topology.value_or(model::CpuTopology{1, spec.cpus, 1});
  const auto product =
      static_cast<std::uint64_t>(topology.sockets) * topology.cores * topology.threads;
  if (spec.cpus == 0 || product != spec.cpus) {
    return std::unexpected(
        Error(Reason::bad_spec,
              fmt::format("{} sockets × {} cores × {} threads are not {} CPUs", topology.sockets,
                          topology.cores, topology.threads, spec.cpus))
            .at("/topology"));
  }
  return fmt::format("cpus={},sockets={},dies=1,cores={},threads={}", spec.cpus, topology.sockets,
                     topology.cores, topology.threads);
}

}  // namespace ruche::drivers::qemu
