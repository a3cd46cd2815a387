#include "vnc.hpp"

#include <fmt/format.h>

#include <array>
#include <cstdio>

namespace ruche::cli {

namespace {

constexpr std::size_t kPiece = 64 << 10;

Async<void> to_guest(net::Stream& viewer, client::ScreenConnection& screen, Scope& scope) {
  std::array<char, kPiece> buffer{};
  while (true) {
    const auto got = co_await viewer.read_some(buffer);
    if (got == 0) break;
    co_await screen.write(std::string(buffer.data(), got));
  }
  scope.cancel(CancelReason::user);
}

Async<void> to_viewer(net::Stream& viewer, client::ScreenConnection& screen, Scope& scope) {
  while (true) {
    const auto data = co_await screen.read();
    if (data.empty()) break;
    co_await viewer.write_all(data);
  }
  scope.cancel(CancelReason::user);
}

// One viewer, from its connection to its end. What goes wrong with one is said and ends only it.
Async<void> serve_viewer(client::ApiClient& client, std::string vm,
                         std::unique_ptr<net::Stream> viewer) {
  std::optional<Error> failure;
  try {
    const auto screen = co_await client.open_screen(vm);
    Scope scope(co_await current_executor(), "viewer");
    scope.spawn("to-guest", to_guest(*viewer, *screen, scope));
    scope.spawn("to-viewer", to_viewer(*viewer, *screen, scope));
    co_await scope.join();
  } catch (const Error& error) {
    failure = error;
  }
  if (failure && failure->reason() != Reason::peer_gone) {
    fmt::print(stderr, "{}\n", failure->full_message());
  }
}

std::unique_ptr<net::Listener> listen(const VncCommand& command, Executor executor) {
  if (!command.unix_socket.empty()) {
    return net::listen_unix(executor, {.path = command.unix_socket, .mode = 0600});
  }
  return net::listen_tcp(executor, {.address = "127.0.0.1", .port = command.port});
}

// What a viewer is told: a path, or host::port, because host:number would count from 5900.
std::string viewer_address(const net::Listener& listener) {
  const auto address = listener.address();
  if (address.starts_with("unix:")) return address.substr(5);
  const auto colon = address.rfind(':');
  return "127.0.0.1::" + address.substr(colon + 1);
}

Async<void> require_screen(client::ApiClient& client, std::string vm) {
  const auto screen = co_await client.open_screen(std::move(vm));
}

}  // namespace

Async<int> run_vnc(client::ApiClient& client, VncCommand command) {
  // Said now rather than to the first viewer.
  co_await require_screen(client, command.vm);
  const auto executor = co_await current_executor();
  const auto listener = listen(command, executor);
  fmt::print("The screen of {} is at {}\n", command.vm, viewer_address(*listener));
  fmt::print("  vncviewer {}\n", viewer_address(*listener));
  std::fflush(stdout);
  Scope viewers(executor, "viewers");
  std::exception_ptr stopped;
  try {
    while (true) {
      auto viewer = co_await listener->accept();
      if (command.once) {
        co_await serve_viewer(client, command.vm, std::move(viewer));
        break;
      }
      viewers.spawn("viewer", serve_viewer(client, command.vm, std::move(viewer)));
    }
  } catch (const std::exception&) {
    stopped = std::current_exception();
  }
  viewers.cancel(CancelReason::shutdown);
  co_await uninterrupted(viewers.join());
  if (stopped) std::rethrow_exception(stopped);
  co_return 0;
}

}  // namespace ruche::cli
