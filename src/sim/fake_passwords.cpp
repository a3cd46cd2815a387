#include "sim/fake_passwords.hpp"

#include <fmt/format.h>

#include "base/error.hpp"
#include "base/sha256.hpp"

namespace ruche::sim {

namespace {

std::string digest(std::uint64_t salt, const std::string& password) {
  const auto text = fmt::format("{}:{}", salt, password);
  Sha256 sum;
  sum.add(std::span(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()));
  return fmt::format("fake${}${}", salt, sum.hex());
}

void refuse_when(bool busy) {
  if (busy) throw Error(Reason::too_many_logins, "too many passwords wait to be checked");
}

}  // namespace

Async<Secret<std::string>> FakePasswords::hash(Secret<std::string> password) {
  refuse_when(busy);
  co_return Secret<std::string>(digest(++salt_, password.reveal()));
}

Async<bool> FakePasswords::verify(Secret<std::string> hash, Secret<std::string> password) {
  refuse_when(busy);
  ++verified;
  const std::string& text = hash.reveal();
  const auto begin = text.find('$');
  if (!text.starts_with("fake$")) co_return false;
  co_return digest(std::stoull(text.substr(begin + 1)), password.reveal()) == text;
}

Secret<std::string> FakePasswords::decoy() const { return Secret<std::string>("fake$0$nothing"); }

}  // namespace ruche::sim
