// Devices of a running QEMU that come, go and change (ports::Devices), over QMP. What is asked of
// QEMU is looked up first, so that a change that an earlier daemon began is carried on.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "drivers/qemu/disks.hpp"
#include "drivers/qemu/machine.hpp"
#include "ports/hypervisor.hpp"

namespace ruche::drivers::qemu {

class QemuDevices : public ports::Devices {
 public:
  explicit QemuDevices(std::shared_ptr<MachineCore> core) : core_(std::move(core)) {}
  Async<void> change(ports::DeviceChange change) override;
  Async<void> grow(model::DiskSpec disk, Bytes size) override;
  Async<ports::MemoryFacts> memory() override;

 private:
  std::shared_ptr<MachineCore> core_;
};

// What a command line cannot say: cables that are pulled, limits of disks, the balloon, pins.
Async<void> apply_settings(std::shared_ptr<MachineCore> core, model::VmSpec spec);

}  // namespace ruche::drivers::qemu
