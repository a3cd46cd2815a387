#include "base/units.hpp"

#include <gtest/gtest.h>

namespace ruche {
namespace {

TEST(BytesTest, ToText) {
  EXPECT_EQ(to_text(Bytes{0}), "0 B");
  EXPECT_EQ(to_text(Bytes{1023}), "1023 B");
  EXPECT_EQ(to_text(kib(1)), "1 KiB");
  EXPECT_EQ(to_text(mib(512)), "512 MiB");
  EXPECT_EQ(to_text(Bytes{1536 << 20}), "1.5 GiB");
  EXPECT_EQ(to_text(gib(10 << 10)), "10 TiB");
  EXPECT_EQ(to_text(Bytes{gib(1).count - 1}), "1 GiB") << "rounding reaches the next unit";
  EXPECT_EQ(to_text(Bytes{INT64_MAX}), "8 EiB");
  EXPECT_EQ(to_text(Bytes{-2048}), "-2 KiB");
  EXPECT_EQ(to_text(Bytes{INT64_MIN}), "-8 EiB");
}

std::int64_t bytes(std::string_view text) {
  const auto parsed = parse_bytes(text);
  return parsed ? parsed->count : -1;
}

TEST(BytesTest, Parse) {
  EXPECT_EQ(bytes("0"), 0);
  EXPECT_EQ(bytes("1048576"), 1048576);
  EXPECT_EQ(bytes("17B"), 17);
  EXPECT_EQ(bytes("512MiB"), 512 << 20);
  EXPECT_EQ(bytes("4G"), std::int64_t{4} << 30);
  EXPECT_EQ(bytes("4g"), std::int64_t{4} << 30);
  EXPECT_EQ(bytes("10TiB"), std::int64_t{10} << 40);
  EXPECT_EQ(bytes("1.5GiB"), std::int64_t{3} << 29);
  EXPECT_EQ(bytes("0.1KiB"), 102);
  EXPECT_EQ(bytes(" 2 MiB"), 2 << 20);
  EXPECT_EQ(bytes("0.1234567890123456789GiB"), 132560717) << "digits beyond the ninth are dropped";
  EXPECT_EQ(bytes("9223372036854775807"), INT64_MAX);
  for (const char* bad : {"", "GiB", "-1", "1.5", "1.", "4GB", "4MB", "1ZiB", "1GiBs", "1 GiB x",
                          "9223372036854775808", "8EiB", "99999999999999999999", "1e3", "0x10"}) {
    EXPECT_EQ(bytes(bad), -1) << bad;
  }
  EXPECT_EQ(parse_bytes("4GB").error(),
            "\"4GB\" is not a size: units of 1000 are not used, KiB, MiB, GiB and TiB are; write "
            "for example 512MiB, 1.5GiB or 1048576");
}

TEST(BytesTest, WhatToTextWritesParses) {
  for (const Bytes size : {Bytes{0}, kib(3), mib(512), gib(7), gib(3 << 10), Bytes{1536 << 20}}) {
    EXPECT_EQ(parse_bytes(to_text(size)), size) << to_text(size);
  }
}

TEST(DurationTest, ToText) {
  EXPECT_EQ(to_text(Duration(0)), "0 ms");
  EXPECT_EQ(to_text(Duration(999)), "999 ms");
  EXPECT_EQ(to_text(Duration(1500)), "1.5 s");
  EXPECT_EQ(to_text(Duration(30'000)), "30 s");
  EXPECT_EQ(to_text(Duration(59'999)), "59.9 s");
  EXPECT_EQ(to_text(Duration(200'000)), "3 min 20 s");
  EXPECT_EQ(to_text(Duration(3'600'000)), "1 h");
  EXPECT_EQ(to_text(Duration(7'500'000)), "2 h 5 min");
  EXPECT_EQ(to_text(Duration(7 * 86'400'000ll)), "7 d");
  EXPECT_EQ(to_text(Duration(-1500)), "-1.5 s");
  EXPECT_FALSE(to_text(Duration::min()).empty());
}

std::int64_t duration(std::string_view text) {
  const auto parsed = parse_duration(text);
  return parsed ? parsed->count() : -1;
}

TEST(DurationTest, Parse) {
  EXPECT_EQ(duration("500ms"), 500);
  EXPECT_EQ(duration("30s"), 30'000);
  EXPECT_EQ(duration("30"), 30'000);
  EXPECT_EQ(duration("1.5s"), 1500);
  EXPECT_EQ(duration("5m"), 300'000);
  EXPECT_EQ(duration("2h"), 7'200'000);
  EXPECT_EQ(duration("7d"), 604'800'000);
  EXPECT_EQ(duration("1h30m"), 5'400'000);
  EXPECT_EQ(duration("3 min 20 s"), 200'000);
  for (const char* bad : {"", "s", "-1s", "1x", "1h30", "30 1h", "1s!", "9223372036854775807d"}) {
    EXPECT_EQ(duration(bad), -1) << bad;
  }
}

TEST(TimestampTest, Writes) {
  EXPECT_EQ(to_rfc3339({0}), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(to_rfc3339({-1}), "1969-12-31T23:59:59.999Z");
  EXPECT_EQ(to_rfc3339({951'782'400'000}), "2000-02-29T00:00:00.000Z");
  EXPECT_EQ(to_rfc3339({1'767'323'045'678}), "2026-01-02T03:04:05.678Z");
  EXPECT_EQ(to_rfc3339({INT64_MAX}), "9999-12-31T23:59:59.999Z");
  EXPECT_EQ(to_rfc3339({INT64_MIN}), "0000-01-01T00:00:00.000Z");
}

std::int64_t time_of(std::string_view text) {
  const auto parsed = parse_rfc3339(text);
  return parsed ? parsed->unix_ms : -7;
}

TEST(TimestampTest, Parses) {
  EXPECT_EQ(time_of("2026-01-02T03:04:05.678Z"), 1'767'323'045'678);
  EXPECT_EQ(time_of("2026-01-02T03:04:05.6789Z"), 1'767'323'045'678);
  EXPECT_EQ(time_of("2026-01-02t03:04:05z"), 1'767'323'045'000);
  EXPECT_EQ(time_of("2026-01-02 04:34:05+01:30"), 1'767'323'045'000);
  EXPECT_EQ(time_of("2026-01-01T22:04:05.5-05:00"), 1'767'323'045'500);
  EXPECT_EQ(time_of("2016-12-31T23:59:60Z"), time_of("2017-01-01T00:00:00Z")) << "leap second";
  for (const char* bad :
       {"", "2026-01-02", "2026-01-02T03:04:05", "2026-13-02T03:04:05Z", "2026-02-29T03:04:05Z",
        "2026-01-02T24:04:05Z", "2026-01-02T03:60:05Z", "2026-01-02T03:04:61Z",
        "2026-01-02T03:04:05.Z", "2026-01-02T03:04:05Zx", "2026-01-02T03:04:05+24:00",
        "0000-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00", "26-01-02T03:04:05Z"}) {
    EXPECT_EQ(time_of(bad), -7) << bad;
  }
}

TEST(TimestampTest, RoundTripsOverTheCenturies) {
  for (std::int64_t ms = -60'000'000'000'000; ms < 250'000'000'000'000; ms += 86'399'123'457) {
    ASSERT_EQ(time_of(to_rfc3339({ms})), ms);
  }
}

}  // namespace
}  // namespace ruche
