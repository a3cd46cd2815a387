#include "model/ipv4.hpp"

#include <gtest/gtest.h>

namespace ruche::model {
namespace {

TEST(Ipv4, AddressesGoBothWays) {
  for (const char* text : {"0.0.0.0", "10.1.2.3", "192.168.255.1", "255.255.255.255"}) {
    const auto parsed = parse_ipv4(text);
    ASSERT_TRUE(parsed) << text;
    EXPECT_EQ(to_text(*parsed), text);
  }
}

TEST(Ipv4, WhatIsNoAddressIsRefused) {
  for (const char* text : {"", "1", "1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", "1.2.3.4 ",
                           " 1.2.3.4", "1..2.3", "+1.2.3.4", "a.b.c.d", "1.2.3.-4", "0x1.2.3.4"}) {
    EXPECT_FALSE(parse_ipv4(text)) << text;
  }
}

TEST(Ipv4, PrefixesHaveNoBitsBehindTheirLength) {
  EXPECT_EQ(to_text(*parse_prefix("10.1.16.0/20")), "10.1.16.0/20");
  EXPECT_EQ(to_text(*parse_prefix("0.0.0.0/0")), "0.0.0.0/0");
  for (const char* text : {"10.1.1.1/24", "10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/08"}) {
    EXPECT_FALSE(parse_prefix(text)) << text;
  }
}

TEST(Ipv4, PrefixesOverlapWhenOneHoldsTheOther) {
  const auto wide = *parse_prefix("10.0.0.0/8"), narrow = *parse_prefix("10.1.16.0/20");
  EXPECT_TRUE(wide.overlaps(narrow));
  EXPECT_TRUE(narrow.overlaps(wide));
  EXPECT_FALSE(narrow.overlaps(*parse_prefix("10.1.32.0/20")));
  EXPECT_TRUE(narrow.contains(*parse_ipv4("10.1.31.255")));
  EXPECT_FALSE(narrow.contains(*parse_ipv4("10.1.32.0")));
  EXPECT_EQ(to_text(narrow.last()), "10.1.31.255");
}

}  // namespace
}  // namespace ruche::model
