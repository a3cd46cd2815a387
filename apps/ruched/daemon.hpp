// The daemon, whatever its ports are: control logic, API, socket.
#pragma once

#include <string>

#include "core/control/host_control.hpp"
#include "net/http_server.hpp"
#include "ruched/options.hpp"

namespace ruche::apps {

// Files in the data directory; empty: none.
struct DaemonFiles {
  std::string leaks;
  std::string certificate;
};

// Serves until cancelled. Prints the first line (JSON) on standard output when the API answers.
Async<void> serve(const DaemonOptions& options, core::HostControl::Ports ports,
                  core::HostControl::Identity identity, DaemonFiles files);

}  // namespace ruche::apps
