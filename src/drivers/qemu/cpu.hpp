// The processor a guest sees. The baselines are our own table of a model and flags, because
// QEMU's model names follow vendors' products, not the x86-64 levels of the psABI.
#pragma once

#include <expected>
#include <string>

#include "base/error.hpp"
#include "model/guest.hpp"
#include "model/host.hpp"

namespace ruche::drivers::qemu {

// The value of -cpu. Fails with host_cannot when this accelerator lacks the level.
std::expected<std::string, Error> cpu_argument(model::CpuBaseline baseline,
                                               model::Accelerator accelerator);
// The value of -smp. Fails with bad_spec when the topology does not amount to the CPUs.
std::expected<std::string, Error> smp_argument(const model::VmSpec& spec);

}  // namespace ruche::drivers::qemu
