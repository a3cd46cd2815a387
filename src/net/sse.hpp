// Server-sent events: parsing and formatting (WHATWG HTML, section 9.2).
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "net/http_client.hpp"

namespace ruche::net {

struct ServerSentEvent {
  std::string id;     // empty: none; the parser fills in the last one seen, as the standard says
  std::string event;  // empty: "message"
  std::string data;   // may hold line ends
  bool operator==(const ServerSentEvent&) const = default;
};

// The event on the wire, with its blank line. id and event must hold no line end.
std::string format_event(const ServerSentEvent& event);
// ":\n\n", which keeps the connection and its proxies awake.
std::string format_comment(std::string_view text = {});

// Incremental: bytes in, events out.
class SseParser {
 public:
  explicit SseParser(std::size_t max_event_bytes = 1 << 20);
  // Throws Error(protocol_violation) when one event grows beyond the limit.
  void put(std::string_view bytes);
  std::optional<ServerSentEvent> next();
  // What a client sends as Last-Event-ID when it connects again.
  const std::string& last_event_id() const { return last_id_; }
  // The server's wish for the reconnection delay, if it said one.
  std::optional<Duration> retry() const { return retry_; }

 private:
  void line(std::string_view text);
  void field(std::string_view name, std::string_view value);
  void dispatch();

  std::size_t max_event_;
  std::string line_;
  bool first_ = true;       // a byte order mark may come
  bool after_cr_ = false;   // a "\n" now belongs to the line end
  std::string event_, data_, id_, last_id_;
  bool has_data_ = false;
  std::optional<Duration> retry_;
  std::deque<ServerSentEvent> ready_;
};

// The events of a streaming answer; nullopt at its end.
class SseReader {
 public:
  SseReader(HttpStream& stream, std::size_t max_event_bytes = 1 << 20);
  Async<std::optional<ServerSentEvent>> next();
  const SseParser& parser() const { return parser_; }

 private:
  HttpStream& stream_;
  SseParser parser_;
};

}  // namespace ruche::net
