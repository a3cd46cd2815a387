// A machine's memory and devices in a file, and back: QEMU's migration to and from a file
// (docs/devel/migration/main.rst) in the layout "mapped-ram" (mapped-ram.rst), in which every page
// has its place, so that the file is never larger than the memory and is read in one sweep.
#pragma once

#include "drivers/qemu/machine.hpp"

namespace ruche::drivers::qemu {

class QemuSnapshots : public ports::Snapshots {
 public:
  explicit QemuSnapshots(std::shared_ptr<MachineCore> core) : core_(std::move(core)) {}

  Async<Bytes> save(std::string path, ports::ProgressSink progress) override;
  Async<void> cancel() override;

 private:
  std::shared_ptr<MachineCore> core_;
};

// Fills a machine that was started with `-incoming defer`; it stands still afterwards. Throws
// memory_unusable when QEMU does not take what the file holds; it has ended then.
Async<void> load_memory(std::shared_ptr<MachineCore> core, std::string path);

}  // namespace ruche::drivers::qemu
