#include "base/loop.hpp"
#include "contract/passwords_suite.hpp"
#include "drivers/argon2/argon2.hpp"

namespace ruche::contract {
namespace {

class Argon2Harness {
 public:
  ports::Passwords& passwords() { return *passwords_; }
  template <class T>
  T run(Async<T> work) {
    return run_now(loop_, std::move(work));
  }
  Loop& loop() { return loop_; }

 private:
  Loop loop_;
  std::unique_ptr<ports::Passwords> passwords_ = drivers::argon2::make_passwords();
};
INSTANTIATE_TYPED_TEST_SUITE_P(Argon2, PasswordsContract, Argon2Harness);

// "$argon2id$v=19$m=…,t=…,p=1": what a hash costs.
std::string cost_of(const Secret<std::string>& hash) {
  const auto& text = hash.reveal();
  return text.substr(0, text.find("p=1") + 3);
}

TEST(Argon2, TheDecoyCostsWhatEveryHashCosts) {
  Argon2Harness harness;
  const auto hash = harness.run(harness.passwords().hash(Secret<std::string>("correct horse")));
  EXPECT_EQ(cost_of(hash), cost_of(harness.passwords().decoy()));
  EXPECT_EQ(cost_of(hash), "$argon2id$v=19$m=32768,t=3,p=1");
}

// However many ask at once, only a few wait; the others are turned away and cost nothing.
TEST(Argon2, AFloodIsTurnedAway) {
  Argon2Harness harness;
  int checked = 0, refused = 0;
  const auto one = [&](this auto, Argon2Harness& held) -> Async<void> {
    try {
      co_await held.passwords().verify(held.passwords().decoy(), Secret<std::string>("x"));
      ++checked;
    } catch (const Error& error) {
      EXPECT_EQ(error.reason(), Reason::too_many_logins);
      ++refused;
    }
  };
  const auto all = [&](this auto, Argon2Harness& held) -> Async<void> {
    Scope scope(co_await current_executor(), "flood");
    for (int n = 0; n < 100; ++n) scope.spawn("one", one(held));
    co_await scope.join();
  };
  harness.loop().run(all(harness));
  EXPECT_EQ(checked + refused, 100);
  EXPECT_GE(refused, 80);
  EXPECT_GE(checked, 10);
}

}  // namespace
}  // namespace ruche::contract
