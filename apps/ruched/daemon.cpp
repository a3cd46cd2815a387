#include "ruched/daemon.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>

#include "api/authenticator.hpp"
#include "api/server.hpp"
#include "base/json.hpp"
#include "ruched/leaks.hpp"

namespace ruche::apps {

namespace {

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

void print_first_line(const std::string& socket) {
  const FirstLine line{socket, "", "", ::getpid()};
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

Async<void> serve_api(const DaemonOptions& options, core::HostControl::Ports& ports,
                      core::HostControl& control) {
  co_await control.started();
  api::PeerAuthenticator authenticator({::getuid(), ""});
  api::ApiServer api({ports.store, control.inventory(), control.guests(), control.images(),
                      control.datastores(), control.tasks(), control.settings(), control.live(),
                      control.progress(), ports.history, ports.log, ports.clock, authenticator,
                      control.self(), RUCHE_VERSION});
  net::HttpServer server(ports.executor, ports.clock, ports.random, ports.log, api, {});
  make_socket_directory(options.socket);
  server.add_listener(net::listen_unix(ports.executor, {options.socket}));
  Scope scope(ports.executor, "api");
  scope.spawn("events", api.run());
  scope.spawn("http", server.run());
  print_first_line(options.socket);
  co_await scope.join();
}

}  // namespace

Async<void> serve(const DaemonOptions& options, core::HostControl::Ports ports,
                  core::HostControl::Identity identity, std::string leaks_path) {
  core::HostControl control(ports, std::move(identity));
  LeakList leaks(leaks_path, control.live(), control.agent(), ports.clock, ports.log);
  Scope scope(ports.executor, "ruched");
  scope.spawn("control", control.run());
  scope.spawn("api", serve_api(options, ports, control));
  if (!leaks_path.empty()) scope.spawn("leaks", leaks.run());
  co_await scope.join();
}

}  // namespace ruche::apps
