// An event loop that is stepped by hand, with a clock that moves only when told: the ground of the
// simulation and of tests that wait for hours. Single-threaded and deterministic as long as nobody
// uses a Lane on it.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string_view>

#include "base/async.hpp"
#include "base/clock.hpp"

namespace ruche {

// A clock that stands still. Timers fire in order of (deadline, sequence of arming).
class ManualClock : public Clock {
 public:
  explicit ManualClock(Timestamp wall = {1'800'000'000'000});
  Instant now() const override { return now_; }
  Timestamp wall() const override;
  TimerId arm(Instant deadline, std::function<void()> fire) override;
  void disarm(TimerId id) override;

  std::optional<Instant> next_deadline() const;
  std::size_t armed() const { return timers_.size(); }
  // Moves to the next deadline (never backwards) and fires that one timer; false: none is armed.
  bool fire_next();
  // Fires everything due on the way, then stands at now() + duration.
  void advance(std::chrono::microseconds duration);
  // The wall clock jumps, as when somebody sets the time; now() and timers do not notice.
  void jump_wall(std::chrono::milliseconds by) { wall_offset_ += by; }

 private:
  Instant now_;
  std::chrono::milliseconds wall_offset_;
  std::uint64_t last_id_ = 0;
  std::map<std::pair<Instant, TimerId>, std::function<void()>> timers_;
  std::map<TimerId, Instant> deadlines_;
};

class SteppedLoop {
 public:
  SteppedLoop();
  // Whoever spawned coroutines here has cancelled and joined them before.
  ~SteppedLoop();
  SteppedLoop(const SteppedLoop&) = delete;
  SteppedLoop& operator=(const SteppedLoop&) = delete;

  Executor executor();
  ManualClock& clock();

  // Runs everything that is ready, without moving the clock; how many handlers ran.
  std::size_t run_ready();
  // Runs what is ready; when nothing was, jumps to the next timer and fires it. False: nothing is
  // left to do.
  bool step();
  // Steps until the work has ended, then returns or rethrows. Throws internal_error when nothing is
  // left to do although the work has not ended: it waits for something that will never happen, and
  // was cancelled for it.
  void run(Async<void> work);
  // Steps until the condition holds; false: nothing was left to do, or the clock passed `limit`
  // after now.
  bool run_until(const std::function<bool()>& condition, std::chrono::microseconds limit);
  // Runs everything due within the duration, then stands at its end.
  void run_for(std::chrono::microseconds duration);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Runs a coroutine on the loop and returns its value.
template <class T>
T run_now(SteppedLoop& loop, Async<T> work) {
  std::optional<T> result;
  loop.run([](std::optional<T>& slot, Async<T> inner) -> Async<void> {
    slot.emplace(co_await std::move(inner));
  }(result, std::move(work)));
  return std::move(*result);
}

}  // namespace ruche
