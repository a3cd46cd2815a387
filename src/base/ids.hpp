// Identifiers: UUIDv7 (RFC 9562 section 5.7), sortable by creation time, one strong type per
// object.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/units.hpp"

namespace ruche {

class Random;

struct Uuid {
  std::array<std::uint8_t, 16> bytes{};
  friend auto operator<=>(const Uuid&, const Uuid&) = default;
  bool is_nil() const { return *this == Uuid{}; }
};
Uuid make_uuid7(Timestamp now, Random& random);
std::string to_text(const Uuid& uuid);  // lower case, 36 characters
std::optional<Uuid> parse_uuid(std::string_view text);

// Tag is the described type or an empty struct; Id<A> and Id<B> do not mix.
template <class Tag>
struct Id {
  Uuid value;
  friend auto operator<=>(const Id&, const Id&) = default;
  bool is_nil() const { return value.is_nil(); }
};
template <class Tag>
std::string to_text(const Id<Tag>& id) {
  return to_text(id.value);
}

// [a-z0-9][a-z0-9-]{0,62}
bool is_valid_name(std::string_view name);

}  // namespace ruche

template <class Tag>
struct std::hash<ruche::Id<Tag>> {
  std::size_t operator()(const ruche::Id<Tag>& id) const noexcept {
    std::size_t h = 0;
    for (auto b : id.value.bytes) h = h * 131 + b;
    return h;
  }
};
