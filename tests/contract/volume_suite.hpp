// The contract of ports::VolumeDriver as tests. Each driver links the suites with its own
// make_volume_harness(), so every driver runs exactly the same tests.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "base/async.hpp"
#include "base/ids.hpp"
#include "base/random.hpp"
#include "ports/volumes.hpp"

namespace ruche::contract {

// One place for a datastore, not prepared yet, and the loop it lives on.
class VolumeHarness {
 public:
  virtual ~VolumeHarness() = default;
  virtual ports::VolumeDriver& driver() = 0;
  virtual void run(Async<void> work) = 0;
  // The daemon ends and opens the datastore anew.
  virtual void restart() = 0;
  // Another datastore's driver on the same place.
  virtual std::unique_ptr<ports::VolumeDriver> other_datastore() = 0;
  virtual void put_foreign_file() = 0;
  virtual void unmount() = 0;
  virtual void mount() = 0;
  // No room is left, until drain().
  virtual void fill() = 0;
  virtual void drain() = 0;
  // As after kill -9 in the middle of a create.
  virtual void leave_partial(const ports::VolumeRef& volume) = 0;
  // The volume is opened as QEMU does.
  virtual void hold(const ports::VolumeRef& volume) = 0;
  virtual void let_go(const ports::VolumeRef& volume) = 0;
  // Paths of files to import: a disk of 64 MiB, or one that our header parser refuses.
  virtual std::string qcow2_source() = 0;
  virtual std::string raw_source() = 0;
  virtual std::string refused_source() = 0;
  virtual std::string kernel_source() = 0;  // one MiB
  // How many files there are below owners' directories, whatever they are.
  virtual std::size_t files() = 0;
};
std::unique_ptr<VolumeHarness> make_volume_harness();  // each test program defines it

class VolumeContract : public testing::Test {
 protected:
  void SetUp() override {
    harness_ = make_volume_harness();
    random_ = seeded_random(1);
    owner_ = uuid();
  }

  ports::VolumeDriver& driver() { return harness_->driver(); }
  void run(Async<void> work) { harness_->run(std::move(work)); }
  template <class T>
  T get(Async<T> work) {
    std::optional<T> result;
    harness_->run(keep(result, std::move(work)));
    return std::move(*result);
  }
  // The reason with which the work fails; "" when it does not.
  std::string failure(Async<void> work) {
    try {
      run(std::move(work));
    } catch (const Error& error) {
      message_ = error.full_message();
      return std::string(error.reason_name());
    }
    return "";
  }

  Uuid uuid() { return make_uuid7({1'800'000'000'000}, *random_); }
  ports::VolumeRef disk(model::DiskFormat format = model::DiskFormat::qcow2) {
    return {model::ObjectKind::guest, owner_, {uuid()}, model::LayerContent::disk, format};
  }
  ports::VolumeState find(const ports::VolumeRef& volume) { return get(driver().find(volume)); }
  std::string create(const ports::VolumeRef& volume, Bytes size,
                     std::optional<ports::VolumeRef> parent = {}) {
    ports::CreateVolume request{volume, size, parent};
    return failure(driver().create(std::move(request)));
  }
  std::string remove(const ports::VolumeRef& volume) { return failure(driver().remove(volume)); }
  std::string import(const ports::VolumeRef& volume, const std::string& path,
                     std::optional<model::ImageFormat> declared = {}) {
    return failure(import_into(volume, path, declared));
  }
  Async<void> import_into(ports::VolumeRef volume, std::string path,
                          std::optional<model::ImageFormat> declared) {
    ports::ImportSource source{.path = path, .declared_format = declared, .size_limit = gib(1)};
    auto progress = [this](Bytes done, Bytes total) { progress_.emplace_back(done, total); };
    imported_ = co_await driver().import(volume, std::move(source), progress);
  }
  template <class T>
  static Async<void> keep(std::optional<T>& slot, Async<T> work) {
    slot.emplace(co_await std::move(work));
  }

  std::unique_ptr<VolumeHarness> harness_;
  std::unique_ptr<Random> random_;
  Uuid owner_;
  std::string message_;
  ports::ImportResult imported_;
  std::vector<std::pair<Bytes, Bytes>> progress_;
};

}  // namespace ruche::contract
