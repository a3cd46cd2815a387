#include "api/server.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

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
    add_vm_device_handlers(registry, context);
    add_snapshot_handlers(registry, context);
    add_image_handlers(registry, context);
    add_upload_handlers(registry, context);
    add_datastore_handlers(registry, context);
    add_network_handlers(registry, context);
    add_pool_handlers(registry, context);
    add_task_handlers(registry, context);
    add_host_handlers(registry, context);
    add_certificate_handlers(registry, context);
    add_setting_handlers(registry, context);
    add_event_handlers(registry, context);
    add_console_handlers(registry, context);
    add_identity_handlers(registry, context);
    add_audit_handlers(registry, context);
    add_guest_agent_handlers(registry, context);
    add_screen_handlers(registry, context);
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
                   net::Headers headers = {});
  Async<Identity> identify(const net::HttpRequest& request, const methods::Method* method);
  Async<Identity> known(const net::HttpRequest& request);
  Async<void> tell(const Call& call);
  void check_permission(const Identity& identity, const methods::Method& method,
                        const net::HttpRequest& request, const std::string& id);
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

Async<Identity> nobody() { co_return Identity{.via = model::AuditVia::nobody}; }

Async<void> run_to_end(const Handler& handler, Call& call, Scope& scope) {
  co_await handler(call);
  scope.cancel(CancelReason::user);
}

Async<void> watch_identity(Parts& parts, const Identity& identity, Scope& scope) {
  constexpr Duration kInterval{2000};
  while (parts.authenticator.is_valid(identity)) co_await sleep_for(parts.clock, kInterval);
  scope.cancel(CancelReason::user);
}

// An answer that goes on ends with the session or the token that it was given to.
Async<void> run_while_valid(Parts& parts, const Handler& handler, Call& call) {
  Scope scope(co_await current_executor(), "answer");
  scope.spawn("handler", run_to_end(handler, call, scope));
  scope.spawn("identity", watch_identity(parts, call.identity(), scope));
  co_await scope.join();
}

// What tells a client when to come back (RFC 9110 section 10.2.3).
net::Headers retry_after(Duration wait) {
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(wait).count();
  return {{"Retry-After", std::to_string(seconds)}};
}

}  // namespace

// The client's own id is kept, so that its logs and ours can be joined.
std::string ApiServer::State::request_id(const net::HttpRequest& request) {
  const auto given = request.headers.get(kRequestId);
  if (given && is_sane_id(*given)) return std::string(*given);
  return fmt::format("{}-{}", boot, ++requests);
}

Async<void> ApiServer::State::fail(net::HttpExchange& exchange, const std::string& id,
                                   const Error& error, net::Headers headers) {
  auto response = net::problem_response(error);
  response.headers.set(kRequestId, id);
  for (const auto& [name, value] : headers) response.headers.set(name, value);
  if (response.status == 401) response.headers.set("WWW-Authenticate", R"(Bearer realm="ruche")");
  if (response.status >= 500) {
    parts.log.write(error.code() == ErrorCode::internal ? LogLevel::error : LogLevel::warning,
                    "api", error.full_message(),
                    {{"request", id},
                     {"method", exchange.request().method},
                     {"path", exchange.request().path}});
  }
  return exchange.respond(std::move(response));
}

Async<Identity> ApiServer::State::identify(const net::HttpRequest& request,
                                           const methods::Method* method) {
  if (method != nullptr && method->anonymous) return nobody();
  return known(request);
}

Async<Identity> ApiServer::State::known(const net::HttpRequest& request) {
  try {
    co_return co_await parts.authenticator.authenticate(request);
  } catch (const Error&) {
    // Somebody without any token is not worth a record; somebody with a wrong one is.
    if (request.headers.has("Authorization")) {
      model::AuditRecord record;
      record.origin.via = model::AuditVia::nobody;
      record.origin.role = methods::Role::viewer;
      record.origin.address = source_of(request.peer);
      record.method = "session.use";
      record.reason = "no such session or token, or not any more";
      parts.audit.refused(std::move(record));
    }
    throw;
  }
}

