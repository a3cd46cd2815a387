// The parts that read what others wrote.
#include <gtest/gtest.h>

#include "drivers/bridge/chains.hpp"
#include "drivers/bridge/listeners.hpp"
#include "drivers/bridge/names.hpp"

namespace ruche::drivers::bridge {
namespace {

constexpr std::string_view kChains = R"({"nftables": [
  {"metainfo": {"version": "1.0.6", "json_schema_version": 1}},
  {"chain": {"family": "ip", "table": "filter", "name": "FORWARD", "handle": 1, "type": "filter",
             "hook": "forward", "prio": 0, "policy": "drop"}},
  {"chain": {"family": "ip", "table": "filter", "name": "DOCKER", "handle": 2}},
  {"chain": {"family": "inet", "table": "ruche-01234567-0a8c1001", "name": "through", "handle": 1,
             "type": "filter", "hook": "forward", "prio": 0, "policy": "accept"}}]})";

TEST(Chains, AForeignPolicyOfDropIsNoticed) {
  const auto chains = parse_chains(kChains);
  ASSERT_TRUE(chains.has_value()) << chains.error().full_message();
  EXPECT_EQ(chains->size(), 3u);
  const auto notices = firewall_notices(*chains, "ruche-01234567-", "rb012340a8c1001");
  ASSERT_EQ(notices.size(), 1u);
  EXPECT_NE(notices[0].find("FORWARD of table ip filter"), std::string::npos) << notices[0];
  EXPECT_TRUE(has_table(*chains, "inet", "ruche-01234567-0a8c1001"));
  EXPECT_FALSE(has_table(*chains, "bridge", "ruche-01234567-0a8c1001"));
}

TEST(Chains, NonsenseIsRefused) {
  for (const char* text :
       {"", "{", "[]", R"({"nftables": 1})", R"({"nftables": [{"chain": 7}]})"}) {
    EXPECT_FALSE(parse_chains(text).has_value()) << text;
  }
  EXPECT_TRUE(parse_chains(R"({"nftables": []})").has_value());
}

TEST(Listeners, OnlyThoseThatWaitCount) {
  const std::string_view text =
      "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout "
      "inode\n"
      "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0 0 4711 1\n"
      "   1: 0100007F:1F91 0100007F:0050 01 00000000:00000000 00:00000000 00000000     0 0 4712 1\n"
      "   2: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0 0 4713 1\n"
      "nonsense\n   3: zz:zz 0 0A 0 0 0 0 0 0\n";
  const auto sockets = waiting_sockets(text, model::Protocol::tcp, false);
  ASSERT_EQ(sockets.size(), 2u);
  EXPECT_EQ(sockets[0].port, 8080);
  EXPECT_EQ(sockets[0].inode, 4711u);
  ASSERT_TRUE(sockets[0].address.has_value());
  EXPECT_EQ(to_text(*sockets[0].address), "127.0.0.1");
  EXPECT_EQ(sockets[1].port, 22);
  EXPECT_FALSE(sockets[1].address.has_value());
}

TEST(Names, FitIntoAnInterface) {
  const Names names("0123456789");
  EXPECT_EQ(names.bridge("10.140.16.1"), "rb012340a8c1001");
  EXPECT_EQ(names.tap("255.255.255.254"), "rt01234fffffffe");
  EXPECT_LE(names.tap("255.255.255.254").size(), 15u);
}

TEST(Names, PatternsCoverASubnetAndNothingElse) {
  const Names names("01234567");
  EXPECT_EQ(names.taps_of(*model::parse_prefix("10.140.16.0/20")),
            std::vector<std::string>{"rt012340a8c1"});
  EXPECT_EQ(names.taps_of(*model::parse_prefix("10.20.0.0/24")),
            std::vector<std::string>{"rt012340a1400"});
  const std::vector<std::string> four{"rt01234ac1804", "rt01234ac1805", "rt01234ac1806",
                                      "rt01234ac1807"};
  EXPECT_EQ(names.taps_of(*model::parse_prefix("172.24.4.0/22")), four);
  EXPECT_EQ(names.taps_of(*model::parse_prefix("10.20.0.8/29")).size(), 8u);
}

}  // namespace
}  // namespace ruche::drivers::bridge
