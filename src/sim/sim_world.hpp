// A whole simulated world in one thread: one loop, one clock, one seed. The same seed replays
// exactly; the trace hash says whether it did.
#pragma once

#include <memory>
#include <string_view>

#include "base/random.hpp"
#include "base/stepped_loop.hpp"
#include "sim/sim_clock.hpp"

namespace ruche::sim {

class SimWorld {
 public:
  explicit SimWorld(std::uint64_t seed = 1);

  Executor executor() { return loop_.executor(); }
  ManualClock& clock() { return loop_.clock(); }
  Random& random() { return *random_; }
  SteppedLoop& loop() { return loop_; }
  std::unique_ptr<SimClock> host_clock();  // the world outlives it

  void run(Async<void> work) { loop_.run(std::move(work)); }
  template <class T>
  T run_now(Async<T> work) {
    return ruche::run_now(loop_, std::move(work));
  }
  bool run_until(const std::function<bool()>& condition, std::chrono::microseconds limit) {
    return loop_.run_until(condition, limit);
  }
  void run_for(std::chrono::microseconds duration) { loop_.run_for(duration); }

  // Adds what happened, and when, to the trace.
  void note(std::string_view what);
  std::uint64_t trace_hash() const { return trace_hash_; }

 private:
  SteppedLoop loop_;
  std::unique_ptr<Random> random_;
  std::uint64_t trace_hash_;
};

}  // namespace ruche::sim
