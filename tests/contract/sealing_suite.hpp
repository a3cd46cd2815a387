// What every sealing keeps.
#pragma once

#include <gmock/gmock.h>

#include "ports/sealing.hpp"

namespace ruche::contract {

// Harness: sealing(), other() of another host.
template <class Harness>
class SealingContract : public testing::Test {
 protected:
  using Text = Secret<std::string>;
  std::string seal(const std::string& text) { return harness_.sealing().seal(Text(text)); }
  Harness harness_;
};
TYPED_TEST_SUITE_P(SealingContract);

TYPED_TEST_P(SealingContract, WhatWasSealedIsOpened) {
  for (const std::string& text :
       {std::string(), std::string("x"), std::string("a\0b", 3), std::string(64 << 10, '\n')}) {
    const auto opened = this->harness_.sealing().open(this->seal(text));
    ASSERT_TRUE(opened);
    EXPECT_EQ(opened->reveal(), text);
  }
}

TYPED_TEST_P(SealingContract, NothingOfItIsSeen) {
  const auto sealed = this->seal("correct horse");
  EXPECT_EQ(sealed.find("horse"), std::string::npos);
  EXPECT_NE(sealed, this->seal("correct horse")) << "equal secrets do not look equal";
  EXPECT_LT(this->seal(std::string(3000, 'a')).size(), 4200U);
}

TYPED_TEST_P(SealingContract, NobodyElseOpensIt) {
  EXPECT_FALSE(this->harness_.other().open(this->seal("correct horse")));
}

TYPED_TEST_P(SealingContract, NonsenseIsNotOpened) {
  auto sealed = this->seal("correct horse");
  EXPECT_FALSE(this->harness_.sealing().open("nonsense"));
  EXPECT_FALSE(this->harness_.sealing().open(sealed.substr(0, 9)));
  EXPECT_FALSE(this->harness_.sealing().open(sealed + "!"));
}

REGISTER_TYPED_TEST_SUITE_P(SealingContract, WhatWasSealedIsOpened, NothingOfItIsSeen,
                            NobodyElseOpensIt, NonsenseIsNotOpened);

}  // namespace ruche::contract
