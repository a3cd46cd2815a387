// The HTTP/1.1 client of one endpoint, with a pool of kept-alive connections.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/async.hpp"
#include "base/clock.hpp"
#include "base/random.hpp"
#include "net/http.hpp"
#include "net/stream.hpp"
#include "net/websocket.hpp"

namespace ruche::net {

// Why there is no answer. reason(): host_unavailable — could not connect; peer_gone — the
// connection broke; deadline; protocol_violation — the answer made no sense; body_too_large. Only
// when request_was_sent() is false is it certain that the server did nothing.
class RequestFailed : public Error {
 public:
  RequestFailed(Error error, bool request_was_sent)
      : Error(std::move(error)), request_was_sent_(request_was_sent) {}
  bool request_was_sent() const { return request_was_sent_; }

 private:
  bool request_was_sent_;
};

struct HttpClientOptions {
  std::string authority = "localhost";  // the Host field
  Headers fields = {};                  // of every request that does not have them itself
  std::size_t max_header = 64 << 10;    // of an answer
  std::size_t max_body = 64 << 20;      // of an answer to request()
  std::size_t max_idle = 8;             // connections kept for reuse
  Duration idle_timeout{30'000};        // not reused after this long
  Duration connect_timeout{5'000};      // within the request's deadline
};

// An answer whose body is still coming. Destroying it closes its connection unless the body ended.
class HttpStream {
 public:
  virtual ~HttpStream() = default;
  virtual int status() const = 0;
  virtual const Headers& headers() const = 0;
  // The next piece of the body as it arrives; nullopt at its end. No limit in time or on the sum.
  // Throws RequestFailed when it breaks off.
  virtual Async<std::optional<std::string>> next() = 0;
  virtual void close() = 0;  // a waiting next() throws
};

// A connected WebSocket with its stream.
class ClientWebSocket {
 public:
  virtual ~ClientWebSocket() = default;
  virtual WebSocket& socket() = 0;
  virtual const Headers& headers() const = 0;  // of the 101 answer
};

class HttpClient {
 public:
  using Options = HttpClientOptions;
  // The clock and random outlive the client; a client outlives its streams and requests.
  HttpClient(Clock& clock, Random& random, Connector connector, Options options);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // Sends and waits for the whole answer, whatever its status. When the server closes a reused
  // connection instead of answering, a request with an idempotent method is repeated once on a
  // fresh one; nothing else is retried. Throws RequestFailed.
  Async<HttpResponse> request(HttpRequest request, Duration deadline);
  // Returns with the head; `deadline` covers only that. Uses a connection of its own.
  Async<std::unique_ptr<HttpStream>> open(HttpRequest request, Duration deadline);
  // Throws RequestFailed, or the server's own Error when it refuses the upgrade with problem+json.
  Async<std::unique_ptr<ClientWebSocket>> websocket(HttpRequest request, WebSocketOptions options,
                                                    Duration deadline);
  // Closes the idle connections.
  void close_idle();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// Cuts the body of a stream into lines (newline-delimited JSON, as etcd's gateway sends a watch).
class HttpLines {
 public:
  HttpLines(HttpStream& stream, std::size_t max_line_bytes);
  // Without its "\n"; a last line without one counts; nullopt at the end. Throws
  // Error(protocol_violation) for a longer line.
  Async<std::optional<std::string>> next();

 private:
  HttpStream& stream_;
  LineBuffer lines_;
};

}  // namespace ruche::net
