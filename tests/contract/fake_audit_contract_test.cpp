#include "base/stepped_loop.hpp"
#include "contract/audit_suite.hpp"
#include "contract/passwords_suite.hpp"
#include "sim/fake_audit.hpp"
#include "sim/fake_passwords.hpp"

namespace ruche::contract {
namespace {

class FakeAuditHarness {
 public:
  ports::AuditLog& log() { return log_; }
  template <class T>
  T run(Async<T> work) {
    return run_now(loop_, std::move(work));
  }
  void change(std::int64_t sequence) { entry(sequence)->item.json += ' '; }
  void drop(std::int64_t sequence) { log_.entries().erase(entry(sequence)); }

 private:
  std::vector<ports::AuditEntry>::iterator entry(std::int64_t sequence) {
    return std::ranges::find(log_.entries(), sequence, &ports::AuditEntry::sequence);
  }
  SteppedLoop loop_;
  sim::FakeAudit log_;
};
INSTANTIATE_TYPED_TEST_SUITE_P(Fake, AuditContract, FakeAuditHarness);

class FakePasswordsHarness {
 public:
  ports::Passwords& passwords() { return passwords_; }
  template <class T>
  T run(Async<T> work) {
    return run_now(loop_, std::move(work));
  }

 private:
  SteppedLoop loop_;
  sim::FakePasswords passwords_;
};
INSTANTIATE_TYPED_TEST_SUITE_P(Fake, PasswordsContract, FakePasswordsHarness);

}  // namespace
}  // namespace ruche::contract
