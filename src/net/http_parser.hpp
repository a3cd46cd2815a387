// The HTTP/1.1 parser behind server and client (RFC 9112), incremental. Only its .cpp knows Beast.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "net/http.hpp"

namespace ruche::net {

class HttpParser {
 public:
  enum class Kind { request, response };
  HttpParser(Kind kind, std::size_t max_header);
  ~HttpParser();
  HttpParser(const HttpParser&) = delete;
  HttpParser& operator=(const HttpParser&) = delete;

  // The answer to a HEAD request has no body; call before any put.
  void expect_no_body();
  // Takes what it can use and returns how much that was; the rest must come again, with more behind
  // it. Stops at the end of the head and at the end of the message. Throws Error(bad_request) for
  // malformed input, Error(header_too_large) beyond the limit.
  std::size_t put(std::string_view bytes);
  // The stream has ended. Throws Error(peer_gone) when that cuts the message.
  void put_end();

  bool started() const;  // any byte was seen
  bool head_done() const;
  bool done() const;

  // Valid after the head.
  const std::string& method() const;
  const std::string& target() const;
  int status() const;
  Headers& headers();
  bool http_1_1() const;
  bool keep_alive() const;
  // What the sender announced; nullopt: chunked, or until the end of the stream.
  std::optional<std::uint64_t> content_length() const;

  // Body bytes decoded since the last call.
  std::string take_body();
  std::size_t body_waiting() const;

 private:
  struct State;
  template <bool kIsRequest>
  struct Parser;
  std::unique_ptr<State> state_;
};

}  // namespace ruche::net
