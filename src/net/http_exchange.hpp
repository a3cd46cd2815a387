// One request of a connection and its answer. Internal to net.
#pragma once

#include <exception>
#include <memory>
#include <optional>
#include <string>

#include "net/http_connection.hpp"
#include "net/http_writer.hpp"

namespace ruche::net {

// The status line and the fields that every answer has, without the closing blank line.
std::string response_head(HttpServerContext& context, int status, const Headers& headers);

class HttpServerExchange : public HttpExchange {
 public:
  HttpServerExchange(HttpConnection& connection, HttpParser& parser);

  // Lets the handler work and completes what it left; false when the connection must end.
  Async<bool> run();

  const HttpRequest& request() const override { return request_; }
  Async<std::string> read_body(std::size_t limit) override;
  Async<std::optional<std::string>> read_body_piece() override;
  std::optional<std::uint64_t> body_length() const override { return parser_.content_length(); }
  Async<void> respond(HttpResponse response) override;
  Async<std::unique_ptr<ResponseStream>> start_stream(int status, Headers headers) override;
  bool is_websocket_request() const override;
  Async<WebSocket*> accept_websocket(WebSocketOptions options, Headers headers) override;
  bool responded() const override { return responded_; }

 private:
  class Body;

  void prepare();
  Async<void> answer_failure(std::exception_ptr failure);
  Async<bool> drop_body();
  Async<void> say_continue();
  void begin_answer();
  bool can_keep() const;
  void append_connection(std::string& head) const;
  Async<void> say_goodbye(std::uint16_t code);

  HttpConnection& connection_;
  HttpParser& parser_;
  HttpRequest request_;
  bool awaits_continue_ = false;
  bool responded_ = false;
  bool complete_ = false;     // the answer was sent to its end
  bool keep_ = false;         // the connection goes on after this answer
  bool body_failed_ = false;  // the rest of the request cannot be made sense of
  bool body_late_ = false;
  std::optional<Instant> body_started_;
  std::uint64_t body_received_ = 0;
  WebSocket* websocket_ = nullptr;
};

}  // namespace ruche::net
