#include "net/http_connection.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "net/http_exchange.hpp"
#include "net/problem.hpp"

namespace ruche::net {
namespace {

constexpr std::size_t kMostInput = 64 << 10;
constexpr std::size_t kSlice = 64 << 10;
constexpr std::size_t kFirstRead = 4 << 10;

}  // namespace

const std::string& HttpServerContext::date() {
  const Timestamp now = clock.wall();
  const std::int64_t second = now.unix_ms / 1000;
  if (second != date_second) {
    date_second = second;
    date_text = http_date(now);
  }
  return date_text;
}

// What a WebSocket sees: the connection's buffered input and its limited output.
class HttpConnection::Transport : public Stream {
 public:
  explicit Transport(HttpConnection& connection) : connection_(connection) {}

  Async<std::size_t> read_some(std::span<char> into) override {
    if (connection_.available().empty()) {
      const Arrival arrival = co_await connection_.more();
      if (arrival != Arrival::bytes) co_return 0;
    }
    const std::string_view ready = connection_.available();
    const std::size_t count = std::min(ready.size(), into.size());
    std::copy_n(ready.data(), count, into.data());
    connection_.consume(count);
    co_return count;
  }
  Async<void> write_all(std::string_view bytes) override { return connection_.send(bytes, {}); }
  Async<void> write_all(std::string_view first, std::string_view second) override {
    return connection_.send(first, second);
  }
  Async<void> write_with_descriptors(std::string_view, std::span<const int>) override {
    throw Error(Reason::host_cannot, "a WebSocket carries no descriptors");
    co_return;
  }
  void shutdown_write() override { connection_.stream_->shutdown_write(); }
  void close() override { connection_.stream_->close(); }
  Async<void> wait_hang_up() override { return connection_.stream_->wait_hang_up(); }
  bool idle() const override { return false; }
  const Peer& peer() const override { return connection_.peer(); }

