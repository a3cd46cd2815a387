// What jail was asked to do. The command line is trusted no more than any other input: an option
// that is unknown, repeated where it may not be, or malformed ends the start.
#pragma once

#include <sys/resource.h>

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace ruche::jail {

struct Limit {
  int resource = 0;  // RLIMIT_*
  rlim_t value = 0;
};

struct Options {
  int status_fd = -1;                 // where a failure is written; closed by a successful exec
  std::vector<std::string> cgroups;   // directories to join
  std::vector<std::string> late_cgroups;  // the same, but while the program starts
  std::vector<Limit> limits;
  std::uint32_t user = 0;             // 0: stay
  std::uint32_t group = 0;
  bool landlock = false;
  std::uint32_t first_id = 0;  // not 0: root of namespaces of its own, with these ids of the host
  std::uint32_t id_count = 0;
  std::vector<std::string> read_paths;
  std::vector<std::string> write_paths;
  std::vector<std::string> execute_paths;
  std::vector<int> keep;  // descriptors that survive, besides 0, 1 and 2
  std::string stdout_path = "/dev/null";
  std::string stderr_path = "/dev/null";
  std::string directory = "/";
  int parent = 0;  // when not 0: die with this parent
  std::vector<std::string> argv;
};

// `arguments` is without the program's own name. The error is a sentence.
std::expected<Options, std::string> parse(const std::vector<std::string_view>& arguments);

}  // namespace ruche::jail
