// The real event loop: one thread, one io_context. Used by apps and tests; a simulation drives its
// own (src/sim).
#pragma once

#include <functional>
#include <memory>

#include "base/async.hpp"
#include "base/clock.hpp"

namespace ruche {

class Loop {
 public:
  Loop();
  ~Loop();
  Executor executor();
  Clock& clock();
  // Runs `work` to its end on this thread and returns or rethrows; on SIGTERM and SIGINT (when
  // `stop_on_signals`) the work is cancelled with CancelReason::shutdown first.
  struct Options {
    bool stop_on_signals = false;
  };
  void run(Async<void> work, Options options);
  void run(Async<void> work);
  // Longest time one handler kept the loop busy since the last call (the loop-lag probe).
  Duration worst_lag();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Test helper shape: runs a coroutine on a fresh loop and returns its value.
template <class T>
T run_now(Loop& loop, Async<T> work) {
  std::optional<T> result;
  loop.run([](std::optional<T>& slot, Async<T> inner) -> Async<void> {
    slot.emplace(co_await std::move(inner));
  }(result, std::move(work)));
  return std::move(*result);
}

}  // namespace ruche
