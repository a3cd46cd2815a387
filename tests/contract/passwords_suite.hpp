// What every hashing of passwords keeps.
#pragma once

#include <gmock/gmock.h>

#include "base/error.hpp"
#include "ports/passwords.hpp"

namespace ruche::contract {

// Harness: passwords(), run(Async<T>) → T.
template <class Harness>
class PasswordsContract : public testing::Test {
 protected:
  using Text = Secret<std::string>;
  Text hash(const std::string& password) {
    return harness_.run(harness_.passwords().hash(Text(password)));
  }
  bool verify(const Text& hashed, const std::string& password) {
    return harness_.run(harness_.passwords().verify(hashed, Text(password)));
  }
  Harness harness_;
};
TYPED_TEST_SUITE_P(PasswordsContract);

TYPED_TEST_P(PasswordsContract, OnlyThePasswordItselfFits) {
  const auto hashed = this->hash("correct horse");
  EXPECT_TRUE(this->verify(hashed, "correct horse"));
  EXPECT_FALSE(this->verify(hashed, "correct hors"));
  EXPECT_FALSE(this->verify(hashed, ""));
  EXPECT_EQ(hashed.reveal().find("horse"), std::string::npos);
}

TYPED_TEST_P(PasswordsContract, TheSamePasswordHasManyHashes) {
  EXPECT_FALSE(this->hash("correct horse") == this->hash("correct horse"));
}

TYPED_TEST_P(PasswordsContract, NothingFitsTheDecoyOrNonsense) {
  EXPECT_FALSE(this->verify(this->harness_.passwords().decoy(), ""));
  EXPECT_FALSE(this->verify(Secret<std::string>("nonsense"), "correct horse"));
  EXPECT_FALSE(this->verify(Secret<std::string>(""), ""));
}

REGISTER_TYPED_TEST_SUITE_P(PasswordsContract, OnlyThePasswordItselfFits,
                            TheSamePasswordHasManyHashes, NothingFitsTheDecoyOrNonsense);

}  // namespace ruche::contract
