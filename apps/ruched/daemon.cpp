#include "ruched/daemon.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <filesystem>

#include "api/authenticator.hpp"
#include "api/server.hpp"
#include "base/json.hpp"
#include "core/guests/host_shutdown.hpp"
#include "ruched/https.hpp"
#include "ruched/leaks.hpp"
#include "ruched/notify.hpp"

namespace ruche::apps {

namespace {

constexpr Duration kNetworksPatience{10'000};

struct FirstLine {
  std::string socket;
  std::string url;
  std::string fingerprint;
  std::int32_t pid = 0;
};
constexpr auto describe(Type<FirstLine>) {
  return structure<FirstLine>(
      "FirstLine", "How to reach this daemon.",
      field<&FirstLine::socket>("socket", "Path of the API's socket."),
      field<&FirstLine::url>("url", "URL of the API, when it listens on one."),
      field<&FirstLine::fingerprint>("fingerprint", "Of its certificate."),
      field<&FirstLine::pid>("pid", "Process id."));
}

void print_first_line(const std::string& socket, const HttpsFront* https) {
  FirstLine line{socket, "", "", ::getpid()};
  if (https != nullptr) {
    line.url = https->url();
    line.fingerprint = https->fingerprint();
  }
  std::fputs((json::encode(line) + "\n").c_str(), stdout);
  std::fflush(stdout);
}

void make_socket_directory(const std::string& socket) {
  std::error_code failed;
  std::filesystem::create_directories(std::filesystem::path(socket).parent_path(), failed);
  if (failed) {
    throw Error(Reason::io_failed,
                fmt::format("the directory of {} cannot be made: {}", socket, failed.message()))
        .remedy("choose another --socket");
  }
}

// How the machine calls itself on the network.
std::string network_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0 || name[0] == '\0') return "localhost";
  return name.data();
}

// A second instance on a machine, for a trial, does without the port that nobody asked for.
std::unique_ptr<HttpsFront> open_https(const DaemonOptions& options,
                                       const core::HostControl::Ports& ports,
                                       const std::string& file) {
  if (!options.listen) return nullptr;
  try {
    return std::make_unique<HttpsFront>(ports.executor, ports.clock, ports.log,
                                        HttpsOptions{*options.listen, network_name(), file});
  } catch (const Error& error) {
    if (options.listen_given || error.reason() != Reason::already_listening) throw;
    ports.log.warning("apps", "HTTPS is off: another program has the port; see --listen",
                      {{"why", error.message()}});
  }
  return nullptr;
}

Async<void> serve_api(const DaemonOptions& options, core::HostControl::Ports& ports,
                      core::HostControl& control, HttpsFront* https) {
  co_await control.started();
  api::PeerAuthenticator peers({::getuid(), ""});
  api::BearerAuthenticator authenticator(control.identity(), peers);
  api::ApiServer api(
      {ports.store,         control.inventory(), control.guests(),   control.hardware(),
       control.snapshots(), control.images(),    control.uploads(),  control.datastores(),
       control.networks(),  control.tasks(),     control.settings(), control.pools(),
       control.identity(),  control.audit(),     control.hosts(),    control.live(),
       control.progress(),  ports.history,       ports.log,          ports.clock,
       authenticator,       control.self(),      RUCHE_VERSION,      https});
  net::HttpServer server(ports.executor, ports.clock, ports.random, ports.log, api, {});
  // A server of its own: whatever happens on the network, the socket has its connections left.
  net::HttpServer remote(ports.executor, ports.clock, ports.random, ports.log, api,
                         https_server_options());
  make_socket_directory(options.socket);
  server.add_listener(net::listen_unix(ports.executor, {options.socket}));
  Scope scope(ports.executor, "api");
  scope.spawn("events", api.run());
  scope.spawn("http", server.run());
  if (https != nullptr) {
    remote.add_listener(https->take_listener());
    scope.spawn("https", remote.run());
  }
  print_first_line(options.socket, https);
  notify_ready();
  co_await scope.join();
}

// What systemd runs when the machine goes down: the daemon may be gone by then, or never have run.
Async<void> shut_down(const DaemonOptions& options, core::HostControl::Ports& ports,
                      core::HostControl& control, Scope& everything) {
  co_await control.started();
  core::HostShutdown shutdown(
      {control.guests(), control.inventory(), ports.clock, ports.log, control.self()});
  co_await shutdown.run(std::chrono::seconds(options.shut_down_seconds));
  try {
    co_await with_deadline(ports.clock, kNetworksPatience, "taking the networks away",
                           control.host_networks().remove_unwanted());
  } catch (const Error& error) {
    ports.log.warning("ruched", "networks stay behind", {{"why", error.full_message()}});
  }
  everything.cancel(CancelReason::shutdown);
}

}  // namespace

Async<void> serve(const DaemonOptions& options, core::HostControl::Ports ports,
                  core::HostControl::Identity identity, DaemonFiles files) {
  const bool serves = options.shut_down_seconds == 0;
  const auto https = serves ? open_https(options, ports, files.certificate) : nullptr;
  core::HostControl control(ports, std::move(identity));
  LeakList leaks(files.leaks, control.live(), control.agent(), control.inventory(), ports.clock,
                 ports.log);
  Scope scope(ports.executor, "ruched");
  scope.spawn("control", control.run());
  if (serves) {
    scope.spawn("api", serve_api(options, ports, control, https.get()));
  } else {
    scope.spawn("shutdown", shut_down(options, ports, control, scope));
  }
  if (!files.leaks.empty()) scope.spawn("leaks", leaks.run());
  co_await scope.join();
}

}  // namespace ruche::apps
