// A snapshot of a running machine: its disks, its small files and its memory at one instant.
#pragma once

#include "drivers/qemu/machine.hpp"

namespace ruche::drivers::qemu {

Async<ports::TakenSnapshot> take_snapshot(std::shared_ptr<MachineCore> core,
                                          ports::SnapshotOrder order, ports::ProgressSink progress);

}  // namespace ruche::drivers::qemu
