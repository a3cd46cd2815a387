// What is in one layer of a disk moves up into the layer on top of it, while the guest runs: QEMU's
// job block-stream (docs/interop/live-block-operations.rst). The file of the upper layer says what
// it stands on, so that after any end of anything one looks there.
#pragma once

#include "drivers/qemu/machine.hpp"

namespace ruche::drivers::qemu {

Async<void> merge_layer(std::shared_ptr<MachineCore> core, ports::DiskMerge order,
                        ports::ProgressSink progress);

}  // namespace ruche::drivers::qemu
