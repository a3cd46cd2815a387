// Passwords that are hashed at once, and counted.
#pragma once

#include "ports/passwords.hpp"

namespace ruche::sim {

class FakePasswords : public ports::Passwords {
 public:
  Async<Secret<std::string>> hash(Secret<std::string> password) override;
  Async<bool> verify(Secret<std::string> hash, Secret<std::string> password) override;
  Secret<std::string> decoy() const override;

  std::uint64_t verified = 0;
  bool busy = false;  // refuses everything: too_many_logins

 private:
  std::uint64_t salt_ = 0;
};

}  // namespace ruche::sim
