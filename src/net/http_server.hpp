// The HTTP/1.1 server. One coroutine reads a connection, one answers its requests in order; a peer
// that goes away cancels the handler that works for it. Every wait has a limit from the Clock,
// every buffer a bound: a slow client costs its own connection and nothing else.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/async.hpp"
#include "base/clock.hpp"
#include "base/log.hpp"
#include "base/random.hpp"
#include "net/http.hpp"
#include "net/stream.hpp"
#include "net/websocket.hpp"

namespace ruche::net {

// The body of an answer that is sent piece by piece (server-sent events, downloads). One write at a
// time; it lives no longer than its exchange.
class ResponseStream {
 public:
  virtual ~ResponseStream() = default;
  // Returns when the kernel has taken the bytes, so a fast producer waits for a slow reader; a
  // reader that takes nothing for the write timeout is cut off with Error(peer_gone).
  virtual Async<void> write(std::string_view bytes) = 0;
  // Without it the peer sees a broken answer, which is right after a failure.
  virtual Async<void> finish() = 0;
};

// One request and its answer. Exactly one of respond, start_stream and accept_websocket is called;
// a handler that returns without any is answered for with 500.
class HttpExchange {
 public:
  virtual ~HttpExchange() = default;
  virtual const HttpRequest& request() const = 0;

  // The whole body, once. limit 0: the server's max_body. Throws Error(body_too_large),
  // Error(deadline) when it comes too slowly, Error(peer_gone).
  virtual Async<std::string> read_body(std::size_t limit = 0) = 0;
  // For uploads: the next piece, at most 64 KiB, nullopt at the end. No limit on the sum.
  virtual Async<std::optional<std::string>> read_body_piece() = 0;
  // What the client announced; nullopt: chunked.
  virtual std::optional<std::uint64_t> body_length() const = 0;

  virtual Async<void> respond(HttpResponse response) = 0;
  virtual Async<std::unique_ptr<ResponseStream>> start_stream(int status, Headers headers) = 0;
  virtual bool is_websocket_request() const = 0;
  // Throws Error(bad_request) when the request is no valid upgrade. The socket lives as long as the
  // exchange; keepalive pings run by themselves.
  virtual Async<WebSocket*> accept_websocket(WebSocketOptions options, Headers headers = {}) = 0;
  // True once an answer has begun.
  virtual bool responded() const = 0;
};

class HttpHandler {
 public:
  virtual ~HttpHandler() = default;
  // A thrown Error becomes problem+json with its status, another exception 500; either way only
  // this exchange ends. Cancelled when the client goes away or the server shuts down.
  virtual Async<void> handle(HttpExchange& exchange) = 0;
};

struct HttpServerOptions {
  std::size_t max_header = 16 << 10;  // bytes of request line and fields; beyond: 431
  std::size_t max_body = 4 << 20;  // of read_body without a limit of its own; beyond: 413
  std::size_t max_connections = 512;  // beyond: 503 at once
  std::size_t max_connections_per_user = 128;  // by uid, or by address (IPv6: its /64) on TCP
  std::size_t max_handshakes = 128;  // unfinished ones; beyond, the oldest of the greediest go
  Duration handshake_timeout{10'000};  // then the connection is cut
  Duration header_timeout{10'000};  // from the first byte to the end of the head; then 408
  Duration idle_timeout{120'000};  // between requests; then a silent close
  Duration body_timeout{20'000};  // plus one second for each min_body_rate bytes received
  std::size_t min_body_rate = 4 << 10;  // bytes per second
  Duration write_timeout{20'000};  // for each 64 KiB; then the connection is cut
  Duration shutdown_grace{2'000};  // running handlers may end by themselves; then cancelled
  Duration linger{1'000};  // how long an early answer waits for the rest of a request
  std::string server_name = "ruche";
  Headers fields;  // of every answer that does not have them itself
  // Called for every answer that was made from an exception; `request` is null when the request
  // could not even be parsed. For logs and metrics; must not throw.
  std::function<void(const HttpRequest* request, int status, const std::exception& failure)>
      on_error;
};

class HttpServer {
 public:
  using Options = HttpServerOptions;
  // Everything passed by reference outlives the server.
  HttpServer(Executor executor, Clock& clock, Random& random, Log& log, HttpHandler& handler,
             Options options);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // Before or during run(); several listeners (unix, TCP, TLS) feed one server.
  void add_listener(std::unique_ptr<Listener> listener);
  // Serves until cancelled. Then: no new connections, idle ones close, streams and WebSockets are
  // cancelled, other handlers have shutdown_grace; returns (by the cancellation) when all have
  // ended.
  Async<void> run();

  struct Statistics {
    std::size_t connections = 0;  // now
    std::uint64_t accepted = 0;
    std::uint64_t refused = 0;  // by a connection limit
    std::uint64_t failed_handshakes = 0;
    std::uint64_t requests = 0;
  };
  Statistics statistics() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace ruche::net
