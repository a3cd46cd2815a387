// A host with the real QEMU, for contract tests: an instance of its own in a temporary directory,
// guests that are a boot sector, run as a guest user when the tests are root.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/log.hpp"
#include "base/loop.hpp"
#include "contract/temporary_directory.hpp"
#include "drivers/linux/processes.hpp"
#include "drivers/qemu/engine.hpp"
#include "ports/hypervisor.hpp"

namespace ruche::contract {

class QemuHost {
 public:
  QemuHost();
  ~QemuHost();
  QemuHost(const QemuHost&) = delete;
  QemuHost& operator=(const QemuHost&) = delete;

  Duration command_limit = std::chrono::seconds(10);
  Duration adopt_limit = std::chrono::seconds(5);
  Duration device_patience = std::chrono::milliseconds(300);

  void run(std::function<Async<void>(QemuHost&)> test);
  ports::HypervisorEngine& engine() { return *engine_; }
  ports::Processes& processes() { return *processes_; }
  Clock& clock() { return loop_.clock(); }
  Loop& loop() { return loop_; }
  MemoryLog& log() { return log_; }

  Async<void> stop();   // as kill -9: nothing is told to any guest
  Async<void> start();
  Async<void> restart();

  ports::MachineSpec machine();
  // Returns when the guest has started its program.
  Async<void> settle(ports::Machine& machine);
  Async<void> power_off(model::GuestId guest);
  void crash(model::GuestId guest);
  void break_launch(ports::MachineSpec& spec);
  ports::PlugDisk new_disk(const std::string& name, std::uint32_t slot);
  void keep_devices(model::GuestId) {}  // a boot sector hears of nothing

  std::int32_t pid(model::GuestId guest);
  std::string run_directory() const { return directory_.file("run"); }
  std::string guest_file(model::GuestId guest, const std::string& name) const;
  // A connection to the guest's serial socket, as the pump would have it.
  int connect_serial(model::GuestId guest) const;
  const std::string& root() const { return directory_.path(); }

 private:
  Async<void> session(std::function<Async<void>(QemuHost&)> test);
  Async<void> clear_all();

  TemporaryDirectory directory_;
  Loop loop_;
  MemoryLog log_;
  std::unique_ptr<Random> random_;
  std::unique_ptr<ports::Processes> processes_;
  std::unique_ptr<Lane> lane_;
  std::unique_ptr<Scope> scope_;
  std::unique_ptr<ports::HypervisorEngine> engine_;
  int count_ = 0;
};

}  // namespace ruche::contract
