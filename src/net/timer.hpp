// One moving deadline on a Clock.
#pragma once

#include <functional>
#include <optional>
#include <utility>

#include "base/clock.hpp"

namespace ruche::net {

// Calls `expired` once when the deadline passes. Moving it later costs nothing: the armed timer is
// left to fire early and arms itself again. Pinned in memory; destroying it disarms.
class Timer {
 public:
  Timer(Clock& clock, std::function<void()> expired)
      : clock_(clock), expired_(std::move(expired)) {}
  ~Timer() { disarm(); }
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  void set(Instant due) {
    due_ = due;
    if (armed_ && armed_->first <= due) return;
    disarm();
    arm();
  }
  void set(Duration from_now) { set(clock_.now() + from_now); }
  void clear() { due_.reset(); }

 private:
  void arm() {
    armed_.emplace(*due_, clock_.arm(*due_, [this] { fire(); }));
  }
  void disarm() {
    if (armed_) clock_.disarm(armed_->second);
    armed_.reset();
  }
  void fire() {
    armed_.reset();
    if (!due_) return;
    if (clock_.now() < *due_) return arm();
    due_.reset();
    expired_();
  }

  Clock& clock_;
  std::function<void()> expired_;
  std::optional<Instant> due_;
  std::optional<std::pair<Instant, Clock::TimerId>> armed_;
};

}  // namespace ruche::net
