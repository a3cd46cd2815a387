// Strong types for sizes, durations and times. JSON: sizes `_bytes`, durations `_ms` (integers),
// times RFC 3339 UTC text.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

namespace ruche {

struct Bytes {
  std::int64_t count = 0;
  friend auto operator<=>(Bytes, Bytes) = default;
  friend Bytes operator+(Bytes a, Bytes b) { return {a.count + b.count}; }
  friend Bytes operator-(Bytes a, Bytes b) { return {a.count - b.count}; }
  Bytes& operator+=(Bytes b) {
    count += b.count;
    return *this;
  }
  Bytes& operator-=(Bytes b) {
    count -= b.count;
    return *this;
  }
};
constexpr Bytes kib(std::int64_t n) { return {n << 10}; }
constexpr Bytes mib(std::int64_t n) { return {n << 20}; }
constexpr Bytes gib(std::int64_t n) { return {n << 30}; }

// "512 MiB", "1.5 GiB": for people.
std::string to_text(Bytes size);
// "512MiB", "10TiB", "4G" (= GiB), "1048576", "1.5GiB"; the error is a sentence.
std::expected<Bytes, std::string> parse_bytes(std::string_view text);

using Duration = std::chrono::milliseconds;
std::string to_text(Duration duration);  // "1.5 s", "3 min 20 s"
// "500ms", "30s", "5m", "2h", "7d"; a bare number is seconds.
std::expected<Duration, std::string> parse_duration(std::string_view text);

// Monotonic time that goes on during suspend (CLOCK_BOOTTIME), microseconds since an arbitrary
// start.
struct Instant {
  std::chrono::microseconds since_start{0};
  friend auto operator<=>(Instant, Instant) = default;
  friend Instant operator+(Instant a, std::chrono::microseconds d) { return {a.since_start + d}; }
  friend std::chrono::microseconds operator-(Instant a, Instant b) {
    return a.since_start - b.since_start;
  }
};

// Wall-clock time in milliseconds since 1970-01-01T00:00:00Z. May jump; never used for deadlines.
struct Timestamp {
  std::int64_t unix_ms = 0;
  friend auto operator<=>(Timestamp, Timestamp) = default;
};
std::string to_rfc3339(Timestamp time);  // 2026-01-02T03:04:05.678Z
std::expected<Timestamp, std::string> parse_rfc3339(std::string_view text);

}  // namespace ruche
