// The edge to the hashing of passwords: slow and large on purpose, so never on the loop's thread.
#pragma once

#include <string>

#include "base/async.hpp"
#include "base/secret.hpp"

namespace ruche::ports {

class Passwords {
 public:
  virtual ~Passwords() = default;
  // Salted; two hashes of one password differ. Throws too_many_logins when too many wait already.
  virtual Async<Secret<std::string>> hash(Secret<std::string> password) = 0;
  // Whether the password is the one that was hashed, compared in constant time. Throws as hash().
  virtual Async<bool> verify(Secret<std::string> hash, Secret<std::string> password) = 0;
  // A hash that no password has, and that costs as much to verify as any other.
  virtual Secret<std::string> decoy() const = 0;
};

}  // namespace ruche::ports
