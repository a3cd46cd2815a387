#include "contract/hypervisor_suite.hpp"
#include "sim/fake_hypervisor.hpp"
#include "sim/sim_world.hpp"

namespace ruche::contract {
namespace {

class SimulatedHost {
 public:
  void run(std::function<Async<void>(SimulatedHost&)> test) {
    world_.run(test(*this));
    engine_.reset();
  }
  ports::HypervisorEngine& engine() { return *engine_; }
  Clock& clock() { return world_.clock(); }

  Async<void> stop() {
    engine_->sever();
    retired_.push_back(std::move(engine_));
    co_return;
  }
  Async<void> start() {
    engine_ = std::make_unique<sim::FakeHypervisor>(machines_, world_.clock());
    co_return;
  }
  Async<void> restart() {
    co_await stop();
    co_await start();
  }

  ports::MachineSpec machine() {
    ports::MachineSpec spec;
    spec.guest = {make_uuid7(world_.clock().wall(), world_.random())};
    spec.name = "guest" + std::to_string(++count_);
    spec.store_id = "store";
    spec.epoch = 7;
    spec.spec.disks.push_back({.name = "disk0", .size = mib(1), .slot = 3});
    spec.disks.push_back({"disk0", {{"/disk" + std::to_string(count_), model::DiskFormat::raw}}});
    return spec;
  }
  Async<void> settle(ports::Machine&) {
    co_await sleep_for(world_.clock(), std::chrono::seconds(1));
  }
  Async<void> power_off(model::GuestId guest) {
    machines_.power_off(guest);
    co_return;
  }
  void crash(model::GuestId guest) { machines_.crash(guest); }
  ports::PlugDisk new_disk(const std::string& name, std::uint32_t slot) {
    ports::PlugDisk plug;
    plug.disk.name = name;
    plug.disk.size = mib(1);
    plug.disk.slot = slot;
    plug.files = {name, {{"/disk" + std::to_string(++count_), model::DiskFormat::raw}}};
    return plug;
  }
  void keep_devices(model::GuestId guest) { machines_.find(guest)->keeps_devices = true; }
  void break_launch(ports::MachineSpec&) { machines_.fail_next_launch("injected"); }

 private:
  sim::SimWorld world_;
  sim::FakeStorage storage_;
  sim::MachineHooks hooks_;
  sim::SimMachines machines_{world_.clock(), storage_, hooks_, "host1"};
  std::unique_ptr<sim::FakeHypervisor> engine_ =
      std::make_unique<sim::FakeHypervisor>(machines_, world_.clock());
  std::vector<std::unique_ptr<sim::FakeHypervisor>> retired_;  // handles may still point there
  int count_ = 0;
};

INSTANTIATE_TYPED_TEST_SUITE_P(Simulated, HypervisorSuite, SimulatedHost);

}  // namespace
}  // namespace ruche::contract
