// A lane for work that may hang in the kernel (a file system that is away). The caller leaves when
// its time is up or when it is cancelled; the function goes on alone, so it must own all it
// touches.
#pragma once

#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "base/async.hpp"
#include "base/clock.hpp"

namespace ruche {

// One thread with a queue, in order. Used from one loop.
class ImpatientLane {
 public:
  explicit ImpatientLane(std::string name);  // the thread's name
  // Nobody may be waiting. A function that was left alone gets 200 ms to end; then its thread is
  // abandoned to the kernel.
  ~ImpatientLane();
  ImpatientLane(const ImpatientLane&) = delete;
  ImpatientLane& operator=(const ImpatientLane&) = delete;

  // Throws Error(deadline, what) when the function did not end in time. One that had not begun yet
  // when its caller left never runs.
  template <class F>
  auto run(Clock& clock, Duration limit, std::string what, F work)
      -> Async<std::invoke_result_t<F>>;
  // A function that was left alone still runs: whatever comes now would only wait behind it.
  bool stuck() const;

 private:
  struct State;
  static Async<void> hand_over(std::shared_ptr<State> state, std::function<void()> work);
  std::shared_ptr<State> state_;
};

namespace detail {
template <class Result>
struct LaneOutcome {
  std::optional<Result> value;
  std::exception_ptr failure;
};
template <>
struct LaneOutcome<void> {
  std::exception_ptr failure;
};
}  // namespace detail

template <class F>
auto ImpatientLane::run(Clock& clock, Duration limit, std::string what, F work)
    -> Async<std::invoke_result_t<F>> {
  using Result = std::invoke_result_t<F>;
  auto outcome = std::make_shared<detail::LaneOutcome<Result>>();
  auto job = [outcome, work = std::make_shared<F>(std::move(work))] {
    try {
      if constexpr (std::is_void_v<Result>) {
        (*work)();
      } else {
        outcome->value.emplace((*work)());
      }
    } catch (const std::exception&) {
      outcome->failure = std::current_exception();
    }
  };
  co_await with_deadline(clock, limit, std::move(what), hand_over(state_, std::move(job)));
  if (outcome->failure) std::rethrow_exception(outcome->failure);
  if constexpr (!std::is_void_v<Result>) co_return std::move(*outcome->value);
}

}  // namespace ruche