 private:
  HttpConnection& connection_;
};

HttpConnection::HttpConnection(HttpServerContext& context, std::unique_ptr<Stream> stream)
    : context_(context),
      stream_(std::move(stream)),
      read_timer_(context.clock,
                  [this] {
                    late_ = true;
                    arrived_.notify();
                  }),
      write_timer_(context.clock, [this] { stream_->close(); }),
      scope_(context.executor, "http connection") {}

Async<void> HttpConnection::run(const Error* refusal) {
  scope_.spawn("http reader", read_loop());
  scope_.spawn("http worker", work(refusal));
  co_await scope_.join();
}

void HttpConnection::drain() {
  stopping_ = true;
  arrived_.notify();
  if (endless_) scope_.cancel(CancelReason::shutdown);
}

// --- input ----------------------------------------------------------------------------------

Async<void> HttpConnection::read_loop() {
  bool broken = false;
  std::exception_ptr cancelled;
  try {
    co_await fill_input();
  } catch (const Error&) {
    broken = true;
  } catch (const Cancelled&) {
    cancelled = std::current_exception();
  }
  ended_ = true;
  arrived_.notify();
  if (cancelled) std::rethrow_exception(cancelled);
  // A peer that only stopped sending still gets its answers.
  try {
    if (!broken) co_await stream_->wait_hang_up();
  } catch (const Error&) {
    broken = true;
  }
  scope_.cancel(CancelReason::user);
}

Async<void> HttpConnection::fill_input() {
  const std::size_t most = std::max(kMostInput, context_.options.max_header + kFirstRead);
  std::vector<char> piece(kFirstRead);
  while (true) {
    while (!discard_ && available().size() >= most) co_await space_.wait();
    const std::size_t count = co_await stream_->read_some(piece);
    if (count == 0) co_return;
    if (discard_) continue;
    input_.append(piece.data(), count);
    arrived_.notify();
    if (count == piece.size() && piece.size() < kMostInput) piece.resize(kMostInput);
  }
}

void HttpConnection::consume(std::size_t bytes) {
  used_ += bytes;
  if (used_ == input_.size()) {
    input_.clear();
    used_ = 0;
  } else if (used_ >= kMostInput / 2) {
    input_.erase(0, used_);
    used_ = 0;
  }
  space_.notify();
}

Async<HttpConnection::Arrival> HttpConnection::more() {
  const std::size_t before = available().size();
  while (true) {
    if (available().size() > before) co_return Arrival::bytes;
    if (late_) co_return Arrival::late;
    if (ended_ || (stopping_ && idle_)) co_return Arrival::end;
    co_await arrived_.wait();
  }
}

void HttpConnection::limit_reading(Instant due) {
  late_ = false;
  read_timer_.set(due);
}

// --- output ---------------------------------------------------------------------------------

Async<void> HttpConnection::send(std::string_view first, std::string_view second) {
  if (first.size() + second.size() <= kSlice) {
    co_await send_slice(first, second);
    co_return;
  }
  for (std::string_view rest : {first, second}) {
    while (!rest.empty()) {
      co_await send_slice(rest.substr(0, kSlice), {});
      rest.remove_prefix(std::min(kSlice, rest.size()));
    }
  }
}

Async<void> HttpConnection::send_slice(std::string_view first, std::string_view second) {
  if (write_cut_) throw Error(Reason::peer_gone, "an earlier write was cut off");
  write_cut_ = true;
  write_timer_.set(context_.options.write_timeout);
  co_await stream_->write_all(first, second);
  write_timer_.clear();
  write_cut_ = false;
}

// --- requests -------------------------------------------------------------------------------

Async<void> HttpConnection::work(const Error* refusal) {
  try {
    if (refusal != nullptr) {
      co_await answer(*refusal, 503);
    } else {
      bool again = true;
      while (again && !stopping_) again = co_await serve_one();
    }
    if (lingers_ && !ended_) co_await linger();
  } catch (const Error& failure) {
    context_.log.debug("net", "a connection broke", {{"why", failure.full_message()}});
  }
  stream_->close();
  scope_.cancel(CancelReason::user);
}

// False when the connection must end.
Async<bool> HttpConnection::serve_one() {
  HttpParser parser(HttpParser::Kind::request, context_.options.max_header);
  std::optional<Error> refused;
  try {
    const bool complete = co_await read_head(parser);
    if (!complete) co_return false;
  } catch (const Error& error) {
    refused = error;
  }
  if (refused) {
    const int status = refused->reason() == Reason::deadline ? 408 : 0;
    if (context_.options.on_error) {
      context_.options.on_error(nullptr, status != 0 ? status : http_status_of(refused->reason()),
                                *refused);
    }
    co_await answer(*refused, status);
    co_return false;
  }
  ++context_.statistics.requests;
  fresh_ = false;
  HttpServerExchange exchange(*this, parser);
  const bool again = co_await exchange.run();
  lingers_ = !again && (!parser.done() || websocket_ || !available().empty());
  co_return again;
}

Async<bool> HttpConnection::read_head(HttpParser& parser) {
  const auto& options = context_.options;
  idle_ = true;
  limit_reading(context_.clock.now() + (fresh_ ? options.header_timeout : options.idle_timeout));
  while (true) {
    if (!parser.started()) skip_blank_lines();
    if (!available().empty()) {
      if (std::exchange(idle_, false)) {
        limit_reading(context_.clock.now() + options.header_timeout);
      }
      consume(parser.put(available()));
      if (parser.head_done()) break;
    }
    const Arrival arrival = co_await more();
    if (arrival == Arrival::late && !idle_) {
      throw Error(Reason::deadline, "the request's head came too slowly");
    }
    if (arrival != Arrival::bytes) co_return false;
  }
  unlimit_reading();
  co_return true;
}

// RFC 9112 section 2.2: empty lines before a request are ignored.
void HttpConnection::skip_blank_lines() {
  const std::string_view ready = available();
  const std::size_t start = std::min(ready.find_first_not_of("\r\n"), ready.size());
  if (start > 0) consume(start);
}

// An answer outside of any exchange; the connection ends after it.
Async<void> HttpConnection::answer(const Error& error, int status) {
  const HttpResponse response = problem_response(error, status);
  std::string head = response_head(context_, response.status, response.headers);
  append_field(head, "Content-Length", std::to_string(response.body.size()));
  append_field(head, "Connection", "close");
  head += "\r\n";
  lingers_ = true;
  co_await send(head, response.body);
}

// Closing with unread input would reset the connection and could take our last answer with it: so
// the peer is told that no more comes, and what it still sends is dropped for a while.
Async<void> HttpConnection::linger() {
  stream_->shutdown_write();
  discard_ = true;
  consume(available().size());
  idle_ = false;
  limit_reading(context_.clock.now() + context_.options.linger);
  Arrival arrival = Arrival::bytes;
  while (arrival == Arrival::bytes) arrival = co_await more();
}

WebSocket& HttpConnection::upgrade(WebSocketOptions options) {
  transport_ = std::make_unique<Transport>(*this);
  websocket_ = std::make_unique<WebSocket>(*transport_, context_.clock, context_.random,
                                           WebSocketRole::server, options);
  scope_.spawn("websocket pings", websocket_->keep_alive());
  return *websocket_;
}

}  // namespace ruche::net
