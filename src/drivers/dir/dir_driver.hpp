// Datastores of kind `dir`: files in a directory.
#pragma once

#include <memory>
#include <string>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "ports/processes.hpp"
#include "ports/volumes.hpp"

namespace ruche::drivers::dir {

struct DirOptions {
  std::string qemu_img = "/usr/bin/qemu-img";
  // Nobody else may run as this user: qemu-img works for foreign images under it. 0: the daemon's
  // own (when it is not root).
  std::uint32_t helper_user = 0;
  std::uint32_t helper_group = 0;
  Bytes reserve = gib(1);  // always left free on a datastore
  Duration patience{20'000};  // a datastore that does not answer for so long is unavailable
};

// Each datastore has its own thread: one that hangs holds up nothing else.
class DirDrivers : public ports::VolumeDrivers {
 public:
  // All must outlive the drivers that are opened.
  DirDrivers(Clock& clock, Log& log, ports::Processes& processes, DirOptions options);
  std::unique_ptr<ports::VolumeDriver> open(const model::Datastore& datastore) override;

 private:
  Clock& clock_;
  Log& log_;
  ports::Processes& processes_;
  DirOptions options_;
};

}  // namespace ruche::drivers::dir
