// The simulation's NetworkDriver under the contract that the real one keeps.
#include "contract/network_suite.hpp"
#include "sim/fake_networks.hpp"
#include "sim/sim_world.hpp"

namespace ruche::contract {
namespace {

class FakeHarness : public NetworkHarness {
 public:
  FakeHarness() {
    host_.capabilities = {.available = true, .reason = {}, .remedy = {}};
    FakeHarness::restart();
  }
  ports::NetworkDriver& driver() override { return *driver_; }
  void run(std::function<Async<void>()> work) override { world_.run(work()); }
  void restart() override {
    if (driver_) driver_->sever();
    driver_ = std::make_unique<sim::FakeNetworks>(host_, sim::NetworkHooks{});
  }
  void occupy(const std::string& subnet) override {
    host_.occupied.push_back(*model::parse_prefix(subnet));
  }
  std::uint16_t listen() override {
    host_.listeners[8080] = "nginx (process 1)";
    return 8080;
  }

 private:
  sim::SimWorld world_;
  sim::SimNetworks host_;
  std::unique_ptr<sim::FakeNetworks> driver_;
};

INSTANTIATE_TEST_SUITE_P(Fake, NetworkContract,
                         testing::Values([]() -> std::unique_ptr<NetworkHarness> {
                           return std::make_unique<FakeHarness>();
                         }));

}  // namespace
}  // namespace ruche::contract
