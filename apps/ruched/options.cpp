#include "ruched/options.hpp"

#include <CLI/CLI.hpp>
#include <climits>
#include <filesystem>
#include <map>

namespace ruche::apps {

namespace {

std::string beside_this_program(const char* name) {
  std::error_code ignored;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", ignored);
  return (self.parent_path() / name).string();
}

}  // namespace

std::optional<DaemonOptions> parse_options(int argc, char** argv, bool simulated, int& status) {
  DaemonOptions options;
  CLI::App app{"The Ruche daemon: runs this host's guests and serves the API.",
               simulated ? "ruched-sim" : "ruched"};
  app.set_version_flag("--version", RUCHE_VERSION);
  app.add_option("--data-dir", options.data_dir, "State, runtime records and the local datastore")
      ->capture_default_str();
  app.add_option("--socket", options.socket, "Path of the API's unix socket")
      ->capture_default_str();
  app.add_option("--host-name", options.host_name, "Name of this host; the machine's by default");
  app.add_option("--log-file", options.log_file, "Write the log there instead of standard error");
  const std::map<std::string, LogLevel> levels{{"debug", LogLevel::debug},
                                               {"info", LogLevel::info},
                                               {"warning", LogLevel::warning},
                                               {"error", LogLevel::error}};
  app.add_option("--log-level", options.log_level, "debug, info, warning or error")
      ->transform(CLI::CheckedTransformer(levels, CLI::ignore_case));
  app.add_option("--jail", options.jail, "Path of the program that confines guests");
  app.add_option("--pump", options.pump, "Path of the program that carries console output");
  if (simulated) {
    app.add_option("--guests", options.simulated_guests, "Simulated guests to begin with");
  }
  app.footer(
      "The first line printed is JSON: {\"socket\", \"url\", \"fingerprint\", \"pid\"}.\n"
      "Example: ruched --data-dir /tmp/trial --socket /tmp/trial.sock");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    status = app.exit(error) == 0 ? 0 : 2;
    return std::nullopt;
  }
  if (options.jail.empty()) options.jail = beside_this_program("jail");
  if (options.pump.empty()) options.pump = beside_this_program("pump");
  options.data_dir = std::filesystem::absolute(options.data_dir).lexically_normal().string();
  options.socket = std::filesystem::absolute(options.socket).lexically_normal().string();
  return options;
}

}  // namespace ruche::apps
