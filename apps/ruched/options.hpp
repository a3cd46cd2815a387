// The few settings that are needed before the store opens; everything else is a setting in it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/log.hpp"
#include "net/stream.hpp"

namespace ruche::apps {

struct DaemonOptions {
  std::string data_dir = "/var/lib/ruche";
  std::string socket = "/run/ruche/ruche.sock";
  std::optional<net::TcpListenOptions> listen;  // for HTTPS; nullopt: not at all
  bool listen_given = false;  // then a port that is taken is a failure
  std::string host_name;  // empty: the machine's
  std::string log_file;   // empty: standard error
  LogLevel log_level = LogLevel::info;
  bool networks = true;   // false: guests have QEMU's own network only
  std::string jail;       // empty: `jail` beside this program
  std::string pump;       // empty: `pump` beside this program
  std::string fetch;      // empty: `fetch` beside this program
  std::string guest_cgroup;  // empty, or a cgroup v2 that was delegated for the guests
  std::uint32_t shut_down_seconds = 0;  // not 0: end the guests in order instead of serving
  std::uint32_t simulated_guests = 0;  // ruched-sim only
};

// Parses the command line; nullopt when the answer (help, version, a complaint) was printed, with
// the exit status in `status`. `simulated`: the options of ruched-sim too.
std::optional<DaemonOptions> parse_options(int argc, char** argv, bool simulated, int& status);

}  // namespace ruche::apps
