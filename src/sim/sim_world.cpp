#include "sim/sim_world.hpp"

namespace ruche::sim {

namespace {
// FNV-1a, 64 bits (draft-eastlake-fnv).
constexpr std::uint64_t kFnvOffset = 0xcbf29ce484222325;
constexpr std::uint64_t kFnvPrime = 0x100000001b3;

std::uint64_t mix(std::uint64_t hash, unsigned char byte) { return (hash ^ byte) * kFnvPrime; }
}  // namespace

SimWorld::SimWorld(std::uint64_t seed) : random_(seeded_random(seed)), trace_hash_(kFnvOffset) {}

std::unique_ptr<SimClock> SimWorld::host_clock() { return std::make_unique<SimClock>(clock()); }

void SimWorld::note(std::string_view what) {
  auto time = static_cast<std::uint64_t>(clock().now().since_start.count());
  for (int i = 0; i < 8; ++i, time >>= 8) {
    trace_hash_ = mix(trace_hash_, static_cast<unsigned char>(time));
  }
  for (const char c : what) trace_hash_ = mix(trace_hash_, static_cast<unsigned char>(c));
}

}  // namespace ruche::sim
