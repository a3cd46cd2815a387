#include "core/control/scheduler.hpp"

#include <fmt/format.h>

#include "core/snapshots/snapshot_plans.hpp"

namespace ruche::core {

namespace {

constexpr Duration kInterval{10'000};
constexpr Duration kPause{55'000};  // less than the shortest time between two snapshots
constexpr Duration kRemembered{600'000};

// Who took it is written where it is planned: that is no part of what users ask for.
void mark(Draft& draft, const Proposal& proposal, const std::string& schedule) {
  for (const auto& step : proposal.plan) {
    const auto* cut = std::get_if<model::TakeSnapshot>(&step);
    if (cut && cut->snapshot) draft.snapshot(*cut->snapshot).schedule = schedule;
  }
}

}  // namespace

Async<void> Scheduler::run() {
  co_await parts_.writer.inventory().ready();
  while (true) {
    co_await round();
    co_await sleep_for(parts_.clock, kInterval);
  }
}

Async<void> Scheduler::round() {
  const Instant now = parts_.clock.now();
  std::erase_if(attempts_, [&](const auto& one) { return now - one.second.at > kRemembered; });
  auto actions =
      decide_schedules(parts_.writer.inventory(), parts_.site().self, parts_.clock.wall());
  for (auto& action : actions) co_await carry_out(std::move(action));
}

// A task that fails soon after it was accepted must not be followed by one at every round.
bool Scheduler::may_try(const std::string& what) {
  const Instant now = parts_.clock.now();
  const auto [attempt, first] = attempts_.try_emplace(what);
  if (!first && now - attempt->second.at < kPause) return false;
  attempt->second.at = now;
  return true;
}

Proposal Scheduler::plan(Draft& draft, const ScheduledAction& action) const {
  if (action.remove) return plans::delete_snapshot(draft, parts_.site(), *action.remove);
  auto proposal = plans::take_snapshot(draft, parts_.site(), *action.take);
  mark(draft, proposal, action.schedule);
  return proposal;
}

Async<void> Scheduler::carry_out(ScheduledAction action) {
  const auto what =
      action.take ? fmt::format("take {} of {}", action.schedule, action.take->vm)
                  : fmt::format("remove {} of {}", action.remove->snapshot, action.remove->vm);
  if (!may_try(what)) co_return;
  Caller caller;
  caller.user = "ruche";
  std::string complaint;
  try {
    co_await accept(parts_.writer, caller, [&](Draft& draft) { return plan(draft, action); });
  } catch (const Error& error) {
    complaint = error.full_message();
  }
  auto& said = attempts_[what].complaint;
  if (!complaint.empty() && said != complaint) {
    parts_.log.warning("core", "a schedule of snapshots could not be kept",
                       {{"what", what}, {"why", complaint}});
  }
  said = complaint;
}

}  // namespace ruche::core
