#include "core/guests/host_shutdown.hpp"

#include <algorithm>

namespace ruche::core {

namespace {

constexpr Duration kItsTask{5'000};       // that ends a guest which did not listen
constexpr Duration kAfterwards{15'000};  // for what still has to be stopped then
constexpr Duration kLook{200};

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

Async<void> HostShutdown::run(Duration patience) {
  const Instant end = parts_.clock.now() + patience;
  std::vector<Async<void>> asked;
  for (const auto* record : alive()) {
    const bool paused = record->status->value.state == model::GuestState::paused;
    asked.push_back(ask(to_text(record->spec->value.id), paused, patience));
  }
  co_await all(std::move(asked));
  const bool empty = co_await wait_until_empty(end + kItsTask);
  if (empty) co_return;
  std::vector<Async<void>> cut;
  for (const auto* record : alive()) cut.push_back(cut_off(to_text(record->spec->value.id)));
  co_await all(std::move(cut));
  co_await wait_until_empty(end + kItsTask + kAfterwards);
}

}  // namespace ruche::core
