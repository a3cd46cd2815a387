#include "contract/sealing_suite.hpp"
#include "sim/fake_sealing.hpp"

namespace ruche::contract {
namespace {

class FakeHarness {
 public:
  ports::Sealing& sealing() { return sealing_; }
  ports::Sealing& other() { return other_; }

 private:
  sim::FakeSealing sealing_{"alpha"};
  sim::FakeSealing other_{"beta"};
};
INSTANTIATE_TYPED_TEST_SUITE_P(Fake, SealingContract, FakeHarness);

}  // namespace
}  // namespace ruche::contract
