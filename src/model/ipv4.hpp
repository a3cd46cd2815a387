// IPv4 addresses and prefixes as numbers, host byte order.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ruche::model {

struct Ipv4 {
  std::uint32_t number = 0;
  friend auto operator<=>(const Ipv4&, const Ipv4&) = default;
};
// "10.1.2.3", nothing more; nullopt for anything else.
std::optional<Ipv4> parse_ipv4(std::string_view text);
std::string to_text(Ipv4 address);

struct Ipv4Prefix {
  Ipv4 base;  // the bits behind the length are zero
  std::uint32_t length = 0;
  friend bool operator==(const Ipv4Prefix&, const Ipv4Prefix&) = default;

  std::uint32_t mask() const { return length == 0 ? 0 : ~std::uint32_t{0} << (32 - length); }
  bool contains(Ipv4 address) const { return (address.number & mask()) == base.number; }
  bool overlaps(const Ipv4Prefix& other) const {
    return contains(other.base) || other.contains(base);
  }
  Ipv4 last() const { return {base.number | ~mask()}; }
};
// "10.1.2.0/24"; nullopt also when bits behind the length are set.
std::optional<Ipv4Prefix> parse_prefix(std::string_view text);
std::string to_text(const Ipv4Prefix& prefix);

}  // namespace ruche::model
