// SpawnRequest → jail's command line (apps/jail/options.hpp has the other side).
#pragma once

#include <string>
#include <vector>

#include "ports/processes.hpp"

namespace ruche::drivers::linux {

struct JailCommand {
  std::string jail_path;
  int status_descriptor = 3;
  int parent_pid = 0;
  std::vector<std::string> cgroups;
};

std::vector<std::string> jail_arguments(const JailCommand& command,
                                        const ports::SpawnRequest& request);

}  // namespace ruche::drivers::linux
