// SHA-256 (FIPS 180-4), for the identity of files.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace ruche {

class Sha256 {
 public:
  Sha256();
  void add(std::span<const std::uint8_t> bytes);
  // The digest in lower-case hexadecimal; nothing may be added afterwards.
  std::string hex();

 private:
  alignas(16) std::array<std::byte, 128> state_{};  // libsodium's, checked for size in the .cpp
};

}  // namespace ruche
