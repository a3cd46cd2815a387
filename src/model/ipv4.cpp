#include "model/ipv4.hpp"

#include <fmt/format.h>

#include <charconv>

namespace ruche::model {

namespace {

// A decimal number without sign and leading zeros; what inet_aton(3) reads as octal is refused.
std::optional<std::uint32_t> number(std::string_view text, std::uint32_t most) {
  if (text.empty() || text.size() > 3 || (text.size() > 1 && text.front() == '0')) {
    return std::nullopt;
  }
  std::uint32_t value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc() || end != text.data() + text.size() || value > most) {
    return std::nullopt;
  }
  return value;
}

}  // namespace

std::optional<Ipv4> parse_ipv4(std::string_view text) {
  Ipv4 address;
  for (int i = 0; i < 4; ++i) {
    const auto dot = i < 3 ? text.find('.') : text.size();
    if (dot == std::string_view::npos) return std::nullopt;
    const auto part = number(text.substr(0, dot), 255);
    if (!part) return std::nullopt;
    address.number = (address.number << 8) | *part;
    text.remove_prefix(i < 3 ? dot + 1 : dot);
  }
  return address;
}

std::string to_text(Ipv4 address) {
  const auto n = address.number;
  return fmt::format("{}.{}.{}.{}", n >> 24, (n >> 16) & 255, (n >> 8) & 255, n & 255);
}

std::optional<Ipv4Prefix> parse_prefix(std::string_view text) {
  const auto slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto base = parse_ipv4(text.substr(0, slash));
  const auto length = number(text.substr(slash + 1), 32);
  if (!base || !length) return std::nullopt;
  const Ipv4Prefix prefix{*base, *length};
  if ((base->number & ~prefix.mask()) != 0) return std::nullopt;
  return prefix;
}

std::string to_text(const Ipv4Prefix& prefix) {
  return fmt::format("{}/{}", to_text(prefix.base), prefix.length);
}

}  // namespace ruche::model
