#include "net/websocket.hpp"

#include <algorithm>
#include <array>

#include "net/timer.hpp"

namespace ruche::net {

struct WebSocket::State {
  State(Stream& s, Clock& c, Random& r, WebSocketRole own_role, WebSocketOptions o)
      : stream(s),
        clock(c),
        random(r),
        role(own_role),
        options(o),
        decoder(own_role, o.max_message),
        heard(c.now()) {}

  Stream& stream;
  Clock& clock;
  Random& random;
  WebSocketRole role;
  WebSocketOptions options;
  WebSocketDecoder decoder;
  Instant heard;  // when bytes last came
  bool open = true;
  bool close_sent = false;
  bool writing = false;
  bool receiving = false;
  std::optional<Close> close_received;
  Signal changed;  // open, writing

  // Ends the socket: a server waits for the client to close first (its connection lingers), so that
  // the last frame is not lost to a reset.
  void end() {
    open = false;
    if (role == WebSocketRole::server) {
      stream.shutdown_write();
    } else {
      stream.close();
    }
    changed.notify();
  }

  Async<void> send(WebSocketOpcode opcode, std::string_view payload);
  Async<void> send_close(std::uint16_t code, std::string_view reason);
  Async<bool> control(WebSocketDecoder::Item item);
  Async<std::optional<WebSocketMessage>> receive();
  Async<void> await_end();
};

namespace {

// Sets a flag for as long as it lives and tells the waiters when it is gone.
class Busy {
 public:
  Busy(bool& flag, Signal& changed) : flag_(flag), changed_(changed) { flag_ = true; }
  ~Busy() {
    flag_ = false;
    changed_.notify();
  }
  Busy(const Busy&) = delete;
  Busy& operator=(const Busy&) = delete;

 private:
  bool& flag_;
  Signal& changed_;
};

// At most `most` bytes, never inside a UTF-8 sequence.
std::string_view cut(std::string_view text, std::size_t most) {
  if (text.size() <= most) return text;
  while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xc0) == 0x80) --most;
  return text.substr(0, most);
}

}  // namespace

Async<void> WebSocket::State::send(WebSocketOpcode opcode, std::string_view payload) {
  while (writing) co_await changed.wait();
  if (!open || (close_sent && opcode != WebSocketOpcode::close)) {
    throw Error(Reason::peer_gone, "the WebSocket is closed");
  }
  const Busy busy(writing, changed);
  std::optional<std::uint32_t> mask;
  if (role == WebSocketRole::client) mask = static_cast<std::uint32_t>(random.next());
  const std::string frame = encode_frame(opcode, payload, mask);
  co_await stream.write_all(frame);
}

Async<void> WebSocket::State::send_close(std::uint16_t code, std::string_view reason) {
  if (close_sent || !open) co_return;
  close_sent = true;
  constexpr std::size_t kLongestReason = 123;
  std::string payload;
  payload.push_back(static_cast<char>(code >> 8));
  payload.push_back(static_cast<char>(code & 0xff));
  payload += cut(reason, kLongestReason);
  try {
    co_await send(WebSocketOpcode::close, payload);
  } catch (const Error&) {
    end();  // the peer is gone; there is nobody to say goodbye to
  }
}

// Answers a control frame; false when the socket has ended.
Async<bool> WebSocket::State::control(WebSocketDecoder::Item item) {
  if (item.opcode == WebSocketOpcode::ping && !close_sent) {
    co_await send(WebSocketOpcode::pong, item.payload);
  }
  if (item.opcode != WebSocketOpcode::close) co_return true;
  auto close = parse_close(item.payload);
  if (!close) {
    co_await send_close(close.error().close_code, close.error().what);
    end();
    throw Error(Reason::protocol_violation, close.error().what);
  }
  close_received = std::move(*close);
  const bool named = close_received->code != 1005;
  co_await send_close(named ? close_received->code : close_code::normal, {});
  end();
  co_return false;
}

