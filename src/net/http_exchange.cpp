#include "net/http_exchange.hpp"

#include <fmt/format.h>

#include "net/problem.hpp"

namespace ruche::net {
namespace {

constexpr std::uint64_t kWorthDropping = 64 << 10;  // an unread body up to this size

bool has_body(int status) { return status >= 200 && status != 204 && status != 304; }

}  // namespace

std::string response_head(HttpServerContext& context, int status, const Headers& headers) {
  std::string head = fmt::format("HTTP/1.1 {} {}\r\n", status, reason_phrase(status));
  append_field(head, "Server", context.options.server_name);
  append_field(head, "Date", context.date());
  append_fields(head, headers);
  for (const auto& [name, value] : context.options.fields) {
    if (!headers.has(name)) append_field(head, name, value);
  }
  return head;
}

// The body of an answer whose length is not known beforehand.
class HttpServerExchange::Body : public ResponseStream {
 public:
  Body(HttpServerExchange& exchange, bool chunked, bool silent)
      : exchange_(exchange), chunked_(chunked), silent_(silent) {}

  Async<void> write(std::string_view bytes) override {
    if (bytes.empty() || silent_) co_return;
    if (!chunked_) {
      co_await exchange_.connection_.send(bytes, {});
      co_return;
    }
    std::string piece = chunk_start(bytes.size());
    piece.append(bytes).append(kChunkEnd);
    co_await exchange_.connection_.send(piece, {});
  }

  Async<void> finish() override {
    if (exchange_.complete_) co_return;
    if (chunked_ && !silent_) co_await exchange_.connection_.send(kLastChunk, {});
    exchange_.complete_ = true;
    exchange_.connection_.set_endless(false);
  }

