#include "base/error.hpp"
#include "contract/sealing_suite.hpp"
#include "drivers/sealing/sealing.hpp"

namespace ruche::contract {
namespace {

using drivers::sealing::make_key;
using drivers::sealing::new_sealing;

class BoxHarness {
 public:
  ports::Sealing& sealing() { return *sealing_; }
  ports::Sealing& other() { return *other_; }

 private:
  std::unique_ptr<ports::Sealing> sealing_ = new_sealing(make_key());
  std::unique_ptr<ports::Sealing> other_ = new_sealing(make_key());
};
INSTANTIATE_TYPED_TEST_SUITE_P(SecretBox, SealingContract, BoxHarness);

TEST(SecretBox, EveryChangedLetterIsNoticed) {
  const auto sealing = new_sealing(make_key());
  const auto sealed = sealing->seal(Secret<std::string>("correct horse"));
  for (std::size_t i = 0; i < sealed.size(); ++i) {
    auto changed = sealed;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(sealing->open(changed)) << i;
  }
}

TEST(SecretBox, AKeyThatWasCutIsRefused) {
  EXPECT_THROW(new_sealing(Secret<std::string>("short")), Error);
}

TEST(SecretBox, TheKeyIsAllThatItNeeds) {
  const auto key = make_key();
  const auto sealed = new_sealing(key)->seal(Secret<std::string>("after a restart"));
  EXPECT_EQ(new_sealing(key)->open(sealed)->reveal(), "after a restart");
}

}  // namespace
}  // namespace ruche::contract
