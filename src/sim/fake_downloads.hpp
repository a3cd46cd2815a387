// Downloads of the simulation: what is on the servers of the world is in the FakeStorage, and what
// is fetched goes into its incoming files, piece by piece.
#pragma once

#include "ports/downloads.hpp"
#include "sim/fake_volumes.hpp"

namespace ruche::sim {

class FakeDownloads : public ports::Downloads {
 public:
  // Both outlive it. Effects are those of the handle.
  FakeDownloads(FakeVolumeDrivers& handle, Clock& clock) : handle_(handle), clock_(clock) {}
  Async<void> fetch(ports::DownloadRequest request, ports::ProgressSink progress) override;

 private:
  Async<bool> attempt(const ports::DownloadRequest& request, const ports::ProgressSink& progress);

  FakeVolumeDrivers& handle_;
  Clock& clock_;
};

}  // namespace ruche::sim
