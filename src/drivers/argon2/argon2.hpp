// Passwords through argon2id (RFC 9106), by libsodium.
#pragma once

#include <memory>

#include "ports/passwords.hpp"

namespace ruche::drivers::argon2 {

// One thread: however many people log in at once, one hash's memory is in use.
std::unique_ptr<ports::Passwords> make_passwords();

}  // namespace ruche::drivers::argon2
