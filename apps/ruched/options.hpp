// The few settings that are needed before the store opens; everything else is a setting in it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/log.hpp"

namespace ruche::apps {

struct DaemonOptions {
  std::string data_dir = "/var/lib/ruche";
  std::string socket = "/run/ruche/ruche.sock";
  std::string host_name;  // empty: the machine's
  std::string log_file;   // empty: standard error
  LogLevel log_level = LogLevel::info;
  std::string jail;       // empty: `jail` beside this program
  std::string pump;       // empty: `pump` beside this program
  std::uint32_t simulated_guests = 0;  // ruched-sim only
};

// Parses the command line; nullopt when the answer (help, version, a complaint) was printed, with
// the exit status in `status`. `simulated`: the options of ruched-sim too.
std::optional<DaemonOptions> parse_options(int argc, char** argv, bool simulated, int& status);

}  // namespace ruche::apps
