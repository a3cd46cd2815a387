#include "api/server.hpp"

#include <fmt/format.h>

#include "api/call.hpp"
#include "api/events.hpp"
#include "api/openapi.hpp"
#include "net/problem.hpp"

namespace ruche::api {

struct ApiServer::State {
  explicit State(Parts given)
      : parts(std::move(given)),
        boot(fmt::format("{:x}", parts.clock.wall().unix_ms)),
        router(methods::all()),
        openapi(openapi_document(methods::all(), parts.version)),
        snapshots(parts.clock, boot),
        events(parts),
        context{parts, snapshots, events, openapi} {
    add_vm_handlers(registry, context);
    add_image_handlers(registry, context);
    add_datastore_handlers(registry, context);
    add_task_handlers(registry, context);
    add_host_handlers(registry, context);
    add_setting_handlers(registry, context);
    add_event_handlers(registry, context);
    add_console_handlers(registry, context);
    add_meta_handlers(registry, context);
    registry.check();
  }

  Parts parts;
  std::string boot;
  Router router;
  std::string openapi;
  Snapshots snapshots;
  EventHub events;
  Context context;
  Registry registry;
  std::uint64_t requests = 0;

  std::string request_id(const net::HttpRequest& request);
  Async<void> answer(net::HttpExchange& exchange, const std::string& id);
  Async<void> fail(net::HttpExchange& exchange, const std::string& id, const Error& error,
                   const std::string& allow = {});
};

namespace {

constexpr std::string_view kRequestId = "Request-Id";

Wanted wanted_by(const net::HttpExchange& exchange) {
  if (exchange.is_websocket_request()) return Wanted::websocket;
  const auto accept = exchange.request().headers.get("Accept");
  if (accept && accept->find("text/event-stream") != accept->npos) return Wanted::event_stream;
  return Wanted::document;
}

bool is_sane_id(std::string_view id) {
  return !id.empty() && id.size() <= 64 && std::all_of(id.begin(), id.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '_' || c == '.';
  });
}

Error no_route(const net::HttpRequest& request) {
  return Error(Reason::no_such_route, fmt::format("there is nothing at {}", request.path))
      .remedy("GET /v1/openapi.json lists every path");
}

}  // namespace

// The client's own id is kept, so that its logs and ours can be joined.
std::string ApiServer::State::request_id(const net::HttpRequest& request) {
  const auto given = request.headers.get(kRequestId);
  if (given && is_sane_id(*given)) return std::string(*given);
  return fmt::format("{}-{}", boot, ++requests);
}

Async<void> ApiServer::State::fail(net::HttpExchange& exchange, const std::string& id,
                                   const Error& error, const std::string& allow) {
  auto response = net::problem_response(error);
  response.headers.set(kRequestId, id);
  if (!allow.empty()) response.headers.set("Allow", allow);
  if (response.status >= 500) {
    parts.log.write(error.code() == ErrorCode::internal ? LogLevel::error : LogLevel::warning,
                    "api", error.full_message(),
                    {{"request", id},
                     {"method", exchange.request().method},
                     {"path", exchange.request().path}});
  }
  return exchange.respond(std::move(response));
}

Async<void> ApiServer::State::answer(net::HttpExchange& exchange, const std::string& id) {
  const auto& request = exchange.request();
  auto identity = co_await parts.authenticator.authenticate(request);
  auto match = router.match(request.method, request.path, wanted_by(exchange));
  if (match.allow.empty()) throw no_route(request);
  if (request.method == "OPTIONS") {
    net::HttpResponse response{.status = 204};
    response.headers.set("Allow", match.allow);
    response.headers.set(kRequestId, id);
    co_await exchange.respond(std::move(response));
    co_return;
  }
  if (match.method == nullptr) {
    const Error error = Error(Reason::method_not_allowed,
                              fmt::format("{} takes no {}", request.path, request.method))
                            .remedy("it takes " + match.allow);
    co_await fail(exchange, id, error, match.allow);
    co_return;
  }
  if (identity.role < match.method->role) {
    throw Error(Reason::not_permitted,
                fmt::format("{} needs the role {}, {} is {}", match.method->id,
                            methods::to_string(match.method->role), identity.user,
                            methods::to_string(identity.role)));
  }
  if (!parts.inventory.is_ready()) {
    throw Error(Reason::store_unavailable, "the state is still being read")
        .remedy("try again in a moment");
  }
  Call call(*match.method, std::move(match.parameters), exchange, std::move(identity), id);
  if (parts.inventory.is_stale()) call.mark_stale();
  co_await call.read_body();
  co_await registry.at(match.method->id)(call);
}

ApiServer::ApiServer(Parts parts) : state_(std::make_unique<State>(std::move(parts))) {}
ApiServer::~ApiServer() = default;

Async<void> ApiServer::run() { return state_->events.run(); }

Async<void> ApiServer::handle(net::HttpExchange& exchange) {
  const std::string id = state_->request_id(exchange.request());
  std::optional<Error> failure;
  try {
    co_await state_->answer(exchange, id);
  } catch (const Error& error) {
    // Once an answer has begun, only the connection can say that it failed.
    if (exchange.responded()) throw;
    failure = error;
  }
  if (failure) co_await state_->fail(exchange, id, *failure);
}

}  // namespace ruche::api
