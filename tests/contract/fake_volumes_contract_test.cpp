// The simulation's VolumeDriver under the contract that the real ones keep.
#include "contract/volume_suite.hpp"
#include "sim/fake_volumes.hpp"
#include "sim/sim_world.hpp"

namespace ruche::contract {
namespace {

class FakeHarness : public VolumeHarness {
 public:
  FakeHarness() {
    datastore_.id = {make_uuid7(world_.clock().wall(), world_.random())};
    datastore_.name = "local";
    datastore_.path = "/data";
    storage_.add_source("/qcow2", {model::ImageFormat::qcow2, mib(64), "sha256:a", ""});
    storage_.add_source("/raw", {model::ImageFormat::raw, mib(64), "sha256:b", ""});
    storage_.add_source("/kernel", {model::ImageFormat::raw, mib(1), "sha256:c", ""});
    storage_.add_source("/refused", {model::ImageFormat::qcow2, mib(64), "sha256:d", "it is bent"});
    FakeHarness::restart();
  }
  ports::VolumeDriver& driver() override { return *driver_; }
  void run(Async<void> work) override { world_.run(std::move(work)); }
  void restart() override {
    if (host_) host_->sever();
    driver_.reset();
    host_ = std::make_unique<sim::FakeVolumeDrivers>(storage_, world_.clock(), "host1");
    host_->set_faults({0, 0, std::chrono::microseconds(100), std::chrono::microseconds(900)},
                      world_.random());
    driver_ = host_->open(datastore_);
  }
  std::unique_ptr<ports::VolumeDriver> other_datastore() override {
    auto other = datastore_;
    other.id = {make_uuid7(world_.clock().wall(), world_.random())};
    return host_->open(other);
  }
  void put_foreign_file() override { place().foreign_files = true; }
  void unmount() override { place().mounted = false; }
  void mount() override { place().mounted = true; }
  void fill() override { place().other_use = place().capacity; }
  void drain() override { place().other_use = {}; }
  void leave_partial(const ports::VolumeRef& volume) override {
    storage_.after_effect = [this](const sim::VolumeEffect&) { host_->sever(); };
    ports::CreateVolume request{volume, mib(64), {}};
    EXPECT_THROW(run(driver_->create(std::move(request))), Error);
    storage_.after_effect = nullptr;
    restart();
  }
  void hold(const ports::VolumeRef& volume) override { storage_.lock(driver_->file(volume).path); }
  void let_go(const ports::VolumeRef& volume) override {
    storage_.unlock(driver_->file(volume).path);
  }
  std::string qcow2_source() override { return "/qcow2"; }
  std::string raw_source() override { return "/raw"; }
  std::string refused_source() override { return "/refused"; }
  std::string kernel_source() override { return "/kernel"; }
  std::size_t files() override { return storage_.files().size(); }

 private:
  sim::FakePlace& place() { return storage_.place(datastore_, "host1"); }

  sim::SimWorld world_;
  sim::FakeStorage storage_;
  model::Datastore datastore_;
  std::unique_ptr<sim::FakeVolumeDrivers> host_;
  std::unique_ptr<ports::VolumeDriver> driver_;
};

}  // namespace

std::unique_ptr<VolumeHarness> make_volume_harness() { return std::make_unique<FakeHarness>(); }

}  // namespace ruche::contract
