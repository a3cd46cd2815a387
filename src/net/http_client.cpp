#include "net/http_client.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <deque>

#include "net/http_parser.hpp"
#include "net/http_writer.hpp"
#include "net/problem.hpp"

namespace ruche::net {
namespace {

// A connection and what was read from it but not used yet.
struct Connection {
  std::unique_ptr<Stream> stream;
  std::string input;
  Instant idle_since;
  bool reused = false;
};

bool is_idempotent(std::string_view method) {
  return method == "GET" || method == "HEAD" || method == "PUT" || method == "DELETE" ||
         method == "OPTIONS";
}

std::string request_text(const HttpRequest& request, const HttpClientOptions& options) {
  const auto plain = [](char c) { return c > 0x20 && c < 0x7f; };
  if (!std::ranges::all_of(request.method, plain) || !std::ranges::all_of(request.target, plain)) {
    throw Error(Reason::internal_error, "the request's method or target is not encoded");
  }
  std::string head = fmt::format("{} {} HTTP/1.1\r\n", request.method, request.target);
  if (!request.headers.has("Host")) append_field(head, "Host", options.authority);
  append_fields(head, request.headers);
  for (const auto& [name, value] : options.fields) {
    if (!request.headers.has(name)) append_field(head, name, value);
  }
  const bool has_body = !request.body.empty() || request.method == "POST" ||
                        request.method == "PUT" || request.method == "PATCH";
  if (has_body) append_field(head, "Content-Length", std::to_string(request.body.size()));
  return head;
}

// Gives the parser more; throws Error(peer_gone) when the message is cut.
Async<void> feed(Connection& connection, HttpParser& parser) {
  std::size_t used = connection.input.empty() ? 0 : parser.put(connection.input);
  if (used == 0 && !parser.done()) {
    std::array<char, 16384> piece;
    const std::size_t count = co_await connection.stream->read_some(piece);
    if (count == 0) {
      parser.put_end();
      co_return;
    }
    connection.input.append(piece.data(), count);
    used = parser.put(connection.input);
  }
  connection.input.erase(0, used);
}

// The head of the final answer; interim ones (1xx, except a switch of protocols) are skipped.
Async<std::unique_ptr<HttpParser>> read_head(Connection& connection, std::string_view method,
                                             std::size_t max_header) {
  while (true) {
    auto parser = std::make_unique<HttpParser>(HttpParser::Kind::response, max_header);
    if (method == "HEAD") parser->expect_no_body();
    while (!parser->head_done()) co_await feed(connection, *parser);
    const bool interim = parser->status() < 200 && parser->status() != 101;
    if (!interim) co_return parser;
  }
}

Async<std::string> read_whole_body(Connection& connection, HttpParser& parser, std::size_t limit) {
  std::string body;
  const auto collect = [&] {
    body += parser.take_body();
    if (body.size() > limit) {
      throw Error(Reason::body_too_large, fmt::format("the answer exceeds {} bytes", limit));
    }
  };
  collect();
  while (!parser.done()) {
    co_await feed(connection, parser);
    collect();
  }
  co_return body;
}

// The text a server sent that is no HTTP is its fault, not that of our request.
Error as_answer_error(const Error& error) {
  if (error.reason() != Reason::bad_request && error.reason() != Reason::header_too_large) {
    return error;
  }
  return Error(Reason::protocol_violation, "the server's answer makes no sense").caused_by(error);
}

}  // namespace

struct HttpClient::State : std::enable_shared_from_this<State> {
  State(Clock& own_clock, Random& own_random, Connector own_connector, Options own_options)
      : clock(own_clock),
        random(own_random),
        connector(std::move(own_connector)),
        options(std::move(own_options)) {}

  Clock& clock;
  Random& random;
  Connector connector;
  Options options;
  std::deque<Connection> idle;  // the most recently used last

  // What came of a wish for a WebSocket: one of the two.
  struct Upgraded {
    std::unique_ptr<ClientWebSocket> socket;
    std::optional<Error> refusal;
  };

