#include "base/sha256.hpp"

#include <gtest/gtest.h>

#include <string_view>

namespace ruche {
namespace {

std::string hash_of(std::string_view text) {
  Sha256 hash;
  const auto* data = reinterpret_cast<const std::uint8_t*>(text.data());
  // In two pieces, so that the state in between is carried.
  hash.add({data, text.size() / 2});
  hash.add({data + text.size() / 2, text.size() - text.size() / 2});
  return hash.hex();
}

TEST(Sha256, PublishedVectors) {
  EXPECT_EQ(hash_of(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(hash_of("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hash_of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

}  // namespace
}  // namespace ruche
