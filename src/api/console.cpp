// /v1/vms/{vm}/console: a serial line over a WebSocket. Binary frames are its bytes, text frames
// are control messages.
#include <fmt/format.h>

#include "api/live.hpp"
#include "methods/tables.hpp"

namespace ruche::api {

namespace {

struct ConsoleSize {
  std::uint16_t columns = 0;
  std::uint16_t rows = 0;
};
constexpr auto describe(Type<ConsoleSize>) {
  return structure<ConsoleSize>("ConsoleSize", "The size of the client's terminal.",
                                field<&ConsoleSize::columns>("columns", "Columns."),
                                field<&ConsoleSize::rows>("rows", "Rows."));
}
struct ConsoleControl {
  std::optional<ConsoleSize> resize;
};
constexpr auto describe(Type<ConsoleControl>) {
  return structure<ConsoleControl>(
      "ConsoleControl", "What a client says beside its input.",
      field<&ConsoleControl::resize>("resize", "A serial line has no size: accepted and ignored."));
}

Async<void> to_client(net::WebSocket& socket, ports::ConsoleSession& session) {
  while (true) {
    const auto output = co_await session.read();
    if (!output) break;
    if (output->dropped > 0) {
      co_await socket.send_text(fmt::format(R"({{"gap_bytes":{}}})", output->dropped));
    }
    if (!output->data.empty()) co_await socket.send_binary(output->data);
  }
  // The receiving side ends with it: the peer answers the close.
  co_await socket.close(net::close_code::going_away, "the guest has ended");
}

Async<void> from_client(net::WebSocket& socket, ports::ConsoleSession& session, Scope& scope) {
  while (true) {
    auto message = co_await socket.receive();
    if (!message) break;
    if (message->binary) {
      co_await session.write(std::move(message->data));
      continue;
    }
    const auto control = json::try_decode<ConsoleControl>(
        message->data, {.unknown_fields = json::UnknownFields::ignore});
    if (!control) {
      co_await socket.close(net::close_code::policy, "a text frame is a control message in JSON");
      break;
    }
  }
  scope.cancel(CancelReason::user);
}

Async<void> console(Call& call, Context& context) {
  const auto request = call.decode<model::ConsoleVm>();
  const auto record = find_vm(context, request.vm);
  const auto& guest = record->spec->value;
  const auto machine = live_machine(context, *record, "console");
  ports::Consoles* consoles = machine->consoles();
  if (consoles == nullptr) {
    throw Error(Reason::host_cannot, fmt::format("{} has no serial line", guest.name))
        .remedy("create it with `serial`");
  }
  if (!call.exchange().is_websocket_request()) {
    throw Error(Reason::bad_request, "the console is a WebSocket")
        .remedy("ask with an upgrade to websocket, or use `ruche vm console`");
  }
  const auto session = co_await consoles->open(request.port);
  net::WebSocket* socket = co_await call.exchange().accept_websocket({}, call.stream_headers());
  Scope scope(co_await current_executor(), "console");
  scope.spawn("to-client", to_client(*socket, *session));
  scope.spawn("from-client", from_client(*socket, *session, scope));
  co_await scope.join();
}

}  // namespace

void add_console_handlers(Registry& registry, Context& context) {
  registry.add("vm.console", [&context](Call& call) { return console(call, context); });
}

}  // namespace ruche::api
