#include "core/guests/host_shutdown.hpp"

#include <algorithm>
#include <set>

namespace ruche::core {

namespace {

constexpr Duration kItsTask{5'000};       // that ends a guest which did not listen
constexpr Duration kAfterwards{15'000};  // for what still has to be stopped then
constexpr Duration kLook{200};
constexpr Duration kLeastPatience{1000};  // that a task takes

std::uint32_t order_of(const GuestRecord& record) { return record.spec->value.spec.start_order; }

Caller the_host() {
  Caller caller;
  caller.user = "ruche";
  return caller;
}

}  // namespace

std::vector<const GuestRecord*> HostShutdown::alive() const {
  using model::GuestState;
  std::vector<const GuestRecord*> found;
  for (const auto& [id, record] : parts_.inventory.guests()) {
    if (!record->complete() || !record->status) continue;
    if (record->placement->value.host != parts_.self) continue;
    const auto state = record->status->value.state;
    const bool has_process = state == GuestState::running || state == GuestState::paused;
    if (has_process) found.push_back(record.get());
  }
  return found;
}

// A paused guest cannot hear its power button. One that a task holds is asked again later, by
// cut_off at the latest.
Async<void> HostShutdown::ask(std::string guest, bool paused, Duration patience) {
  try {
    if (paused) {
      co_await parts_.guests.stop(the_host(), {guest});
    } else {
      co_await parts_.guests.shutdown(the_host(), {guest, patience, true});
    }
  } catch (const Error& error) {
    parts_.log.warning("core", "a guest could not be asked to shut down",
                       {{"guest", guest}, {"why", error.full_message()}});
  }
}

// One that cannot be suspended is shut down with the patience that is left.
Async<void> HostShutdown::suspend_or_ask(model::GuestId guest, Instant end) {
  const auto name = to_text(guest);
  std::optional<model::TaskId> task;
  try {
    const auto accepted = co_await parts_.guests.suspend(the_host(), {name});
    task = accepted.task.id;
  } catch (const Error& error) {
    parts_.log.warning("core", "a guest could not be suspended",
                       {{"guest", name}, {"why", error.full_message()}});
  }
  const auto is_open = [&] {
    const auto& tasks = parts_.inventory.tasks();
    const auto found = tasks.find(task->value);
    return found != tasks.end() && model::is_open(found->second->value.state);
  };
  while (task && is_open() && parts_.clock.now() < end) co_await sleep_for(parts_.clock, kLook);
  for (const auto* record : alive()) {
    if (record->spec->value.id != guest) continue;
    const bool paused = record->status->value.state == model::GuestState::paused;
    const auto left = std::chrono::duration_cast<Duration>(end - parts_.clock.now());
    co_return co_await ask(name, paused, std::max(left, kLeastPatience));
  }
}

Async<void> HostShutdown::cut_off(std::string guest) {
  try {
    co_await parts_.guests.stop(the_host(), {guest, true});
  } catch (const Error& error) {
    parts_.log.warning("core", "a guest could not be stopped",
                       {{"guest", guest}, {"why", error.full_message()}});
  }
}

Async<bool> HostShutdown::wait_until_empty(Instant deadline) {
  while (!alive().empty()) {
    if (parts_.clock.now() >= deadline) co_return false;
    co_await sleep_for(parts_.clock, kLook);
  }
  co_return true;
}

// Of those that are alive, those with the highest number: whoever started last goes first.
std::vector<const GuestRecord*> HostShutdown::next_to_go() const {
  auto found = alive();
  std::uint32_t highest = 0;
  for (const auto* record : found) highest = std::max(highest, order_of(*record));
  std::erase_if(found, [&](const auto* record) { return order_of(*record) != highest; });
  return found;
}

// Whatever patience is left is theirs: those after them may be cut off, those before them are not
// in their way.
Async<void> HostShutdown::shut_down_next(std::vector<const GuestRecord*> guests, Instant end) {
  const auto left = std::chrono::duration_cast<Duration>(end - parts_.clock.now());
  const auto patience = std::max(left, kLeastPatience);
  std::set<model::GuestId> going;
  std::vector<Async<void>> asked;
  for (const auto* record : guests) {
    const auto id = record->spec->value.id;
    going.insert(id);
    if (record->spec->value.spec.on_host_shutdown == model::HostShutdownAction::suspend) {
      asked.push_back(suspend_or_ask(id, end));
      continue;
    }
    const bool paused = record->status->value.state == model::GuestState::paused;
    asked.push_back(ask(to_text(id), paused, patience));
  }
  co_await all(std::move(asked));
  const auto is_going = [&](const auto* record) { return going.contains(record->spec->value.id); };
  while (parts_.clock.now() < end + kItsTask) {
    const auto still = alive();
    if (std::ranges::none_of(still, is_going)) co_return;
    co_await sleep_for(parts_.clock, kLook);
  }
}

Async<void> HostShutdown::run(Duration patience) {
  const Instant end = parts_.clock.now() + patience;
  for (auto guests = next_to_go(); !guests.empty(); guests = next_to_go()) {
    co_await shut_down_next(std::move(guests), end);
    if (parts_.clock.now() >= end + kItsTask) break;
  }
  if (alive().empty()) co_return;
  std::vector<Async<void>> cut;
  for (const auto* record : alive()) cut.push_back(cut_off(to_text(record->spec->value.id)));
  co_await all(std::move(cut));
  co_await wait_until_empty(end + kItsTask + kAfterwards);
}

}  // namespace ruche::core
