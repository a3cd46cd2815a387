#include "drivers/bridge/names.hpp"

#include <fmt/format.h>

#include "base/error.hpp"

namespace ruche::drivers::bridge {

namespace {

std::string digits(std::string_view address) {
  const auto parsed = model::parse_ipv4(address);
  if (!parsed) throw Error(Reason::bad_spec, fmt::format("'{}' is no IPv4 address", address));
  return fmt::format("{:08x}", parsed->number);
}

}  // namespace

std::string Names::bridge(std::string_view gateway) const {
  return "rb" + label_.substr(0, 5) + digits(gateway);
}
std::string Names::tap(std::string_view address) const {
  return "rt" + label_.substr(0, 5) + digits(address);
}
std::vector<std::string> Names::taps_of(const model::Ipv4Prefix& subnet) const {
  // A digit is four bits: a length between two of them takes several patterns.
  const auto whole = (subnet.length + 3) / 4;
  const auto spread = 1U << (whole * 4 - subnet.length);
  std::vector<std::string> patterns;
  for (std::uint32_t i = 0; i < spread; ++i) {
    const auto first = subnet.base.number + (whole == 8 ? i : i << (32 - whole * 4));
    const auto text = fmt::format("{:08x}", first);
    patterns.push_back("rt" + label_.substr(0, 5) + text.substr(0, whole));
  }
  return patterns;
}
std::string Names::table(std::string_view gateway) const {
  return table_prefix() + digits(gateway);
}
std::string Names::mark(std::string_view what) const {
  return fmt::format("{}{}", mark_prefix(), what);
}

}  // namespace ruche::drivers::bridge
