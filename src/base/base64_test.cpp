#include "base/base64.hpp"

#include <gtest/gtest.h>

namespace ruche {
namespace {

TEST(Base64, writes_the_vectors_of_rfc_4648) {
  const std::pair<const char*, const char*> vectors[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"}};
  for (const auto& [bytes, text] : vectors) {
    EXPECT_EQ(to_base64(bytes), text);
    EXPECT_EQ(parse_base64(text), bytes);
  }
}

TEST(Base64, reads_back_every_byte) {
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes.push_back(static_cast<char>(i));
  for (int cut = 0; cut < 3; ++cut) {
    const std::string part = bytes.substr(static_cast<std::size_t>(cut));
    EXPECT_EQ(parse_base64(to_base64(part)), part);
  }
}

TEST(Base64, refuses_what_it_would_not_have_written) {
  for (const char* text :
       {"Z", "Zg=", "Zg", "Zh==", "Zm9=", "====", "Z===", "Zg==Zg==", "Zm 9", "Zm9-", "=Zm9"}) {
    EXPECT_FALSE(parse_base64(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace ruche
