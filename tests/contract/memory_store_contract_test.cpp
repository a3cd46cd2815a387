#include "contract/state_store_suite.hpp"
#include "sim/memory_store.hpp"
#include "sim/sim_world.hpp"

namespace ruche::contract {
namespace {

class MemoryHarness : public StoreHarness {
 public:
  ports::StateStore& store() override { return *store_; }
  Clock& loop_clock() override { return world_.clock(); }
  void run(Async<void> work) override { world_.run(std::move(work)); }
  Async<void> pass(Duration time) override { co_await sleep_for(world_.clock(), time); }
  void restart() override { state_->restart(); }
  Async<void> compact(ports::Revision revision) override {
    state_->compact(revision);
    co_return;
  }

 private:
  sim::SimWorld world_;
  std::shared_ptr<sim::MemoryStoreState> state_ = sim::MemoryStoreState::make(world_.clock());
  std::unique_ptr<sim::MemoryStore> store_ = state_->open("host-1");
};

}  // namespace

std::unique_ptr<StoreHarness> make_store_harness() { return std::make_unique<MemoryHarness>(); }

}  // namespace ruche::contract
