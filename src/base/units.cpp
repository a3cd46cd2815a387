#include "base/units.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>
#include <limits>
#include <optional>

namespace ruche {
namespace {

constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

// A decimal number taken from the front of a text, kept exact: whole + numerator / denominator.
struct Decimal {
  std::int64_t whole = 0;
  std::int64_t numerator = 0;
  std::int64_t denominator = 1;

  // Rounded down; nothing when it does not fit.
  std::optional<std::int64_t> times(std::int64_t factor) const {
    __extension__ typedef __int128 Wide;
    const Wide product =
        static_cast<Wide>(whole) * factor + static_cast<Wide>(numerator) * factor / denominator;
    if (product > kMax) return std::nullopt;
    return static_cast<std::int64_t>(product);
  }
};

// Removes the number from `text`; nothing when there is none or it has more than 18 digits.
std::optional<Decimal> take_decimal(std::string_view& text) {
  Decimal number;
  std::size_t i = 0;
  for (; i < text.size() && is_digit(text[i]); ++i) {
    const int digit = text[i] - '0';
    if (number.whole > (kMax - digit) / 10) return std::nullopt;
    number.whole = number.whole * 10 + digit;
  }
  if (i == 0) return std::nullopt;
  if (i + 1 < text.size() && text[i] == '.' && is_digit(text[i + 1])) {
    for (++i; i < text.size() && is_digit(text[i]); ++i) {
      if (number.denominator > 100'000'000) continue;  // digits beyond the ninth change nothing
      number.numerator = number.numerator * 10 + (text[i] - '0');
      number.denominator *= 10;
    }
  }
  text.remove_prefix(i);
  return number;
}

void skip_spaces(std::string_view& text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
}

}  // namespace

std::string to_text(Bytes size) {
  static constexpr std::array<std::string_view, 7> kUnits = {"B",   "KiB", "MiB", "GiB",
                                                             "TiB", "PiB", "EiB"};
  if (size.count < 0) {
    if (size.count == std::numeric_limits<std::int64_t>::min()) return "-8 EiB";
    return "-" + to_text(Bytes{-size.count});
  }
  if (size.count < 1024) return fmt::format("{} B", size.count);
  std::size_t unit = 1;
  while (unit < 6 && (size.count >> (10 * unit)) >= 1024) ++unit;
  const auto tenths_of = [&](std::size_t u) {
    const std::int64_t one = std::int64_t{1} << (10 * u);
    const std::int64_t whole = size.count / one;
    // Rounded to the nearest tenth without leaving 64 bits.
    const double rest = static_cast<double>(size.count % one) / static_cast<double>(one);
    return whole * 10 + static_cast<std::int64_t>(rest * 10 + 0.5);
  };
  std::int64_t tenths = tenths_of(unit);
  if (tenths >= 10240 && unit < 6) tenths = tenths_of(++unit);
  if (tenths % 10 == 0) return fmt::format("{} {}", tenths / 10, kUnits[unit]);
  return fmt::format("{}.{} {}", tenths / 10, tenths % 10, kUnits[unit]);
}

std::expected<Bytes, std::string> parse_bytes(std::string_view text) {
  const auto bad = [&](std::string_view why) {
    return std::unexpected(fmt::format(
        "\"{}\" is not a size: {}; write for example 512MiB, 1.5GiB or 1048576", text, why));
  };
  std::string_view rest = text;
  skip_spaces(rest);
  const auto number = take_decimal(rest);
  if (!number) return bad("it does not begin with a number that fits");
  skip_spaces(rest);
  const std::string unit = lower(rest);
  static constexpr std::string_view kPrefixes = "kmgtpe";
  int shift = 0;
  if (!unit.empty() && unit != "b") {
    const auto prefix = kPrefixes.find(unit.front());
    const std::string tail = unit.substr(1);
    if (prefix == std::string_view::npos || (tail != "" && tail != "ib" && tail != "b")) {
      return bad("the unit is unknown");
    }
    if (tail == "b") return bad("units of 1000 are not used, KiB, MiB, GiB and TiB are");
    shift = 10 * (static_cast<int>(prefix) + 1);
  } else if (number->numerator != 0) {
    return bad("there is no part of a byte");
  }
  const auto count = number->times(std::int64_t{1} << shift);
  if (!count) return bad("it is too large");
  return Bytes{*count};
}

std::string to_text(Duration duration) {
  const std::int64_t ms = duration.count();
  if (ms < 0) {
    if (ms == std::numeric_limits<std::int64_t>::min()) return "-forever";
    return "-" + to_text(Duration(-ms));
  }
  if (ms < 1000) return fmt::format("{} ms", ms);
  const std::int64_t tenths = ms / 100;
  if (ms < 60'000) {
    return tenths % 10 == 0 ? fmt::format("{} s", tenths / 10)
                            : fmt::format("{}.{} s", tenths / 10, tenths % 10);
  }
  const auto two = [](std::int64_t large, std::string_view large_unit, std::int64_t small,
                      std::string_view small_unit) {
    return small == 0 ? fmt::format("{} {}", large, large_unit)
                      : fmt::format("{} {} {} {}", large, large_unit, small, small_unit);
  };
  const std::int64_t seconds = ms / 1000;
  if (seconds < 3600) return two(seconds / 60, "min", seconds % 60, "s");
  if (seconds < 86'400) return two(seconds / 3600, "h", seconds / 60 % 60, "min");
  return two(seconds / 86'400, "d", seconds / 3600 % 24, "h");
}

std::expected<Duration, std::string> parse_duration(std::string_view text) {
  const auto bad = [&](std::string_view why) {
    return std::unexpected(fmt::format(
        "\"{}\" is not a duration: {}; write for example 500ms, 30s, 5m, 2h, 7d or 1h30m", text,
        why));
  };
  const auto factor_of = [](std::string_view unit) -> std::int64_t {
    if (unit == "ms") return 1;
    if (unit == "s" || unit == "") return 1000;
    if (unit == "m" || unit == "min") return 60'000;
    if (unit == "h") return 3'600'000;
    if (unit == "d") return 86'400'000;
    return 0;
  };
  std::string_view rest = text;
  std::int64_t total = 0;
  bool first = true;
  for (skip_spaces(rest); first || !rest.empty(); skip_spaces(rest)) {
    const auto number = take_decimal(rest);
    if (!number) return bad("a number is expected");
    skip_spaces(rest);
    std::size_t length = 0;
    while (length < rest.size() && std::isalpha(static_cast<unsigned char>(rest[length]))) ++length;
    const std::string unit = lower(rest.substr(0, length));
    rest.remove_prefix(length);
    const std::int64_t factor = factor_of(unit);
    if (factor == 0) return bad("the unit is unknown");
    if (unit.empty() && (!first || !rest.empty())) return bad("a part has no unit");
    const auto part = number->times(factor);
    if (!part || total > kMax - *part) return bad("it is too long");
    total += *part;
    first = false;
  }
  return Duration(total);
}

namespace {

constexpr std::int64_t kDayMs = 86'400'000;

std::optional<int> take_digits(std::string_view& text, std::size_t count) {
  if (text.size() < count) return std::nullopt;
  int value = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (!is_digit(text[i])) return std::nullopt;
    value = value * 10 + (text[i] - '0');
  }
  text.remove_prefix(count);
  return value;
}

bool take(std::string_view& text, std::string_view one_of) {
  if (text.empty() || one_of.find(text.front()) == std::string_view::npos) return false;
  text.remove_prefix(1);
  return true;
}

// Milliseconds since midnight of "HH:MM:SS[.fff…]".
std::optional<std::int64_t> take_time(std::string_view& rest) {
  const auto hour = take_digits(rest, 2);
  if (!hour || !take(rest, ":")) return std::nullopt;
  const auto minute = take_digits(rest, 2);
  if (!minute || !take(rest, ":")) return std::nullopt;
  const auto second = take_digits(rest, 2);
  // A leap second reads as the first moment of the next minute.
  if (!second || *hour > 23 || *minute > 59 || *second > 60) return std::nullopt;
  std::int64_t ms = ((*hour * 60 + *minute) * 60 + *second) * std::int64_t{1000};
  if (take(rest, ".")) {
    std::int64_t scale = 100;
    if (rest.empty() || !is_digit(rest.front())) return std::nullopt;
    for (; !rest.empty() && is_digit(rest.front()); rest.remove_prefix(1), scale /= 10) {
      ms += (rest.front() - '0') * scale;
    }
  }
  return ms;
}

// Minutes east of UTC of "Z" or "+HH:MM".
std::optional<int> take_zone(std::string_view& rest) {
  if (take(rest, "Zz")) return 0;
  const bool west = !rest.empty() && rest.front() == '-';
  if (!take(rest, "+-")) return std::nullopt;
  const auto hours = take_digits(rest, 2);
  if (!hours || !take(rest, ":")) return std::nullopt;
  const auto minutes = take_digits(rest, 2);
  if (!minutes || *hours > 23 || *minutes > 59) return std::nullopt;
  return (west ? -1 : 1) * (*hours * 60 + *minutes);
}

constexpr std::int64_t days_of(int year, unsigned month, unsigned day) {
  return std::chrono::sys_days(std::chrono::year(year) / month / day).time_since_epoch().count();
}
// RFC 3339 writes years with four digits.
constexpr std::int64_t kFirstMs = days_of(0, 1, 1) * kDayMs;
constexpr std::int64_t kLastMs = days_of(9999, 12, 31) * kDayMs + kDayMs - 1;

}  // namespace

std::string to_rfc3339(Timestamp time) {
  const std::int64_t ms = std::clamp(time.unix_ms, kFirstMs, kLastMs);
  const std::int64_t day = ms >= 0 ? ms / kDayMs : -((-ms + kDayMs - 1) / kDayMs);
  const std::int64_t rest = ms - day * kDayMs;
  const std::chrono::year_month_day date{std::chrono::sys_days(std::chrono::days(day))};
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", int(date.year()),
                     unsigned(date.month()), unsigned(date.day()), rest / 3'600'000,
                     rest / 60'000 % 60, rest / 1000 % 60, rest % 1000);
}

std::expected<Timestamp, std::string> parse_rfc3339(std::string_view text) {
  const auto bad = std::unexpected(
      fmt::format("\"{}\" is not a time; write for example 2026-01-02T03:04:05Z (RFC 3339)", text));
  std::string_view rest = text;
  const auto year = take_digits(rest, 4);
  if (!year || !take(rest, "-")) return bad;
  const auto month = take_digits(rest, 2);
  if (!month || !take(rest, "-")) return bad;
  const auto day = take_digits(rest, 2);
  if (!day || !take(rest, "Tt ")) return bad;
  const auto date =
      std::chrono::year(*year) / static_cast<unsigned>(*month) / static_cast<unsigned>(*day);
  if (!date.ok()) return bad;
  const auto in_day = take_time(rest);
  if (!in_day) return bad;
  const auto zone = take_zone(rest);
  if (!zone || !rest.empty()) return bad;
  const std::int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  const std::int64_t ms = days * kDayMs + *in_day - *zone * std::int64_t{60'000};
  if (ms < kFirstMs || ms > kLastMs) return bad;
  return Timestamp{ms};
}

}  // namespace ruche
