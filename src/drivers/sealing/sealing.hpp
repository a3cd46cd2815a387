// Sealing with XSalsa20 and Poly1305 (libsodium's crypto_secretbox).
#pragma once

#include <memory>
#include <string>

#include "ports/sealing.hpp"

namespace ruche::drivers::sealing {

inline constexpr std::size_t kKeyBytes = 32;

// A key for new_sealing(): random bytes.
Secret<std::string> make_key();
// Throws io_failed when the key does not have kKeyBytes.
std::unique_ptr<ports::Sealing> new_sealing(const Secret<std::string>& key);

}  // namespace ruche::drivers::sealing
