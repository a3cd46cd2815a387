// One simulated host's view of the world's time: it can be frozen (as by SIGSTOP or a stalled
// hypervisor) and its wall clock can jump. now() goes on while frozen, as CLOCK_BOOTTIME does.
#pragma once

#include <map>

#include "base/stepped_loop.hpp"

namespace ruche::sim {

class SimClock : public Clock {
 public:
  explicit SimClock(ManualClock& world) : world_(world) {}
  ~SimClock() override;  // disarms what is still armed
  SimClock(const SimClock&) = delete;
  SimClock& operator=(const SimClock&) = delete;

  Instant now() const override { return world_.now(); }
  Timestamp wall() const override { return {world_.wall().unix_ms + wall_offset_.count()}; }
  TimerId arm(Instant deadline, std::function<void()> fire) override;
  void disarm(TimerId id) override;

  void jump_wall(std::chrono::milliseconds by) { wall_offset_ += by; }
  // While frozen nothing fires; thaw() lets everything that came due fire in its order.
  void freeze() { frozen_ = true; }
  void thaw();
  bool frozen() const { return frozen_; }

 private:
  struct Timer {
    TimerId id_in_world = 0;  // 0: came due while frozen
    std::function<void()> fire;
  };
  void arm_in_world(TimerId id, Instant deadline);
  void came_due(TimerId id);

  ManualClock& world_;
  std::chrono::milliseconds wall_offset_{0};
  bool frozen_ = false;
  TimerId last_id_ = 0;
  std::map<TimerId, Timer> timers_;
  std::vector<TimerId> due_;  // while frozen, in the order in which they came due
};

}  // namespace ruche::sim
