#include "core/identity/lockout.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/stepped_loop.hpp"
#include "core/identity/bearer.hpp"

namespace ruche::core {
namespace {

class LockoutTest : public testing::Test {
 protected:
  // How long it has to wait; zero: it may try.
  Duration attempt(const std::string& user, const std::string& address) {
    try {
      lockout_.begin(user, address);
    } catch (const LockedOut& locked) {
      return locked.retry_after;
    }
    return {};
  }
  void fail(int times, const std::string& user, const std::string& address) {
    for (int n = 0; n < times; ++n) EXPECT_EQ(attempt(user, address), Duration{}) << n;
  }
  void wait(Duration time) { loop_.run(sleep_for(loop_.clock(), time)); }

  SteppedLoop loop_;
  Lockout lockout_{loop_.clock()};
};

TEST_F(LockoutTest, EveryFailureBeyondTheFreeOnesDoublesTheWait) {
  fail(Lockout::kFreeByUser, "alice", "a");
  for (const int seconds : {1, 2, 4, 8, 16}) {
    EXPECT_EQ(attempt("alice", "b"), Duration{seconds * 1000});
    wait(Duration{seconds * 1000 + 1});
    EXPECT_EQ(attempt("alice", "b"), Duration{});
  }
  for (int n = 0; n < 20; ++n) {
    wait(Lockout::kLongestWait + Duration{1});
    attempt("alice", "b");
  }
  EXPECT_EQ(attempt("alice", "b"), Lockout::kLongestWait);
}

TEST_F(LockoutTest, SuccessAndTimeForget) {
  fail(Lockout::kFreeByUser - 1, "alice", "a");
  lockout_.succeeded("alice", "a");
  fail(Lockout::kFreeByUser, "alice", "a");
  EXPECT_NE(attempt("alice", "a"), Duration{});
  wait(Lockout::kForget + Duration{1});
  fail(Lockout::kFreeByUser, "alice", "a");
}

TEST_F(LockoutTest, WhatCouldNotBeCheckedDoesNotCount) {
  for (int n = 0; n < 100; ++n) {
    EXPECT_EQ(attempt("alice", "a"), Duration{});
    lockout_.abandoned("alice", "a");
  }
}

TEST_F(LockoutTest, TablesAreBounded) {
  for (std::size_t n = 0; n < Lockout::kMostEntries + 100; ++n) {
    lockout_.begin(fmt::format("user{}", n), fmt::format("address{}", n));
  }
  fail(Lockout::kFreeByUser, "alice", "a");
  EXPECT_NE(attempt("alice", "a"), Duration{});
}

TEST(BearerTest, TextsAreReadBackAndNothingElseIs) {
  const auto random = seeded_random(1);
  Bearer made{BearerKind::token, make_uuid7({1000}, *random), new_secret(*random)};
  const auto text = bearer_text(made);
  const auto read = parse_bearer(text);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->kind, BearerKind::token);
  EXPECT_EQ(read->id, made.id);
  EXPECT_TRUE(same_hash(hash_of(read->secret), hash_of(made.secret)));
  for (std::size_t i = 0; i < text.size(); ++i) {
    auto bad = text;
    bad[i] = '!';
    EXPECT_FALSE(parse_bearer(bad)) << bad;
    EXPECT_FALSE(parse_bearer(std::string_view(text).substr(0, i)));
  }
  EXPECT_FALSE(parse_bearer(text + "0"));
}

}  // namespace
}  // namespace ruche::core
