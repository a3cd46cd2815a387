// One connection of the HTTP server, and what all of them share. Internal to net.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "net/http_parser.hpp"
#include "net/http_server.hpp"
#include "net/timer.hpp"

namespace ruche::net {

struct HttpServerContext {
  Executor executor;
  Clock& clock;
  Random& random;
  Log& log;
  HttpHandler& handler;
  HttpServerOptions options;
  HttpServer::Statistics statistics;
  bool draining = false;

  // The Date field's text, made once a second.
  const std::string& date();
  std::int64_t date_second = -1;
  std::string date_text;
};

// A reader fills the input buffer and notices the peer's end; a worker answers the requests in
// order. Both are children of the connection's scope: when the peer is gone, the worker is
// cancelled with whatever handler it runs.
class HttpConnection {
 public:
  HttpConnection(HttpServerContext& context, std::unique_ptr<Stream> stream);
  HttpConnection(const HttpConnection&) = delete;
  HttpConnection& operator=(const HttpConnection&) = delete;

  // Serves until the connection ends; with a refusal, answers just that.
  Async<void> run(const Error* refusal);
  // Shutdown: an idle connection ends now, one with an endless answer is cancelled, another one
  // ends with the answer it is working on.
  void drain();

  // For the exchange that is being served.
  HttpServerContext& context() { return context_; }
  const Peer& peer() const { return stream_->peer(); }
  std::string_view available() const { return std::string_view(input_).substr(used_); }
  void consume(std::size_t bytes);
  enum class Arrival { bytes, end, late };
  // Waits for bytes beyond available(), the end of the input, or the read limit.
  Async<Arrival> more();
  void limit_reading(Instant due);
  void unlimit_reading() { read_timer_.clear(); }
  // Writes in slices, each within the write timeout.
  Async<void> send(std::string_view first, std::string_view second);
  void set_endless(bool endless) { endless_ = endless; }
  // The socket lives as long as the connection and is kept alive by it.
  WebSocket& upgrade(WebSocketOptions options);
  bool cancelled() const { return scope_.cancelled(); }
  bool peer_ended() const { return ended_; }
  Async<void> answer(const Error& error, int status);

 private:
  class Transport;

  Async<void> read_loop();
  Async<void> fill_input();
  Async<void> work(const Error* refusal);
  Async<bool> serve_one();
  Async<bool> read_head(HttpParser& parser);
  void skip_blank_lines();
  Async<void> linger();
  Async<void> send_slice(std::string_view first, std::string_view second);

  HttpServerContext& context_;
  std::unique_ptr<Stream> stream_;
  std::string input_;
  std::size_t used_ = 0;    // bytes of input_ that were consumed
  bool ended_ = false;      // no more input will come
  bool late_ = false;       // the read limit has passed
  bool stopping_ = false;   // no further request is begun
  bool idle_ = true;        // between requests
  bool endless_ = false;    // a stream or a WebSocket is open
  bool discard_ = false;    // input is dropped
  bool fresh_ = true;       // no request was served yet
  bool lingers_ = false;    // the peer may still be sending
  bool write_cut_ = false;  // a write did not finish: nothing sensible can follow
  Signal arrived_;          // ended_, late_, stopping_, or more input
  Signal space_;            // input was consumed
  Timer read_timer_;
  Timer write_timer_;
  std::unique_ptr<Stream> transport_;
  std::unique_ptr<WebSocket> websocket_;
  Scope scope_;
};

}  // namespace ruche::net
