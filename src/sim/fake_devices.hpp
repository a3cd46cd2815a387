// The devices of a simulated machine: what its process was started with, changed while it runs.
#pragma once

#include <memory>
#include <string>

#include "ports/hypervisor.hpp"

namespace ruche::sim {

class FakeHypervisor;
struct SimProcess;

class FakeDevices : public ports::Devices {
 public:
  FakeDevices(FakeHypervisor& engine, std::shared_ptr<SimProcess> process)
      : engine_(engine), process_(std::move(process)) {}

  Async<void> change(ports::DeviceChange change) override;
  Async<void> grow(model::DiskSpec disk, Bytes size) override;
  Async<ports::MemoryFacts> memory() override;

 private:
  // Nothing happens when the change is made already.
  bool is_made(const ports::DeviceChange& change) const;
  void make(ports::DeviceChange& change);
  void plug(const ports::PlugDisk& change);
  void plug(const ports::PlugUsb& change);
  void unplug(const std::string& disk);
  Async<void> reach();

  FakeHypervisor& engine_;
  std::shared_ptr<SimProcess> process_;
};

}  // namespace ruche::sim
