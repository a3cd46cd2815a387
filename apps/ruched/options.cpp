#include "ruched/options.hpp"

#include <CLI/CLI.hpp>
#include <climits>
#include <filesystem>
#include <map>

#include "ruched/https.hpp"

namespace ruche::apps {

namespace {

// Beside this program in a build, in ../lib/ruche where a package put it.
std::string beside_this_program(const char* name) {
  std::error_code ignored;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", ignored);
  const auto packaged = self.parent_path().parent_path() / "lib/ruche" / name;
  if (std::filesystem::exists(packaged, ignored)) return packaged.string();
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
  std::string listen = ":9443";
  app.add_option("--listen", listen,
                 "Address and port for HTTPS; without an address, every one; none: only the socket")
      ->type_name("ADDRESS:PORT")
      ->capture_default_str()
      ->check([](const std::string& given) {
        const auto parsed = parse_listen(given);
        return parsed ? std::string() : parsed.error();
      });
  app.add_option("--host-name", options.host_name, "Name of this host; the machine's by default");
  app.add_option("--log-file", options.log_file, "Write the log there instead of standard error");
  const std::map<std::string, LogLevel> levels{{"debug", LogLevel::debug},
                                               {"info", LogLevel::info},
                                               {"warning", LogLevel::warning},
                                               {"error", LogLevel::error}};
  app.add_option("--log-level", options.log_level, "debug, info, warning or error")
      ->transform(CLI::CheckedTransformer(levels, CLI::ignore_case));
  const std::map<std::string, bool> networks{{"bridge", true}, {"none", false}};
  app.add_option("--networks", options.networks,
                 "bridge, or none: leave the host's network alone, guests have QEMU's own")
      ->transform(CLI::CheckedTransformer(networks, CLI::ignore_case));
  app.add_option("--jail", options.jail, "Path of the program that confines guests");
  app.add_option("--pump", options.pump, "Path of the program that carries console output");
  app.add_option("--fetch", options.fetch, "Path of the program that downloads images");
  app.add_option("--guest-cgroup", options.guest_cgroup,
                 "Control group (v2) that was delegated for the guests; used when it is there");
  app.add_option("--shut-down-guests", options.shut_down_seconds,
                 "Serve nothing: shut this instance's guests down, for at most so many seconds, "
                 "and end")
      ->type_name("SECONDS")
      ->check(CLI::Range(1, 3600));
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
  options.listen = *parse_listen(listen);
  options.listen_given = app.count("--listen") > 0;
  if (options.jail.empty()) options.jail = beside_this_program("jail");
  if (options.pump.empty()) options.pump = beside_this_program("pump");
  if (options.fetch.empty()) options.fetch = beside_this_program("fetch");
  options.data_dir = std::filesystem::absolute(options.data_dir).lexically_normal().string();
  options.socket = std::filesystem::absolute(options.socket).lexically_normal().string();
  return options;
}

}  // namespace ruche::apps
