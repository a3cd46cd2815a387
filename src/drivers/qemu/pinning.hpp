// Where a guest's CPUs run. QEMU may not set it (its sandbox denies that), so the daemon does it
// from outside, for threads of that very process only: what QEMU says of them is not believed.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "drivers/qemu/machine.hpp"

namespace ruche::drivers::qemu {

// As VmSpec::cpu_pins says it. Throws host_cannot where this host lacks the hardware threads.
Async<void> pin_cpus(std::shared_ptr<MachineCore> core, std::vector<std::string> pins);

}  // namespace ruche::drivers::qemu
