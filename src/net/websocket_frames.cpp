#include <openssl/evp.h>

#include <algorithm>
#include <array>

#include "net/websocket.hpp"

namespace ruche::net {
namespace {

bool is_control(WebSocketOpcode opcode) { return static_cast<int>(opcode) >= 8; }

bool known(int opcode) { return opcode <= 2 || (opcode >= 8 && opcode <= 10); }

std::uint64_t big_endian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (const char c : bytes) value = value << 8 | static_cast<unsigned char>(c);
  return value;
}

void put_big_endian(std::string& out, std::uint64_t value, int bytes) {
  for (int shift = (bytes - 1) * 8; shift >= 0; shift -= 8) {
    out.push_back(static_cast<char>(value >> shift & 0xff));
  }
}

void apply_mask(char* bytes, std::size_t size, std::uint32_t mask) {
  const std::array<char, 4> key{static_cast<char>(mask >> 24), static_cast<char>(mask >> 16),
                                static_cast<char>(mask >> 8), static_cast<char>(mask)};
  for (std::size_t i = 0; i < size; ++i) bytes[i] ^= key[i % 4];
}

WebSocketDecoder::Violation protocol_error(std::string what) {
  return {close_code::protocol_error, std::move(what)};
}

std::string base64(std::span<const unsigned char> bytes) {
  std::string out((bytes.size() + 2) / 3 * 4 + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()), bytes.data(),
                                   static_cast<int>(bytes.size()));
  out.resize(static_cast<std::size_t>(size));
  return out;
}

}  // namespace

std::string websocket_key(Random& random) {
  std::array<std::uint8_t, 16> bytes{};
  random.fill(bytes);
  return base64(bytes);
}

std::string websocket_accept(std::string_view key) {
  std::string text(key);
  text += "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha1(), nullptr);
  return base64(std::span(digest).first(size));
}

std::string encode_frame(WebSocketOpcode opcode, std::string_view payload,
                         std::optional<std::uint32_t> mask) {
  std::string frame;
  frame.reserve(payload.size() + 14);
  frame.push_back(static_cast<char>(0x80 | static_cast<int>(opcode)));
  const int mask_bit = mask ? 0x80 : 0;
  if (payload.size() < 126) {
    frame.push_back(static_cast<char>(mask_bit | static_cast<int>(payload.size())));
  } else if (payload.size() < 65536) {
    frame.push_back(static_cast<char>(mask_bit | 126));
    put_big_endian(frame, payload.size(), 2);
  } else {
    frame.push_back(static_cast<char>(mask_bit | 127));
    put_big_endian(frame, payload.size(), 8);
  }
  if (mask) put_big_endian(frame, *mask, 4);
  const std::size_t start = frame.size();
  frame.append(payload);
  if (mask) apply_mask(frame.data() + start, payload.size(), *mask);
  return frame;
}

struct WebSocketDecoder::Header {
  bool last = false;
  WebSocketOpcode opcode = WebSocketOpcode::text;
  std::uint64_t payload = 0;
  std::optional<std::uint32_t> mask;
  std::size_t size = 0;  // of the header itself
};

WebSocketDecoder::WebSocketDecoder(WebSocketRole role, std::size_t max_message)
    : role_(role), max_message_(max_message) {}

void WebSocketDecoder::put(std::string_view bytes) {
  buffer_.erase(0, std::exchange(used_, 0));
  buffer_.append(bytes);
}

std::expected<std::optional<WebSocketDecoder::Header>, WebSocketDecoder::Violation>
WebSocketDecoder::header() const {
  const std::string_view bytes = std::string_view(buffer_).substr(used_);
  if (bytes.size() < 2) return std::nullopt;
  const int first = static_cast<unsigned char>(bytes[0]);
  const int second = static_cast<unsigned char>(bytes[1]);
  if ((first & 0x70) != 0) return std::unexpected(protocol_error("a reserved bit is set"));
  if (!known(first & 0x0f)) return std::unexpected(protocol_error("unknown opcode"));
  const bool masked = (second & 0x80) != 0;
  if (masked != (role_ == WebSocketRole::server)) {
    return std::unexpected(protocol_error("only clients mask, and they must"));
  }
  Header header;
  header.last = (first & 0x80) != 0;
  header.opcode = static_cast<WebSocketOpcode>(first & 0x0f);
  const int length = second & 0x7f;
  const std::size_t extended = length == 126 ? 2 : length == 127 ? 8 : 0;
  header.size = 2 + extended + (masked ? 4 : 0);
  if (bytes.size() < header.size) return std::nullopt;
  header.payload =
      extended == 0 ? static_cast<std::uint64_t>(length) : big_endian(bytes.substr(2, extended));
  const std::uint64_t least = extended == 0 ? 0 : extended == 2 ? 126 : 65536;
  if (header.payload < least || header.payload >> 63 != 0) {
    return std::unexpected(protocol_error("a length is not in its shortest form"));
  }
  if (masked) {
    header.mask = static_cast<std::uint32_t>(big_endian(bytes.substr(2 + extended, 4)));
  }
  return header;
}

