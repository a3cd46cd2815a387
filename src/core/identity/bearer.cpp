#include "core/identity/bearer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/sha256.hpp"

namespace ruche::core {

namespace {

constexpr std::size_t kIdDigits = 32;
constexpr std::size_t kSecretDigits = 64;

bool is_hex(std::string_view text) {
  return std::ranges::all_of(
      text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

}  // namespace

Secret<std::string> new_secret(Random& random) {
  std::array<std::uint8_t, kSecretDigits / 2> bytes{};
  random.fill(bytes);
  std::string text;
  text.reserve(kSecretDigits);
  for (const auto byte : bytes) text += fmt::format("{:02x}", byte);
  return Secret<std::string>(std::move(text));
}

std::string bearer_text(const Bearer& bearer) {
  std::string id = to_text(bearer.id);
  std::erase(id, '-');
  const auto* prefix = bearer.kind == BearerKind::session ? "rs" : "rt";
  return fmt::format("{}_{}_{}", prefix, id, bearer.secret.reveal());
}

std::optional<Bearer> parse_bearer(std::string_view text) {
  if (text.size() != 3 + kIdDigits + 1 + kSecretDigits) return std::nullopt;
  Bearer bearer;
  if (text.starts_with("rt_")) {
    bearer.kind = BearerKind::token;
  } else if (!text.starts_with("rs_")) {
    return std::nullopt;
  }
  const auto digits = text.substr(3, kIdDigits);
  const auto secret = text.substr(3 + kIdDigits + 1);
  if (text[3 + kIdDigits] != '_' || !is_hex(digits) || !is_hex(secret)) return std::nullopt;
  const auto id =
      parse_uuid(fmt::format("{}-{}-{}-{}-{}", digits.substr(0, 8), digits.substr(8, 4),
                             digits.substr(12, 4), digits.substr(16, 4), digits.substr(20)));
  if (!id) return std::nullopt;
  bearer.id = *id;
  bearer.secret = Secret<std::string>(std::string(secret));
  return bearer;
}

Secret<std::string> hash_of(const Secret<std::string>& secret) {
  const auto& text = secret.reveal();
  Sha256 sum;
  sum.add(std::span(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()));
  return Secret<std::string>(sum.hex());
}

bool same_hash(const Secret<std::string>& a, const Secret<std::string>& b) {
  const auto& x = a.reveal();
  const auto& y = b.reveal();
  if (x.size() != y.size()) return false;
  unsigned difference = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    difference |= static_cast<unsigned>(static_cast<unsigned char>(x[i] ^ y[i]));
  }
  return difference == 0;
}

}  // namespace ruche::core
