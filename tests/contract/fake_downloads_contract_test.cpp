#include "contract/download_suite.hpp"
#include "sim/fake_downloads.hpp"
#include "sim/sim_world.hpp"

namespace ruche::contract {
namespace {

class FakeHarness : public DownloadHarness {
 public:
  FakeHarness()
      : world_(1),
        volumes_(storage_, world_.clock(), "host"),
        downloads_(volumes_, world_.clock()) {
    datastore_.path = "/srv";
    datastore_.id = {make_uuid7({1'800'000'000'000}, world_.random())};
    driver_ = volumes_.open(datastore_);
    world_.run(prepare());
  }
  ports::Downloads& downloads() override { return downloads_; }
  void run(Async<void> work) override { world_.run(std::move(work)); }
  void serve(std::string content, int breaks) override {
    storage_.add_remote(url(), {std::move(content), 8, breaks});
  }
  void serve_nothing() override {}
  std::string url() override { return "http://server/file"; }
  std::string path() override { return path_; }
  std::string content() override { return *storage_.incoming_at(path_); }

 private:
  Async<void> prepare() {
    co_await driver_->prepare();
    const auto place = co_await driver_->incoming().open(datastore_.id.value);
    path_ = place.path;
  }

  sim::SimWorld world_;
  sim::FakeStorage storage_;
  sim::FakeVolumeDrivers volumes_;
  sim::FakeDownloads downloads_;
  model::Datastore datastore_;
  std::unique_ptr<ports::VolumeDriver> driver_;
  std::string path_;
};

}  // namespace

std::unique_ptr<DownloadHarness> make_download_harness() { return std::make_unique<FakeHarness>(); }

}  // namespace ruche::contract
