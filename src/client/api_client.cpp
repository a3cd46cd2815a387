#include "client/api_client.hpp"

#include <fmt/format.h>

#include "methods/tables.hpp"
#include "net/problem.hpp"

namespace ruche::client {

namespace {

constexpr Duration kRetryPause{200};
constexpr Duration kTaskPatience{60'000};
constexpr std::string_view kTaskWait = "1s";

const methods::Method& method_named(std::string_view id) {
  const auto* method = methods::find(id);
  if (method == nullptr) broken_invariant(fmt::format("no method {}", id));
  return *method;
}

// Worth another try: the daemon went away, or is not back yet.
bool is_connection_failure(const Error& error) {
  return error.reason() == Reason::peer_gone || error.reason() == Reason::host_unavailable ||
         error.reason() == Reason::store_unavailable;
}

std::string text_of(const TypeInfo& type, const void* value) {
  switch (type.shape) {
    case Shape::boolean:
      return type.get_integer(value) != 0 ? "true" : "false";
    case Shape::integer:
      return std::to_string(type.get_integer(value));
    case Shape::enumeration:
      return std::string(enum_name(type, type.get_integer(value)));
    case Shape::text:
      return type.get_text(value);
    default:
      broken_invariant("a query field of a shape that has no text");
  }
}

class WebSocketConsole : public Console {
 public:
  explicit WebSocketConsole(std::unique_ptr<net::ClientWebSocket> connection)
      : connection_(std::move(connection)) {}

  Async<std::optional<ConsoleMessage>> read() override {
    auto message = co_await connection_->socket().receive();
    if (!message) co_return std::nullopt;
    if (message->binary) co_return ConsoleMessage{std::move(message->data), 0};
    co_return ConsoleMessage{{}, gap_in(message->data)};
  }
  Async<void> write(std::string data) override { co_await connection_->socket().send_binary(data); }
  Async<void> resize(unsigned columns, unsigned rows) override {
    const auto text = fmt::format(R"({{"resize":{{"columns":{},"rows":{}}}}})", columns, rows);
    co_await connection_->socket().send_text(text);
  }

 private:
  struct Notice {
    std::uint64_t gap_bytes = 0;
    friend constexpr auto describe(Type<Notice>) {
      return structure<Notice>("Notice", "A control message of the server.",
                               field<&Notice::gap_bytes>("gap_bytes", "Lost output."));
    }
  };
  static std::size_t gap_in(const std::string& text) {
    const auto notice =
        json::try_decode<Notice>(text, {.unknown_fields = json::UnknownFields::ignore});
    return notice ? notice->gap_bytes : 0;
  }

  std::unique_ptr<net::ClientWebSocket> connection_;
};

class WebSocketScreen : public ScreenConnection {
 public:
  explicit WebSocketScreen(std::unique_ptr<net::ClientWebSocket> connection)
      : connection_(std::move(connection)) {}

  Async<std::string> read() override {
    while (true) {
      auto message = co_await connection_->socket().receive();
      if (!message) co_return std::string();
      if (message->binary && !message->data.empty()) co_return std::move(message->data);
    }
  }
  Async<void> write(std::string data) override { co_await connection_->socket().send_binary(data); }

 private:
  std::unique_ptr<net::ClientWebSocket> connection_;
};

}  // namespace

Arguments arguments_of(const methods::Method& method, const void* request) {
  Arguments arguments;
  if (method.request == nullptr) return arguments;
  const TypeInfo& type = method.request();
  const auto path = method.path_parameters();
  for (const auto& field : type.fields) {
    const void* value = field.get(const_cast<void*>(request));  // only read
    const TypeInfo* held = &field.type();
    if (held->shape == Shape::optional) {
      value = held->held(value);
      held = &held->element();
    }
    if (value == nullptr) continue;
    if (std::find(path.begin(), path.end(), field.name) != path.end()) {
      arguments.path.emplace_back(field.name, text_of(*held, value));
    } else if (!method.has_body()) {
      auto text = text_of(*held, value);
      if (!text.empty()) arguments.query.emplace_back(field.name, std::move(text));
    }
  }
  if (method.has_body()) json::encode_to(arguments.body, type, request, {.reveal_secrets = true});
  return arguments;
}

std::string target_of(const methods::Method& method, const Arguments& arguments) {
  std::string path(method.path);
  for (const auto name : method.path_parameters()) {
    const auto given = std::find_if(arguments.path.begin(), arguments.path.end(),
                                    [&](const auto& parameter) { return parameter.first == name; });
    if (given == arguments.path.end() || given->second.empty()) {
      throw Error(Reason::missing_field, fmt::format("{} is not given", name))
          .at(fmt::format("/{}", name));
    }
    const auto hole = fmt::format("{{{}}}", name);
    path.replace(path.find(hole), hole.size(), net::percent_encode(given->second));
  }
  return net::make_target(path, arguments.query);
}

struct ApiClient::State {
  Clock& clock;
  Random& random;
  Options options;
  net::HttpClient http;
};

namespace {

net::HttpClientOptions http_options(const ApiClientOptions& options) {
  net::HttpClientOptions http;
  http.authority = options.authority;
  const auto& token = options.token.reveal();
  if (!token.empty()) http.fields.set("Authorization", "Bearer " + token);
  return http;
}

}  // namespace

ApiClient::ApiClient(Clock& clock, Random& random, net::Connector connector, Options options)
    : state_(new State{
          clock, random, options, {clock, random, std::move(connector), http_options(options)}}) {}
ApiClient::~ApiClient() = default;

Clock& ApiClient::clock() { return state_->clock; }

Async<net::HttpResponse> ApiClient::send(net::HttpRequest request, Duration patience) {
  Duration deadline = state_->options.deadline + patience;
  // The server holds the answer back for as long as it was asked to.
  if (const auto at = request.target.find("wait="); at != request.target.npos) {
    const auto value = request.target.substr(at + 5, request.target.find('&', at) - at - 5);
    if (const auto wait = parse_duration(value)) deadline += *wait;
  }
  net::HttpResponse response = co_await state_->http.request(std::move(request), deadline);
  if (response.status >= 400) throw net::error_of(response);
  co_return response;
}

Async<net::HttpResponse> ApiClient::call(const methods::Method& method, Arguments arguments) {
  net::HttpRequest request;
  request.method = methods::to_string(method.verb);
  request.target = target_of(method, arguments);
  request.body = arguments.body;
  if (!request.body.empty()) {
    const char* json = method.patch ? "application/merge-patch+json" : "application/json";
    request.headers.set("Content-Type", method.raw_body ? "application/octet-stream" : json);
  }
  if (method.answer == methods::Answer::task) {
    // Makes it safe to ask again when nobody knows whether the first request arrived.
    if (arguments.idempotency_key.empty()) {
      arguments.idempotency_key = to_text(make_uuid7(state_->clock.wall(), state_->random));
    }
    request.headers.set("Idempotency-Key", arguments.idempotency_key);
  }
  if (!arguments.if_match.empty()) request.headers.set("If-Match", '"' + arguments.if_match + '"');
  const Instant give_up = state_->clock.now() + state_->options.patience;
  // A command in a guest must not run twice.
  const bool repeatable =
      method.verb == methods::Verb::get || method.answer == methods::Answer::task;
  bool was_sent = false;
  while (true) {
    try {
      co_return co_await send(request, arguments.patience);
    } catch (const net::RequestFailed& failure) {
      was_sent = was_sent || failure.request_was_sent();
      // A daemon that was never there is said at once.
      if (!was_sent || !is_connection_failure(failure) || state_->clock.now() > give_up) throw;
      if (!repeatable) throw;
    }
    co_await sleep_for(state_->clock, kRetryPause);
  }
}

Async<model::TaskView> ApiClient::wait_for_task(std::string task, TaskWatch watch) {
  const auto& show = method_named("task.show");
  Instant give_up = state_->clock.now() + kTaskPatience;
  bool first = true;
  while (true) {
    std::optional<Error> failure;
    try {
      Arguments arguments;
      arguments.path = {{"task", task}};
      // The first look comes quickly, so that a progress bar appears only for what takes time.
      const auto wait = std::to_string(watch.interval.count()) + "ms";
      arguments.query = {{"wait", watch.progress || first ? wait : std::string(kTaskWait)}};
      first = false;
      const auto view = co_await call_as<model::TaskView>(show, std::move(arguments));
      if (!model::is_open(view.state)) co_return view;
      if (watch.progress) watch.progress(view);
      give_up = state_->clock.now() + kTaskPatience;
    } catch (const Error& error) {
      if (!is_connection_failure(error) || state_->clock.now() > give_up) throw;
      failure = error;
    }
    if (!failure) continue;
    if (watch.reconnecting) watch.reconnecting();
    co_await sleep_for(state_->clock, kRetryPause);
  }
}

Async<void> ApiClient::follow_events(Follow follow) {
  const auto& method = method_named("event.follow");
  std::string last_id;
  bool connected_once = false;
  while (true) {
    std::optional<Error> failure;
    try {
      net::HttpRequest request;
      Arguments arguments;
      arguments.query = follow.query;
      request.target = target_of(method, arguments);
      request.headers.set("Accept", "text/event-stream");
      if (!last_id.empty()) request.headers.set("Last-Event-ID", last_id);
      const auto stream = co_await state_->http.open(std::move(request), state_->options.deadline);
      if (stream->status() >= 400) {
        net::HttpResponse response{stream->status(), stream->headers(), {}};
        while (auto piece = co_await stream->next()) response.body += *piece;
        throw net::error_of(response);
      }
      connected_once = true;
      net::SseReader reader(*stream);
      while (true) {
        const auto event = co_await reader.next();
        if (!event) break;
        if (!event->id.empty()) last_id = event->id;
        follow.see(*event);
      }
    } catch (const Error& error) {
      if (!connected_once || !is_connection_failure(error)) throw;
      failure = error;
    }
    if (follow.reconnecting) follow.reconnecting();
    co_await sleep_for(state_->clock, kRetryPause);
  }
}

Async<std::unique_ptr<net::ClientWebSocket>> ApiClient::open_socket(std::string_view method,
                                                                    Arguments arguments) {
  net::HttpRequest request;
  request.target = target_of(method_named(method), arguments);
  co_return co_await state_->http.websocket(std::move(request), {}, state_->options.deadline);
}

Async<std::unique_ptr<Console>> ApiClient::open_console(std::string vm, std::uint32_t port) {
  Arguments arguments;
  arguments.path = {{"vm", std::move(vm)}};
  // The console is the port of whoever names none, also with a daemon that knows no other.
  if (port > 0) arguments.query = {{"port", std::to_string(port)}};
  auto connection = co_await open_socket("vm.console", std::move(arguments));
  co_return std::make_unique<WebSocketConsole>(std::move(connection));
}

Async<std::unique_ptr<ScreenConnection>> ApiClient::open_screen(std::string vm) {
  Arguments arguments;
  arguments.path = {{"vm", std::move(vm)}};
  auto connection = co_await open_socket("vm.vnc", std::move(arguments));
  co_return std::make_unique<WebSocketScreen>(std::move(connection));
}

}  // namespace ruche::client
