// All time comes from a Clock. The real one reads CLOCK_BOOTTIME; the simulated one owns every
// timer and fires them in order of (deadline, sequence).
#pragma once

#include <cstdint>
#include <functional>

#include "base/units.hpp"

namespace ruche {

class Clock {
 public:
  using TimerId = std::uint64_t;
  virtual ~Clock() = default;
  virtual Instant now() const = 0;
  virtual Timestamp wall() const = 0;
  // Calls `fire` once on the loop's thread at or after the deadline, unless disarmed before.
  virtual TimerId arm(Instant deadline, std::function<void()> fire) = 0;
  // After disarm returns, the timer will not fire. Unknown and fired ids are ignored.
  virtual void disarm(TimerId id) = 0;
};

}  // namespace ruche
