// /v1/vms/{vm}/vnc: the screen over a WebSocket whose binary frames are RFB (RFC 6143) in both
// directions. /v1/vms/{vm}/screenshot: a picture of it.
#include <fmt/format.h>

#include "api/live.hpp"
#include "methods/tables.hpp"

namespace ruche::api {

namespace {

ports::Screens& screens_of(ports::Machine& machine, const model::Guest& guest) {
  if (auto* screens = machine.screens()) return *screens;
  throw Error(Reason::host_cannot, fmt::format("{} has no screen", guest.name))
      .remedy("a screen is given at creation: ruche vm create NAME --display vga");
}

// What the viewer does not take is not read from the guest's server, which then waits; the guest
// never does.
Async<void> to_viewer(net::WebSocket& socket, ports::ScreenSession& session) {
  while (true) {
    const auto data = co_await session.read();
    if (data.empty()) break;
    co_await socket.send_binary(data);
  }
  co_await socket.close(net::close_code::going_away, "the guest has ended");
}

Async<void> from_viewer(net::WebSocket& socket, ports::ScreenSession& session, Scope& scope) {
  while (true) {
    auto message = co_await socket.receive();
    if (!message) break;
    if (!message->binary) {
      co_await socket.close(net::close_code::policy, "the screen takes binary frames only");
      break;
    }
    co_await session.write(std::move(message->data));
  }
  scope.cancel(CancelReason::user);
}

Async<void> vnc(Call& call, Context& context) {
  const auto request = call.decode<model::VmRef>();
  const auto record = find_vm(context, request.vm);
  const auto machine = live_machine(context, *record, "screen");
  auto& screens = screens_of(*machine, record->spec->value);
  if (!call.exchange().is_websocket_request()) {
    throw Error(Reason::bad_request, "the screen is a WebSocket")
        .remedy("ask with an upgrade to websocket, or use `ruche vm vnc`");
  }
  const auto session = co_await screens.open();
  net::WebSocket* socket = co_await call.exchange().accept_websocket({}, call.stream_headers());
  Scope scope(co_await current_executor(), "screen");
  scope.spawn("to-viewer", to_viewer(*socket, *session));
  scope.spawn("from-viewer", from_viewer(*socket, *session, scope));
  co_await scope.join();
}

Async<void> screenshot(Call& call, Context& context) {
  const auto request = call.decode<model::VmRef>();
  const auto record = find_vm(context, request.vm);
  const auto machine = live_machine(context, *record, "screen");
  auto& screens = screens_of(*machine, record->spec->value);
  net::HttpResponse response;
  response.status = 200;
  response.headers.set("Content-Type", "image/png");
  response.headers.set("Cache-Control", "no-store");
  response.body = co_await screens.screenshot();
  co_await call.respond(std::move(response));
}

}  // namespace

void add_screen_handlers(Registry& registry, Context& context) {
  registry.add("vm.vnc", [&context](Call& call) { return vnc(call, context); });
  registry.add("vm.screenshot", [&context](Call& call) { return screenshot(call, context); });
}

}  // namespace ruche::api
