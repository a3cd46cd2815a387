// The memory of a simulated machine in a file, and back. What it holds is how often the CPUs had
// run by then and which devices there were: enough to see whether it still agrees with the disks.
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

 private:
  Async<void> reach();

  FakeHypervisor& engine_;
  std::shared_ptr<SimProcess> process_;
};

// The devices of a machine, as its memory knows them.
std::string hardware_of(const SimProcess& process);

}  // namespace ruche::sim
