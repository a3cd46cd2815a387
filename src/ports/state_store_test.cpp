#include "ports/state_store.hpp"

#include <gtest/gtest.h>

namespace ruche::ports {
namespace {

TEST(StateStore, the_end_of_a_prefix_is_the_next_key_that_does_not_have_it) {
  EXPECT_EQ(prefix_end("a/"), "a0");
  EXPECT_EQ(prefix_end("a\xff\xff"), "b");
  EXPECT_EQ(prefix_end("\x7f"), "\x80");
  EXPECT_EQ(prefix_end("\xff\xff"), "");
  EXPECT_EQ(prefix_end(""), "");
  EXPECT_EQ(prefix_end(std::string("a\0", 2)), "a\x01");
}

TEST(StateStore, limits_name_what_they_refuse) {
  Commit commit{"nonce", {}, {Put{"twice", "1"}, Put{"twice", "2"}}};
  try {
    check_limits(commit);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.reason(), Reason::bad_request);
    EXPECT_NE(error.message().find("twice"), std::string::npos);
  }
  EXPECT_THROW(check_lease_ttl(Duration(4'999)), Error);
  EXPECT_NO_THROW(check_lease_ttl(Duration(5'000)));
  EXPECT_THROW(check_watch_start({0}), Error);
}

}  // namespace
}  // namespace ruche::ports
