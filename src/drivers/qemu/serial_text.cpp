#include "drivers/qemu/serial_text.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

namespace ruche::drivers::qemu {

namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

}  // namespace

std::expected<std::string, Error> decode_base64(std::string_view text) {
  const auto refuse = [] {
    return std::unexpected(Error(Reason::hypervisor_failed, "QEMU answered broken base64"));
  };
  if (text.size() % 4 != 0) return refuse();
  std::size_t padding = 0;
  while (padding < 2 && text.ends_with('=')) {
    text.remove_suffix(1);
    ++padding;
  }
  std::string out;
  out.reserve(text.size() * 3 / 4);
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const auto value = kAlphabet.find(c);
    if (value == std::string_view::npos) return refuse();
    bits = (bits << 6) | static_cast<std::uint32_t>(value);
    count += 6;
    if (count >= 8) {
      count -= 8;
      out += static_cast<char>((bits >> count) & 0xff);
    }
  }
  return out;
}

std::size_t overlap(std::string_view before, std::string_view stream) {
  before.remove_prefix(before.size() - std::min(before.size(), stream.size()));
  stream = stream.substr(0, before.size());
  if (stream.empty()) return 0;
  // Knuth-Morris-Pratt: how much of `stream` matches at the end of what was read of `before`.
  std::vector<std::size_t> failure(stream.size(), 0);
  for (std::size_t i = 1, matched = 0; i < stream.size(); ++i) {
    while (matched > 0 && stream[i] != stream[matched]) matched = failure[matched - 1];
    if (stream[i] == stream[matched]) ++matched;
    failure[i] = matched;
  }
  std::size_t matched = 0;
  for (const char c : before) {
    while (matched > 0 && (matched == stream.size() || c != stream[matched])) {
      matched = failure[matched - 1];
    }
    if (c == stream[matched]) ++matched;
  }
  return matched;
}

void keep_tail(std::string& text, std::size_t limit) {
  if (text.size() > limit) text.erase(0, text.size() - limit);
}

}  // namespace ruche::drivers::qemu