std::optional<WebSocketDecoder::Violation> WebSocketDecoder::check(const Header& header) const {
  if (is_control(header.opcode)) {
    if (!header.last) return protocol_error("a control frame is fragmented");
    if (header.payload > 125) return protocol_error("a control frame is too long");
    return std::nullopt;
  }
  const bool continues = header.opcode == WebSocketOpcode::continuation;
  if (continues && !fragmented_) return protocol_error("a continuation of nothing");
  if (!continues && fragmented_) return protocol_error("a message inside a message");
  if (header.payload > max_message_ - message_.size()) {
    return Violation{close_code::too_big, "the message is too long"};
  }
  return std::nullopt;
}

std::expected<std::optional<WebSocketDecoder::Item>, WebSocketDecoder::Violation>
WebSocketDecoder::next() {
  while (true) {
    const auto parsed = header();
    if (!parsed) return std::unexpected(parsed.error());
    if (!*parsed) return std::nullopt;
    const Header& frame = **parsed;
    if (auto violation = check(frame)) return std::unexpected(std::move(*violation));
    if (buffer_.size() - used_ - frame.size < frame.payload) return std::nullopt;

    std::string payload = buffer_.substr(used_ + frame.size, frame.payload);
    used_ += frame.size + frame.payload;
    if (frame.mask) apply_mask(payload.data(), payload.size(), *frame.mask);
    if (is_control(frame.opcode)) return Item{frame.opcode, std::move(payload)};

    if (!fragmented_) fragmented_ = frame.opcode;
    message_ += payload;
    if (!frame.last) continue;
    Item item{*std::exchange(fragmented_, std::nullopt), std::exchange(message_, {})};
    if (item.opcode == WebSocketOpcode::text && !valid_utf8(item.payload)) {
      return std::unexpected(Violation{close_code::bad_data, "a text message is not UTF-8"});
    }
    return item;
  }
}

std::expected<WebSocket::Close, WebSocketDecoder::Violation> parse_close(std::string_view payload) {
  constexpr std::uint16_t kNone = 1005;
  if (payload.empty()) return WebSocket::Close{kNone, ""};
  if (payload.size() < 2) return std::unexpected(protocol_error("a close code is cut"));
  const auto code = static_cast<std::uint16_t>(big_endian(payload.substr(0, 2)));
  const bool assigned = (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014);
  if (!assigned && (code < 3000 || code > 4999)) {
    return std::unexpected(protocol_error("a close code that must not be sent"));
  }
  if (!valid_utf8(payload.substr(2))) {
    return std::unexpected(
        WebSocketDecoder::Violation{close_code::bad_data, "a close reason is not UTF-8"});
  }
  return WebSocket::Close{code, std::string(payload.substr(2))};
}

bool valid_utf8(std::string_view text) {
  std::size_t i = 0;
  while (i < text.size()) {
    const auto lead = static_cast<unsigned char>(text[i]);
    if (lead < 0x80) {
      ++i;
      continue;
    }
    const int more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
    if (lead < 0xc2 || lead > 0xf4 || text.size() - i <= static_cast<std::size_t>(more)) {
      return false;
    }
    std::uint32_t point = lead & (0x3f >> more);
    for (int k = 1; k <= more; ++k) {
      const auto next = static_cast<unsigned char>(text[i + static_cast<std::size_t>(k)]);
      if ((next & 0xc0) != 0x80) return false;
      point = point << 6 | (next & 0x3f);
    }
    constexpr std::array<std::uint32_t, 4> kLeast{0, 0x80, 0x800, 0x10000};
    if (point < kLeast[static_cast<std::size_t>(more)] || point > 0x10ffff ||
        (point >= 0xd800 && point <= 0xdfff)) {
      return false;
    }
    i += static_cast<std::size_t>(more) + 1;
  }
  return true;
}

}  // namespace ruche::net
