#include "base/stepped_loop.hpp"

#include <boost/asio/io_context.hpp>

#include "base/async_start.hpp"

namespace ruche {

ManualClock::ManualClock(Timestamp wall) : wall_offset_(wall.unix_ms) {}

Timestamp ManualClock::wall() const {
  const auto elapsed = std::chrono::duration_cast<std::chrono::milliseconds>(now_.since_start);
  return {(wall_offset_ + elapsed).count()};
}

Clock::TimerId ManualClock::arm(Instant deadline, std::function<void()> fire) {
  const TimerId id = ++last_id_;
  timers_.emplace(std::pair(deadline, id), std::move(fire));
  deadlines_.emplace(id, deadline);
  return id;
}

void ManualClock::disarm(TimerId id) {
  const auto found = deadlines_.find(id);
  if (found == deadlines_.end()) return;
  timers_.erase(std::pair(found->second, id));
  deadlines_.erase(found);
}

std::optional<Instant> ManualClock::next_deadline() const {
  if (timers_.empty()) return std::nullopt;
  return timers_.begin()->first.first;
}

bool ManualClock::fire_next() {
  if (timers_.empty()) return false;
  auto timer = timers_.extract(timers_.begin());
  deadlines_.erase(timer.key().second);
  now_ = std::max(now_, timer.key().first);
  timer.mapped()();
  return true;
}

void ManualClock::advance(std::chrono::microseconds duration) {
  const Instant end = now_ + duration;
  while (!timers_.empty() && timers_.begin()->first.first <= end) fire_next();
  now_ = end;
}

struct SteppedLoop::State {
  ManualClock clock;
  boost::asio::io_context context{1};
};

SteppedLoop::SteppedLoop() : state_(std::make_unique<State>()) {}
SteppedLoop::~SteppedLoop() = default;

Executor SteppedLoop::executor() { return state_->context.get_executor(); }
ManualClock& SteppedLoop::clock() { return state_->clock; }

std::size_t SteppedLoop::run_ready() {
  state_->context.restart();
  return state_->context.poll();
}

bool SteppedLoop::step() {
  if (run_ready() > 0) return true;
  return state_->clock.fire_next();
}

void SteppedLoop::run(Async<void> work) {
  struct Outcome {
    detail::Canceller canceller;
    bool ended = false;
    std::exception_ptr failure;
  };
  // Shared, because work that is stuck outlives this call.
  const auto outcome = std::make_shared<Outcome>();
  const auto canceller = &outcome->canceller;
  detail::start(executor(), std::move(work), canceller, [outcome](std::exception_ptr thrown) {
    outcome->ended = true;
    outcome->failure = std::move(thrown);
  });
  while (!outcome->ended) {
    if (step()) continue;
    outcome->canceller.cancel(CancelReason::shutdown);
    while (!outcome->ended && step()) {
    }
    throw Error(Reason::internal_error, "the work waits for something that will never happen");
  }
  if (outcome->failure) std::rethrow_exception(outcome->failure);
}

bool SteppedLoop::run_until(const std::function<bool()>& condition,
                            std::chrono::microseconds limit) {
  const Instant end = state_->clock.now() + limit;
  while (!condition()) {
    if (run_ready() > 0) continue;
    const auto next = state_->clock.next_deadline();
    if (!next || *next > end) return false;
    state_->clock.fire_next();
  }
  return true;
}

void SteppedLoop::run_for(std::chrono::microseconds duration) {
  const Instant end = state_->clock.now() + duration;
  run_until([] { return false; }, duration);
  state_->clock.advance(end - state_->clock.now());
}

}  // namespace ruche
