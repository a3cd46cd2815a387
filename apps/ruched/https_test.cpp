#include "ruched/https.hpp"

#include <gtest/gtest.h>

namespace ruche::apps {
namespace {

std::string listen_text(const std::string& given) {
  const auto parsed = parse_listen(given);
  if (!parsed) return "refused";
  if (!*parsed) return "none";
  return (*parsed)->address + " " + std::to_string((*parsed)->port);
}

TEST(Listen, TakesWhatAdministratorsWrite) {
  EXPECT_EQ(listen_text("none"), "none");
  EXPECT_EQ(listen_text(":9443"), ":: 9443");
  EXPECT_EQ(listen_text("*:9443"), ":: 9443");
  EXPECT_EQ(listen_text("9443"), ":: 9443");
  EXPECT_EQ(listen_text("127.0.0.1:0"), "127.0.0.1 0");
  EXPECT_EQ(listen_text("[::1]:9443"), "::1 9443");
  for (const char* bad : {"", "localhost:9443", "127.0.0.1", "127.0.0.1:", "127.0.0.1:99999",
                          "::1:9443", "[::1]", "300.0.0.1:1", "127.0.0.1:-1", "127.0.0.1:1x"}) {
    EXPECT_EQ(listen_text(bad), "refused") << bad;
  }
}

}  // namespace
}  // namespace ruche::apps
