// WebSocket (RFC 6455) over any Stream, without extensions. The frame codec is a pure part of its
// own.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/async.hpp"
#include "base/clock.hpp"
#include "base/random.hpp"
#include "net/stream.hpp"

namespace ruche::net {

struct WebSocketMessage {
  bool binary = false;
  std::string data;  // text is valid UTF-8
};

enum class WebSocketRole { server, client };

struct WebSocketOptions {
  std::size_t max_message = 1 << 20;  // bytes; a longer message closes with 1009
  Duration ping_every{20'000};        // keep_alive(): a ping after this long without traffic
  Duration close_timeout{2'000};      // close(): how long the peer may take to answer
};

// Close codes of RFC 6455 section 7.4.1 that we use.
namespace close_code {
inline constexpr std::uint16_t normal = 1000;
inline constexpr std::uint16_t going_away = 1001;
inline constexpr std::uint16_t protocol_error = 1002;
inline constexpr std::uint16_t bad_data = 1007;
inline constexpr std::uint16_t policy = 1008;
inline constexpr std::uint16_t too_big = 1009;
inline constexpr std::uint16_t internal_error = 1011;
}  // namespace close_code

// One coroutine receives (pings are answered and closes are noticed only while it does), any number
// may send; their messages do not mix. The stream, clock and random outlive the socket.
class WebSocket {
 public:
  WebSocket(Stream& stream, Clock& clock, Random& random, WebSocketRole role,
            WebSocketOptions options);
  ~WebSocket();
  WebSocket(const WebSocket&) = delete;
  WebSocket& operator=(const WebSocket&) = delete;

  // The next message; nullopt when the peer closed (see close_received()). Throws Error(peer_gone)
  // when the connection broke and Error(protocol_violation) when the peer did, after telling it.
  Async<std::optional<WebSocketMessage>> receive();
  Async<void> send_text(std::string_view text);  // valid UTF-8, the caller's duty
  Async<void> send_binary(std::string_view bytes);
  Async<void> ping();
  // Says goodbye, waits for the answer within close_timeout (unless another coroutine is
  // receiving), and closes the stream. The reason is cut at 123 bytes. Later calls do nothing.
  Async<void> close(std::uint16_t code = close_code::normal, std::string_view reason = {});

  // Pings after ping_every without traffic and closes the stream when the peer stayed silent for
  // twice that. Returns when the socket is closed; run it beside receive(). HttpServer does so.
  Async<void> keep_alive();

  struct Close {
    std::uint16_t code = 0;  // 1005: the peer gave none
    std::string reason;
  };
  const std::optional<Close>& close_received() const;
  bool open() const;

 private:
  struct State;
  std::shared_ptr<State> state_;  // shared with calls that are still waiting
};

// A fresh Sec-WebSocket-Key.
std::string websocket_key(Random& random);
// The value of Sec-WebSocket-Accept for a Sec-WebSocket-Key (section 4.2.2).
std::string websocket_accept(std::string_view key);

// --- the codec ------------------------------------------------------------------------------

enum class WebSocketOpcode : std::uint8_t {
  continuation = 0,
  text = 1,
  binary = 2,
  close = 8,
  ping = 9,
  pong = 10,
};

// One whole frame; a client passes a mask.
std::string encode_frame(WebSocketOpcode opcode, std::string_view payload,
                         std::optional<std::uint32_t> mask);

// Turns received bytes into messages and control frames.
class WebSocketDecoder {
 public:
  WebSocketDecoder(WebSocketRole role, std::size_t max_message);

  struct Item {
    WebSocketOpcode opcode;  // text, binary (whole messages), close, ping or pong
    std::string payload;
  };
  struct Violation {
    std::uint16_t close_code;
    std::string what;
  };
  void put(std::string_view bytes);
  // The next whole item; nullopt when more bytes are needed. After a violation it must not be used.
  std::expected<std::optional<Item>, Violation> next();

 private:
  struct Header;
  std::expected<std::optional<Header>, Violation> header() const;
  std::optional<Violation> check(const Header& header) const;

  WebSocketRole role_;
  std::size_t max_message_;
  std::string buffer_;
  std::size_t used_ = 0;  // bytes of buffer_ that were given out
  std::optional<WebSocketOpcode> fragmented_;
  std::string message_;  // fragments so far
};

// The code and reason of a close frame's payload.
std::expected<WebSocket::Close, WebSocketDecoder::Violation> parse_close(std::string_view payload);

bool valid_utf8(std::string_view text);

}  // namespace ruche::net
