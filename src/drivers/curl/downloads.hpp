// Downloads by the small program `fetch`, which holds libcurl: whatever a hostile server makes of
// it happens to a process without rights.
#pragma once

#include <memory>
#include <string>

#include "base/clock.hpp"
#include "base/impatient_lane.hpp"
#include "ports/downloads.hpp"
#include "ports/processes.hpp"

namespace ruche::drivers::curl {

struct CurlOptions {
  std::string program;  // absolute path of `fetch`
  // Nobody else may run as this user. 0: the daemon's own (when it is not root).
  std::uint32_t user = 0;
  std::uint32_t group = 0;
  Duration standstill{30'000};   // a server that sends next to nothing for so long is given up
  Duration first_pause{1'000};   // before another attempt; then doubled
  Duration longest_pause{30'000};
  int attempts = 10;             // in a row that bring nothing new
  int first_attempts = 3;        // of a server that never gave anything
};

class CurlDownloads : public ports::Downloads {
 public:
  // All must outlive it.
  CurlDownloads(Clock& clock, ports::Processes& processes, CurlOptions options);
  Async<void> fetch(ports::DownloadRequest request, ports::ProgressSink progress) override;

 private:
  Clock& clock_;
  ports::Processes& processes_;
  CurlOptions options_;
  ImpatientLane lane_;
};

}  // namespace ruche::drivers::curl
