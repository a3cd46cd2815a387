// What is kept of a machine in files: its memory and devices, and its disks as they were.
#pragma once

#include "drivers/qemu/machine.hpp"

namespace ruche::drivers::qemu {

class QemuSnapshots : public ports::Snapshots {
 public:
  explicit QemuSnapshots(std::shared_ptr<MachineCore> core) : core_(std::move(core)) {}

  Async<Bytes> save(std::string path, ports::ProgressSink progress) override;
  Async<void> cancel() override;
  Async<ports::TakenSnapshot> take(ports::SnapshotOrder order,
                                   ports::ProgressSink progress) override;
  Async<void> merge(ports::DiskMerge order, ports::ProgressSink progress) override;

 private:
  std::shared_ptr<MachineCore> core_;
};

// Fills a machine that was started with `-incoming defer`; it stands still afterwards. Throws
// memory_unusable when QEMU does not take what the file holds; it has ended then.
Async<void> load_memory(std::shared_ptr<MachineCore> core, std::string path);

}  // namespace ruche::drivers::qemu