 private:
  HttpServerExchange& exchange_;
  bool chunked_;
  bool silent_;
};

HttpServerExchange::HttpServerExchange(HttpConnection& connection, HttpParser& parser)
    : connection_(connection), parser_(parser) {
  request_.method = parser.method();
  request_.target = parser.target();
  request_.headers = std::move(parser.headers());
  request_.peer = connection.peer();
  awaits_continue_ = parser.http_1_1() && request_.headers.has_token("Expect", "100-continue");
}

// What must hold before a handler sees the request.
void HttpServerExchange::prepare() {
  const std::size_t hosts = request_.headers.count("Host");
  if (hosts > 1 || (hosts == 0 && parser_.http_1_1())) {
    throw Error(Reason::bad_request, "the request needs exactly one Host field");
  }
  const auto coding = request_.headers.get("Transfer-Encoding");
  const bool chunked = request_.headers.has_token("Transfer-Encoding", "chunked");
  if (coding && (!chunked || coding->contains(','))) {
    body_failed_ = true;  // nobody knows where it ends, or what it means
    throw Error(Reason::bad_request, "the only transfer coding understood is chunked");
  }
  auto target = parse_target(request_.target);
  if (!target) throw std::move(target.error());
  request_.path = std::move(target->path);
  request_.query = std::move(target->query);
}

Async<bool> HttpServerExchange::run() {
  std::exception_ptr failure;
  try {
    prepare();
    co_await connection_.context().handler.handle(*this);
    if (!responded_) throw Error(Reason::internal_error, "nothing answered this request");
  } catch (const std::exception&) {
    failure = std::current_exception();
  }
  connection_.set_endless(false);
  if (is_cancellation(failure) && connection_.cancelled()) {
    if (websocket_ != nullptr) co_await uninterrupted(say_goodbye(close_code::going_away));
    std::rethrow_exception(failure);
  }
  if (failure) co_await answer_failure(failure);
  if (websocket_ != nullptr) {
    co_await say_goodbye(failure ? close_code::internal_error : close_code::normal);
    co_return false;
  }
  if (!complete_ || !keep_) co_return false;
  const bool clean = co_await drop_body();
  co_return clean;
}

Async<void> HttpServerExchange::say_goodbye(std::uint16_t code) {
  co_await websocket_->close(code);
}

Async<void> HttpServerExchange::answer_failure(std::exception_ptr failure) {
  auto& context = connection_.context();
  std::optional<Error> error;
  int status = body_late_ ? 408 : 0;
  try {
    std::rethrow_exception(failure);
  } catch (const Error& thrown) {
    error = thrown;
    if (status == 0) status = http_status_of(thrown.reason());
    if (context.options.on_error) context.options.on_error(&request_, status, thrown);
  } catch (const std::exception& thrown) {
    error = Error(Reason::internal_error, "an unexpected failure; the server's log says more");
    status = 500;
    context.log.error(
        "net", "a handler failed",
        {{"method", request_.method}, {"path", request_.path}, {"why", thrown.what()}});
    if (context.options.on_error) context.options.on_error(&request_, status, thrown);
  }
  if (responded_) co_return;
  HttpResponse response = problem_response(*error, status);
  co_await respond(std::move(response));
}

// --- the body of the request ----------------------------------------------------------------

Async<void> HttpServerExchange::say_continue() {
  if (!std::exchange(awaits_continue_, false)) co_return;
  if (!connection_.available().empty() || responded_) co_return;
  co_await connection_.send("HTTP/1.1 100 Continue\r\n\r\n", {});
}

Async<std::optional<std::string>> HttpServerExchange::read_body_piece() {
  const auto& options = connection_.context().options;
  const auto now = [&] { return connection_.context().clock.now(); };
  while (true) {
    if (parser_.body_waiting() > 0) {
      std::string piece = parser_.take_body();
      body_received_ += piece.size();
      co_return piece;
    }
    if (parser_.done()) {
      connection_.unlimit_reading();
      co_return std::nullopt;
    }
    body_failed_ = true;  // unless this step succeeds
    const std::size_t used = parser_.put(connection_.available());
    connection_.consume(used);
    if (used == 0 && !parser_.done()) {
      co_await say_continue();
      if (!body_started_) body_started_ = now();
      const auto earned = std::chrono::seconds(body_received_ / options.min_body_rate);
      connection_.limit_reading(*body_started_ + options.body_timeout + earned);
      const auto arrival = co_await connection_.more();
      if (arrival == HttpConnection::Arrival::late) {
        body_late_ = true;
        throw Error(Reason::deadline, "the request's body came too slowly");
      }
      if (arrival == HttpConnection::Arrival::end) {
        throw Error(Reason::peer_gone, "the request's body was cut off");
      }
    }
    body_failed_ = false;
  }
}

Async<std::string> HttpServerExchange::read_body(std::size_t limit) {
  if (limit == 0) limit = connection_.context().options.max_body;
  const auto refuse = [&] {
    body_failed_ = true;
    return Error(Reason::body_too_large, fmt::format("the body is longer than {} bytes", limit));
  };
  if (parser_.content_length().value_or(0) > limit) throw refuse();
  std::string body;
  while (true) {
    const auto piece = co_await read_body_piece();
    if (!piece) co_return body;
    if (piece->size() > limit - body.size()) throw refuse();
    body += *piece;
  }
}

// Makes way for the next request; false when the rest of this one is too long to wait for.
Async<bool> HttpServerExchange::drop_body() {
  while (!parser_.done()) {
    const auto piece = co_await read_body_piece();
    if (!piece) break;
  }
  co_return true;
}

// --- the answer -----------------------------------------------------------------------------

bool HttpServerExchange::can_keep() const {
  if (!parser_.keep_alive() || connection_.context().draining || body_failed_) return false;
  if (parser_.done()) return true;
  const auto length = parser_.content_length();
  return !awaits_continue_ && length && *length - body_received_ <= kWorthDropping;
}

void HttpServerExchange::begin_answer() {
  if (responded_) throw Error(Reason::internal_error, "a request was answered twice");
  responded_ = true;
  keep_ = can_keep();
}

void HttpServerExchange::append_connection(std::string& head) const {
  if (!keep_) {
    append_field(head, "Connection", "close");
  } else if (!parser_.http_1_1()) {
    append_field(head, "Connection", "keep-alive");
  }
  head += "\r\n";
}

Async<void> HttpServerExchange::respond(HttpResponse response) {
  std::string head = response_head(connection_.context(), response.status, response.headers);
  begin_answer();
  if (has_body(response.status)) {
    append_field(head, "Content-Length", std::to_string(response.body.size()));
  } else {
    response.body.clear();
  }
  append_connection(head);
  if (request_.method == "HEAD") response.body.clear();
  co_await connection_.send(head, response.body);
  complete_ = true;
}

Async<std::unique_ptr<ResponseStream>> HttpServerExchange::start_stream(int status,
                                                                        Headers headers) {
  std::string head = response_head(connection_.context(), status, headers);
  begin_answer();
  const bool chunked = parser_.http_1_1();
  if (chunked) {
    append_field(head, "Transfer-Encoding", "chunked");
  } else {
    keep_ = false;  // HTTP/1.0: the end of the connection ends the body
  }
  append_connection(head);
  co_await connection_.send(head, {});
  connection_.set_endless(true);
  co_return std::make_unique<Body>(*this, chunked, request_.method == "HEAD");
}

bool HttpServerExchange::is_websocket_request() const {
  return request_.headers.has_token("Upgrade", "websocket");
}

Async<WebSocket*> HttpServerExchange::accept_websocket(WebSocketOptions options, Headers headers) {
  const auto& fields = request_.headers;
  const auto key = fields.get("Sec-WebSocket-Key");
  const bool valid = request_.method == "GET" && parser_.http_1_1() && parser_.done() &&
                     is_websocket_request() && fields.has_token("Connection", "upgrade") && key &&
                     key->size() == 24;
  if (!valid) {
    throw Error(Reason::bad_request, "this path speaks WebSocket only")
        .remedy("connect with the WebSocket protocol (RFC 6455)");
  }
  if (fields.get("Sec-WebSocket-Version") != "13") {
    throw Error(Reason::bad_request, "only version 13 of the WebSocket protocol is spoken");
  }
  std::string head = response_head(connection_.context(), 101, headers);
  append_field(head, "Sec-WebSocket-Accept", websocket_accept(*key));
  head += "Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
  begin_answer();
  co_await connection_.send(head, {});
  connection_.set_endless(true);
  websocket_ = &connection_.upgrade(options);
  co_return websocket_;
}

}  // namespace ruche::net