  Async<Connection> connect();
  Async<Connection> take();
  void give_back(Connection connection, const HttpParser& parser);
  Async<void> exchange(const HttpRequest& request, HttpResponse& response, bool& sent);
  Async<bool> try_once(const HttpRequest& request, HttpResponse& response, bool& sent, bool fresh);
  Async<void> open(const HttpRequest& request, std::unique_ptr<HttpStream>& stream, bool& sent);
  Async<void> upgrade(const HttpRequest& request, WebSocketOptions socket_options,
                      Upgraded& upgraded, bool& sent);
  Async<void> limited(const HttpRequest& request, Duration deadline, const bool& sent,
                      Async<void> work);
};

HttpClient::HttpClient(Clock& clock, Random& random, Connector connector, Options options)
    : state_(std::make_shared<State>(clock, random, std::move(connector), std::move(options))) {}
HttpClient::~HttpClient() = default;

void HttpClient::close_idle() { state_->idle.clear(); }

// --- connections ----------------------------------------------------------------------------

Async<Connection> HttpClient::State::connect() {
  Connection connection;
  connection.stream =
      co_await with_deadline(clock, options.connect_timeout, "connecting", connector());
  co_return connection;
}

Async<Connection> HttpClient::State::take() {
  while (!idle.empty()) {
    Connection connection = std::move(idle.back());
    idle.pop_back();
    const bool young = clock.now() - connection.idle_since < options.idle_timeout;
    if (young && connection.stream->idle()) {
      connection.reused = true;
      co_return connection;
    }
  }
  co_return co_await connect();
}

void HttpClient::State::give_back(Connection connection, const HttpParser& parser) {
  if (!parser.done() || !parser.keep_alive() || !connection.input.empty()) return;
  connection.idle_since = clock.now();
  idle.push_back(std::move(connection));
  if (idle.size() > options.max_idle) idle.pop_front();
}

// --- requests -------------------------------------------------------------------------------

// Runs `work` within the deadline and says in its failure whether the request had gone out.
Async<void> HttpClient::State::limited(const HttpRequest& request, Duration deadline,
                                       const bool& sent, Async<void> work) {
  const std::string what = fmt::format("{} {}", request.method, request.target);
  try {
    co_await with_deadline(clock, deadline, what, std::move(work));
  } catch (const RequestFailed&) {
    throw;
  } catch (const Error& error) {
    if (!sent && error.reason() == Reason::deadline) {
      throw RequestFailed(Error(Reason::host_unavailable, "cannot connect").caused_by(error),
                          false);
    }
    throw RequestFailed(as_answer_error(error), sent);
  }
}

Async<HttpResponse> HttpClient::request(HttpRequest request, Duration deadline) {
  const auto state = state_;
  HttpResponse response;
  bool sent = false;
  co_await state->limited(request, deadline, sent, state->exchange(request, response, sent));
  co_return response;
}

Async<void> HttpClient::State::exchange(const HttpRequest& request, HttpResponse& response,
                                        bool& sent) {
  const bool answered = co_await try_once(request, response, sent, false);
  if (!answered) co_await try_once(request, response, sent, true);
}

// False when a reused connection had been closed by the server and the request may be repeated.
Async<bool> HttpClient::State::try_once(const HttpRequest& request, HttpResponse& response,
                                        bool& sent, bool fresh) {
  Connection connection = fresh ? co_await connect() : co_await take();
  std::string head = request_text(request, options);
  head += "\r\n";
  sent = true;
  std::optional<Error> broken;
  try {
    co_await connection.stream->write_all(head, request.body);
  } catch (const Error& error) {
    broken = error;  // a server may answer, and close, before it has read everything
  }
  std::unique_ptr<HttpParser> parser;
  try {
    parser = co_await read_head(connection, request.method, options.max_header);
  } catch (const Error& error) {
    if (!broken) broken = error;
  }
  if (!parser) {
    const bool closed_before = connection.reused && connection.input.empty();
    if (closed_before && broken->reason() == Reason::peer_gone && is_idempotent(request.method)) {
      co_return false;
    }
    throw Error(*broken);
  }
  response.status = parser->status();
  response.headers = std::move(parser->headers());
  response.body = co_await read_whole_body(connection, *parser, options.max_body);
  if (!broken) give_back(std::move(connection), *parser);
  co_return true;
}

// --- streams --------------------------------------------------------------------------------

namespace {

class ClientStream : public HttpStream {
 public:
  ClientStream(Connection connection, std::unique_ptr<HttpParser> parser)
      : connection_(std::move(connection)), parser_(std::move(parser)) {}

  int status() const override { return parser_->status(); }
  const Headers& headers() const override { return parser_->headers(); }

  Async<std::optional<std::string>> next() override {
    try {
      while (parser_->body_waiting() == 0) {
        if (parser_->done()) co_return std::nullopt;
        co_await feed(connection_, *parser_);
      }
    } catch (const Error& error) {
      throw RequestFailed(as_answer_error(error), true);
    }
    co_return parser_->take_body();
  }
  void close() override { connection_.stream->close(); }

 private:
  Connection connection_;
  std::unique_ptr<HttpParser> parser_;
};

// What the server sent behind its 101 answer comes first.
class PrefixedStream : public Stream {
 public:
  PrefixedStream(std::string prefix, std::unique_ptr<Stream> stream)
      : prefix_(std::move(prefix)), stream_(std::move(stream)) {}

