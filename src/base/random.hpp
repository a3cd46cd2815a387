// Randomness comes through this interface, so that a simulation's seed replays exactly. The
// distributions are our own: the standard ones differ between libraries.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace ruche {

class Random {
 public:
  virtual ~Random() = default;
  virtual std::uint64_t next() = 0;

  std::uint64_t below(std::uint64_t bound);  // uniform in [0, bound); bound > 0
  bool chance(double probability);
  void fill(std::span<std::uint8_t> bytes);
};

// Kernel randomness (getrandom).
std::unique_ptr<Random> system_random();
// xoshiro256**, seeded by splitmix64: reproducible, for simulations only.
std::unique_ptr<Random> seeded_random(std::uint64_t seed);

}  // namespace ruche
