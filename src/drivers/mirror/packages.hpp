// Debian packages from the machine's own mirror, fetched with the machine's apt configuration into
// directories of ours. Nothing of the machine is changed; the tools run as an unprivileged user.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ports/processes.hpp"

namespace ruche::drivers::mirror {

struct Package {
  std::string name;
  std::string version;
  std::string architecture;
  std::vector<std::string> depends;  // names, the first of every alternative
  std::string file_name() const;     // as apt-get download names it
};
// The first paragraph that `apt-cache show` printed; names that could mislead a command line or a
// path are no packages.
std::optional<Package> parse_package_record(std::string_view text);

// Where a package's file is: the line that `apt-get download --print-uris` printed.
struct Download {
  std::string uri;
  std::string hash;  // SHA256:… or SHA512:…
};
std::optional<Download> parse_download(std::string_view text);

// What tools may know of the daemon's environment: how to reach the mirror.
std::vector<std::string> tool_environment();

struct PackageTools {
  ports::Processes& processes;
  std::uint32_t user = 0;  // 0: the daemon's own
  std::uint32_t group = 0;
};

class Packages {
 public:
  // `directory` exists, belongs to the tools' user and is theirs alone; `scratch` is the daemon's.
  Packages(PackageTools tools, std::string directory, std::string scratch);

  // The version that apt would install.
  Async<Package> candidate(std::string name);
  // Makes the package's file be there, in the directory.
  Async<void> fetch(Package package);
  bool is_fetched(const Package& package) const;
  // The machine's own lists are absent, or older than the mirror: fetches lists for us alone.
  Async<void> use_own_lists();
  bool has_own_lists() const { return own_lists_; }
  // Unpacks files below `folder` (a name in the directory), which is made.
  Async<void> unpack(Package package, std::string folder);
  // Runs a tool in the directory; throws process_failed with its last words.
  Async<std::string> run(std::vector<std::string> argv);
  const std::string& directory() const { return directory_; }

 private:
  Async<ports::HelperResult> attempt(std::vector<std::string> argv);
  Async<std::optional<Package>> look_up(std::string name);
  std::vector<std::string> apt(std::string tool) const;

  PackageTools tools_;
  std::string directory_;
  std::string scratch_;
  bool own_lists_ = false;
};

}  // namespace ruche::drivers::mirror
