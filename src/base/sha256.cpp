#include "base/sha256.hpp"

#include <fmt/format.h>
#include <sodium/crypto_hash_sha256.h>

#include <new>

namespace ruche {

namespace {

static_assert(sizeof(crypto_hash_sha256_state) <= 128);

crypto_hash_sha256_state* state_in(std::array<std::byte, 128>& bytes) {
  return std::launder(reinterpret_cast<crypto_hash_sha256_state*>(bytes.data()));
}

}  // namespace

Sha256::Sha256() {
  auto* state = new (state_.data()) crypto_hash_sha256_state;
  crypto_hash_sha256_init(state);
}

void Sha256::add(std::span<const std::uint8_t> bytes) {
  crypto_hash_sha256_update(state_in(state_), bytes.data(), bytes.size());
}

std::string Sha256::hex() {
  std::array<std::uint8_t, crypto_hash_sha256_BYTES> digest{};
  crypto_hash_sha256_final(state_in(state_), digest.data());
  std::string text;
  for (const auto byte : digest) text += fmt::format("{:02x}", byte);
  return text;
}

}  // namespace ruche
