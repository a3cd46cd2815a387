// /v1/events: past events as a list, coming ones as server-sent events or over a WebSocket.
#include "api/call.hpp"
#include "api/events.hpp"
#include "methods/tables.hpp"
#include "net/sse.hpp"

namespace ruche::api {

namespace {

constexpr Duration kHeartbeat{15'000};

Async<void> list(Call& call, Context& context) {
  const auto request = call.decode<methods::ListEvents>();
  EventFilter filter{request.kind, request.object};
  const auto page = co_await context.events.past(std::move(filter), request.after,
                                                 static_cast<std::size_t>(request.limit));
  std::string out = R"({"items":[)";
  for (const auto& event : page.events) {
    if (out.back() == '}') out += ',';
    out += event->json;
  }
  out += R"(],"next":)" + json::quote(page.next) + '}';
  co_await call.respond(net::json_response(200, std::move(out)));
}

Async<void> send_stream(Call& call, EventHub::Reader reader) {
  net::Headers headers = call.stream_headers();
  headers.set("Content-Type", "text/event-stream");
  const auto stream = co_await call.exchange().start_stream(200, std::move(headers));
  co_await stream->write(net::format_comment("connected"));
  while (true) {
    const auto event = co_await reader.next(kHeartbeat);
    if (!event) {
      co_await stream->write(net::format_comment());
      continue;
    }
    co_await stream->write(net::format_event(
        {.id = event->id, .event = std::string(enum_name(event->type)), .data = event->json}));
  }
}

// Ends when the peer closes; what it says is ignored.
Async<void> receive_until_closed(net::WebSocket& socket, Scope& scope) {
  while (true) {
    const auto message = co_await socket.receive();
    if (!message) break;
  }
  scope.cancel(CancelReason::user);
}

Async<void> send_events(net::WebSocket& socket, EventHub::Reader reader) {
  while (true) {
    const auto event = co_await reader.next(kHeartbeat);
    if (event) co_await socket.send_text(event->json);
  }
}

Async<void> send_websocket(Call& call, EventHub::Reader reader) {
  net::WebSocket* socket = co_await call.exchange().accept_websocket({}, call.stream_headers());
  Scope scope(co_await current_executor(), "events");
  scope.spawn("receive", receive_until_closed(*socket, scope));
  scope.spawn("send", send_events(*socket, std::move(reader)));
  co_await scope.join();
}

Async<void> follow(Call& call, Context& context) {
  const auto request = call.decode<methods::FollowEvents>();
  std::string after = request.after;
  if (const auto last = call.exchange().request().headers.get("Last-Event-ID")) after = *last;
  EventFilter filter{request.kind, request.object};
  auto reader = context.events.read(std::move(filter), after);
  if (call.exchange().is_websocket_request()) {
    co_await send_websocket(call, std::move(reader));
  } else {
    co_await send_stream(call, std::move(reader));
  }
}

}  // namespace

void add_event_handlers(Registry& registry, Context& context) {
  registry.add("event.list", [&context](Call& call) { return list(call, context); });
  registry.add("event.follow", [&context](Call& call) { return follow(call, context); });
}

}  // namespace ruche::api