Async<std::optional<WebSocketMessage>> WebSocket::State::receive() {
  if (receiving) throw Error(Reason::internal_error, "two coroutines receive from one WebSocket");
  const Busy busy(receiving, changed);
  while (open) {
    auto item = decoder.next();
    if (!item) {
      co_await send_close(item.error().close_code, item.error().what);
      end();
      throw Error(Reason::protocol_violation, item.error().what);
    }
    if (*item) {
      auto& [opcode, payload] = **item;
      const bool data = opcode == WebSocketOpcode::text || opcode == WebSocketOpcode::binary;
      if (data) {
        co_return WebSocketMessage{opcode == WebSocketOpcode::binary, std::move(payload)};
      }
      const bool goes_on = co_await control(std::move(**item));
      if (!goes_on) co_return std::nullopt;
      continue;
    }
    std::array<char, 8192> piece;
    std::size_t count = 0;
    try {
      count = co_await stream.read_some(piece);
    } catch (const Error&) {
      end();
      if (close_sent) co_return std::nullopt;
      throw;
    }
    if (count == 0) {
      end();
      if (close_sent) co_return std::nullopt;
      throw Error(Reason::peer_gone, "the WebSocket ended without a close");
    }
    heard = clock.now();
    decoder.put({piece.data(), count});
  }
  co_return std::nullopt;
}

Async<void> WebSocket::State::await_end() {
  if (receiving) {
    while (open) co_await changed.wait();
    co_return;
  }
  while (open) {
    const auto dropped = co_await receive();
    if (!dropped) co_return;
  }
}

WebSocket::WebSocket(Stream& stream, Clock& clock, Random& random, WebSocketRole role,
                     WebSocketOptions options)
    : state_(std::make_shared<State>(stream, clock, random, role, options)) {}
WebSocket::~WebSocket() = default;

Async<std::optional<WebSocketMessage>> WebSocket::receive() { return state_->receive(); }

Async<void> WebSocket::send_text(std::string_view text) {
  return state_->send(WebSocketOpcode::text, text);
}
Async<void> WebSocket::send_binary(std::string_view bytes) {
  return state_->send(WebSocketOpcode::binary, bytes);
}
Async<void> WebSocket::ping() { return state_->send(WebSocketOpcode::ping, {}); }

Async<void> WebSocket::close(std::uint16_t code, std::string_view reason) {
  const auto state = state_;
  if (!state->open || state->close_sent) co_return;
  co_await state->send_close(code, reason);
  try {
    co_await with_deadline(state->clock, state->options.close_timeout, "closing a WebSocket",
                           state->await_end());
  } catch (const Error&) {
    // The peer broke the rules or did not answer in time: either way the socket ends here.
  }
  if (state->open) state->end();
}

Async<void> WebSocket::keep_alive() {
  const auto state = state_;
  Timer timer(state->clock, [&changed = state->changed] { changed.notify(); });
  const Duration every = state->options.ping_every;
  std::optional<Instant> pinged;
  while (state->open) {
    const Instant now = state->clock.now();
    if (now >= state->heard + 2 * every) {
      state->open = false;
      state->stream.close();
      state->changed.notify();
      co_return;
    }
    const bool due = now >= state->heard + every && (!pinged || *pinged <= state->heard);
    if (due && !state->writing && !state->close_sent) {
      pinged = now;
      try {
        co_await state->send(WebSocketOpcode::ping, {});
      } catch (const Error&) {
        if (state->open) state->end();
      }
      continue;
    }
    const bool waits_for_pong = now >= state->heard + every;
    const Instant next = state->heard + (waits_for_pong ? 2 * every : every);
    timer.set(next);
    co_await state->changed.wait();
  }
}

const std::optional<WebSocket::Close>& WebSocket::close_received() const {
  return state_->close_received;
}
bool WebSocket::open() const { return state_->open; }

}  // namespace ruche::net