void ApiServer::State::check_permission(const Identity& identity, const methods::Method& method,
                                        const net::HttpRequest& request, const std::string& id) {
  if (method.anonymous || identity.role >= method.role) return;
  auto message =
      fmt::format("{} needs the role {}, {} is {}", method.id, methods::to_string(method.role),
                  identity.user, methods::to_string(identity.role));
  model::AuditRecord record;
  record.user = identity.user;
  record.origin.via = identity.via;
  record.origin.role = identity.role;
  record.origin.address = source_of(request.peer);
  record.origin.request_id = id;
  record.method = method.id;
  record.reason = message;
  parts.audit.refused(std::move(record));
  throw Error(Reason::not_permitted, std::move(message));
}

Async<void> ApiServer::State::tell(const Call& call) {
  model::AuditRecord record;
  record.user = call.identity().user;
  record.origin = call.origin();
  record.method = call.method().id;
  record.outcome = model::AuditOutcome::accepted;
  if (call.method().path.starts_with("/v1/vms/{vm}")) {
    const auto guest = parts.inventory.find_guest(call.parameter("vm"));
    if (!guest) co_return;  // the handler says so
    const auto& spec = guest->spec->value;
    record.object = model::ObjectRef{model::ObjectKind::guest, spec.id.value, spec.name};
  }
  co_await parts.audit.tell(std::move(record));
}

Async<void> ApiServer::State::answer(net::HttpExchange& exchange, const std::string& id) {
  const auto& request = exchange.request();
  auto match = router.match(request.method, request.path, wanted_by(exchange));
  // Before anything else is said, also about paths that do not exist.
  auto identity = co_await identify(request, match.method);
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
    net::Headers headers{{"Allow", match.allow}};
    co_await fail(exchange, id, error, std::move(headers));
    co_return;
  }
  check_permission(identity, *match.method, request, id);
  if (!parts.inventory.is_ready()) {
    throw Error(Reason::store_unavailable, "the state is still being read")
        .remedy("try again in a moment");
  }
  Call call(*match.method, std::move(match.parameters), exchange, std::move(identity), id);
  if (parts.inventory.is_stale()) call.mark_stale();
  if (match.method->verb != methods::Verb::get) parts.audit.check_room(match.method->urgent);
  if (!match.method->raw_body) co_await call.read_body();
  if (match.method->recorded_first && !call.common().dry_run) co_await tell(call);
  const auto& handler = registry.at(match.method->id);
  const bool goes_on = match.method->answer == methods::Answer::event_stream ||
                       match.method->answer == methods::Answer::websocket;
  if (goes_on && call.identity().user_id) {
    co_await run_while_valid(parts, handler, call);
  } else {
    co_await handler(call);
  }
}

ApiServer::ApiServer(Parts parts) : state_(std::make_unique<State>(std::move(parts))) {}
ApiServer::~ApiServer() = default;

Async<void> ApiServer::run() { return state_->events.run(); }

Async<void> ApiServer::handle(net::HttpExchange& exchange) {
  const std::string id = state_->request_id(exchange.request());
  std::optional<Error> failure;
  net::Headers headers;
  try {
    co_await state_->answer(exchange, id);
  } catch (const core::LockedOut& locked) {
    if (exchange.responded()) throw;
    failure = locked;
    headers = retry_after(locked.retry_after);
  } catch (const Error& error) {
    // Once an answer has begun, only the connection can say that it failed.
    if (exchange.responded()) throw;
    failure = error;
    constexpr Duration kFewSeconds{5000};
    if (error.reason() == Reason::too_many_logins) headers = retry_after(kFewSeconds);
  }
  if (failure) co_await state_->fail(exchange, id, *failure, std::move(headers));
}

}  // namespace ruche::api
