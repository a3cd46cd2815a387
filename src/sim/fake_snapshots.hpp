// The memory of a simulated machine in a file, and back; its disks cut, and their layers merged.
// What the memory holds is what the disks showed at that instant and which devices there were:
// enough to see whether they still agree.
#pragma once

#include <memory>
#include <string>

#include "ports/hypervisor.hpp"

namespace ruche::sim {

class FakeHypervisor;
struct SimProcess;

class FakeSnapshots : public ports::Snapshots {
 public:
  FakeSnapshots(FakeHypervisor& engine, std::shared_ptr<SimProcess> process)
      : engine_(engine), process_(std::move(process)) {}

  Async<Bytes> save(std::string path, ports::ProgressSink progress) override;
  Async<void> cancel() override;
  Async<ports::TakenSnapshot> take(ports::SnapshotOrder order,
                                   ports::ProgressSink progress) override;
  Async<void> merge(ports::DiskMerge order, ports::ProgressSink progress) override;

 private:
  Async<void> reach();
  // The parts of take(), in their order. Each is one effect at most.
  void begin(const ports::SnapshotOrder& order);
  void stop_cpus();
  void copy_files(const ports::SnapshotOrder& order);
  void cut(const ports::SnapshotOrder& order);
  void go_on();
  Async<void> save_instant(std::string path, ports::ProgressSink progress);
  Async<void> carry_out(ports::SnapshotOrder order, ports::ProgressSink progress);
  bool is_cut(const ports::DiskOverlay& wanted) const;
  Async<void> wait_for_merge(std::string below, ports::ProgressSink progress);
  void require_room(const std::string& path) const;

  FakeHypervisor& engine_;
  std::shared_ptr<SimProcess> process_;
};

// The devices of a machine, as its memory knows them.
std::string hardware_of(const SimProcess& process);

}  // namespace ruche::sim