  Async<std::size_t> read_some(std::span<char> into) override {
    if (prefix_.empty()) return stream_->read_some(into);
    return take_prefix(into);
  }
  Async<void> write_all(std::string_view bytes) override { return stream_->write_all(bytes); }
  Async<void> write_all(std::string_view first, std::string_view second) override {
    return stream_->write_all(first, second);
  }
  Async<void> write_with_descriptors(std::string_view bytes,
                                     std::span<const int> descriptors) override {
    return stream_->write_with_descriptors(bytes, descriptors);
  }
  void shutdown_write() override { stream_->shutdown_write(); }
  void close() override { stream_->close(); }
  Async<void> wait_hang_up() override { return stream_->wait_hang_up(); }
  bool idle() const override { return prefix_.empty() && stream_->idle(); }
  const Peer& peer() const override { return stream_->peer(); }

 private:
  Async<std::size_t> take_prefix(std::span<char> into) {
    const std::size_t count = prefix_.copy(into.data(), into.size());
    prefix_.erase(0, count);
    co_return count;
  }

  std::string prefix_;
  std::unique_ptr<Stream> stream_;
};

class UpgradedSocket : public ClientWebSocket {
 public:
  UpgradedSocket(Connection connection, Headers headers, Clock& clock, Random& random,
                 WebSocketOptions options)
      : stream_(std::move(connection.input), std::move(connection.stream)),
        headers_(std::move(headers)),
        socket_(stream_, clock, random, WebSocketRole::client, options) {}

  WebSocket& socket() override { return socket_; }
  const Headers& headers() const override { return headers_; }

 private:
  PrefixedStream stream_;
  Headers headers_;
  WebSocket socket_;
};

}  // namespace

Async<std::unique_ptr<HttpStream>> HttpClient::open(HttpRequest request, Duration deadline) {
  const auto state = state_;
  std::unique_ptr<HttpStream> stream;
  bool sent = false;
  co_await state->limited(request, deadline, sent, state->open(request, stream, sent));
  co_return stream;
}

Async<void> HttpClient::State::open(const HttpRequest& request, std::unique_ptr<HttpStream>& stream,
                                    bool& sent) {
  Connection connection = co_await connect();
  std::string head = request_text(request, options);
  head += "Connection: close\r\n\r\n";
  sent = true;
  co_await connection.stream->write_all(head, request.body);
  auto parser = co_await read_head(connection, request.method, options.max_header);
  stream = std::make_unique<ClientStream>(std::move(connection), std::move(parser));
}

Async<std::unique_ptr<ClientWebSocket>> HttpClient::websocket(HttpRequest request,
                                                              WebSocketOptions options,
                                                              Duration deadline) {
  const auto state = state_;
  State::Upgraded upgraded;
  bool sent = false;
  co_await state->limited(request, deadline, sent,
                          state->upgrade(request, options, upgraded, sent));
  if (upgraded.refusal) throw Error(*upgraded.refusal);
  co_return std::move(upgraded.socket);
}

Async<void> HttpClient::State::upgrade(const HttpRequest& request, WebSocketOptions socket_options,
                                       Upgraded& upgraded, bool& sent) {
  Connection connection = co_await connect();
  const std::string key = websocket_key(random);
  std::string head = request_text(request, options);
  append_field(head, "Sec-WebSocket-Key", key);
  head += "Sec-WebSocket-Version: 13\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
  sent = true;
  co_await connection.stream->write_all(head);
  const auto parser = co_await read_head(connection, request.method, options.max_header);
  if (parser->status() != 101) {
    HttpResponse refusal{parser->status(), std::move(parser->headers()), {}};
    constexpr std::size_t kMostRefusal = 1 << 20;
    refusal.body = co_await read_whole_body(connection, *parser, kMostRefusal);
    if (refusal.status < 400) {
      throw Error(Reason::protocol_violation,
                  fmt::format("the server answered {} to a WebSocket request", refusal.status));
    }
    upgraded.refusal = error_of(refusal);
    co_return;
  }
  if (parser->headers().get("Sec-WebSocket-Accept") != websocket_accept(key)) {
    throw Error(Reason::protocol_violation, "the server's WebSocket handshake is wrong");
  }
  upgraded.socket = std::make_unique<UpgradedSocket>(
      std::move(connection), std::move(parser->headers()), clock, random, socket_options);
}

// --- lines ----------------------------------------------------------------------------------

HttpLines::HttpLines(HttpStream& stream, std::size_t max_line_bytes)
    : stream_(stream), lines_(max_line_bytes) {}

Async<std::optional<std::string>> HttpLines::next() {
  while (true) {
    auto line = lines_.take();
    if (line) co_return line;
    const auto piece = co_await stream_.next();
    if (!piece) {
      if (lines_.empty()) co_return std::nullopt;
      co_return lines_.take_rest();
    }
    lines_.put(*piece);
  }
}

}  // namespace ruche::net
