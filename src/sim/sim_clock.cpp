#include "sim/sim_clock.hpp"

namespace ruche::sim {

SimClock::~SimClock() {
  for (const auto& [id, timer] : timers_) world_.disarm(timer.id_in_world);
}

Clock::TimerId SimClock::arm(Instant deadline, std::function<void()> fire) {
  const TimerId id = ++last_id_;
  timers_[id].fire = std::move(fire);
  arm_in_world(id, deadline);
  return id;
}

void SimClock::disarm(TimerId id) {
  const auto found = timers_.find(id);
  if (found == timers_.end()) return;
  world_.disarm(found->second.id_in_world);
  timers_.erase(found);
}

void SimClock::thaw() {
  frozen_ = false;
  for (const TimerId id : std::exchange(due_, {})) {
    if (timers_.contains(id)) arm_in_world(id, world_.now());
  }
}

void SimClock::arm_in_world(TimerId id, Instant deadline) {
  timers_.at(id).id_in_world = world_.arm(deadline, [this, id] { came_due(id); });
}

void SimClock::came_due(TimerId id) {
  const auto found = timers_.find(id);
  if (frozen_) {
    found->second.id_in_world = 0;
    due_.push_back(id);
    return;
  }
  const auto fire = std::move(found->second.fire);
  timers_.erase(found);
  fire();
}

}  // namespace ruche::sim
