#include "core/guests/guest_agent.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/guests/guest_documents.hpp"
#include "core/tasks/accept.hpp"

namespace ruche::core {

using model::GuestState;
using ports::MachineState;

namespace {

constexpr Duration kFirstRestart{1000};
constexpr Duration kLongestRestart{60'000};
constexpr std::string_view kUser = "ruche";  // who restarts and autostarts

Async<void> drain(Scope& scope) {
  try {
    co_await scope.join();
  } catch (const Cancelled&) {
    // Cancelled by its owner, who waits here for the end.
  }
}

bool says_alive(GuestState state) {
  return state == GuestState::running || state == GuestState::paused;
}

}  // namespace

GuestAgent::GuestAgent(Parts parts)
    : parts_(std::move(parts)), scope_(parts_.executor, "guest agent") {}

const GuestRecord* GuestAgent::record(model::GuestId guest) const {
  const auto& guests = parts_.writer.inventory().guests();
  const auto found = guests.find(guest.value);
  return found == guests.end() || !found->second->complete() ? nullptr : found->second.get();
}

bool GuestAgent::is_busy(model::GuestId guest) const {
  const auto* known = record(guest);
  if (!known) return false;
  for (const auto& claim : known->placement->value.claims) {
    if (conflicts(claim.facet, model::Facet::power)) return true;
  }
  return false;
}

Async<void> GuestAgent::adopt_all(bool host_rebooted) {
  const auto found = co_await parts_.hypervisor.survey();
  for (const auto& machine : found) co_await adopt(machine);
  std::vector<model::GuestId> mine;
  for (const auto& [id, known] : parts_.writer.inventory().guests()) {
    if (known->complete() && known->placement->value.host == parts_.site.self) mine.push_back({id});
  }
  for (const auto guest : mine) {
    if (parts_.live.find(guest)) {
      co_await settle_observed(guest, parts_.live.find(guest), "");
    } else {
      co_await settle_absent(guest, host_rebooted);
    }
  }
}

Async<void> GuestAgent::adopt(const ports::FoundMachine& found) {
  const auto* known = record(found.guest);
  const bool ours = known && known->placement->value.host == parts_.site.self &&
                    found.store_id == parts_.writer.inventory().store_id() &&
                    found.epoch == known->placement->value.epoch;
  if (!ours && found.alive) {
    parts_.log.warning("core", "a guest runs here that belongs to nobody; it is left alone",
                       {{"guest", to_text(found.guest)}, {"epoch", std::to_string(found.epoch)}});
    unmanaged_.push_back(found);
    co_return;
  }
  if (!ours) {
    co_await parts_.hypervisor.clear(found.guest);
    co_return;
  }
  std::optional<Error> failure;
  try {
    std::shared_ptr<ports::Machine> machine = co_await parts_.hypervisor.adopt(found.guest);
    if (machine) parts_.live.put(found.guest, std::move(machine));
  } catch (const Error& error) {
    failure = error;
  }
  if (!failure) co_return;
  parts_.log.warning("core", "a guest could not be adopted",
                     {{"guest", to_text(found.guest)}, {"why", failure->full_message()}});
  co_await parts_.writer.insist(
      [&](Draft& draft) { settle_broken(draft, found.guest, failure->full_message()); });
}

Async<void> GuestAgent::settle_absent(model::GuestId guest, bool host_rebooted) {
  const auto* known = record(guest);
  const auto state = known->status ? known->status->value.state : GuestState::provisioning;
  // A broken guest whose process is gone is merely stopped; an open task settles its own guest.
  const bool expected_alive = says_alive(state) || state == GuestState::broken;
  if (!expected_alive || is_busy(guest)) co_return;
  if (state == GuestState::broken && !parts_.writer.inventory().broken().empty()) co_return;
  if (host_rebooted) {
    co_await parts_.hypervisor.clear(guest);
    co_await parts_.writer.insist(
        [&](Draft& draft) { settle_stopped(draft, guest, "the host was restarted"); });
    co_return;
  }
  co_await crashed(guest, co_await parts_.hypervisor.last_words(guest));
}

Async<void> GuestAgent::autostart() {
  std::vector<model::GuestId> wanted;
  for (const auto& [id, known] : parts_.writer.inventory().guests()) {
    if (!known->complete() || known->placement->value.host != parts_.site.self) continue;
    const auto& guest = known->spec->value;
    if (guest.spec.autostart && !guest.deleted_at && !is_busy(guest.id)) wanted.push_back(guest.id);
  }
  for (const auto guest : wanted) co_await start(guest, 0);
}

Async<void> GuestAgent::run() {
  std::exception_ptr failure;
  scope_.spawn("restarts", start_restarts());
  try {
    while (true) {
      for (const auto& [guest, machine] : parts_.live.all()) {
        auto& watched = watched_[guest];
        if (watched == machine.get()) continue;
        watched = machine.get();
        scope_.spawn("watch " + to_text(guest), watch(guest, machine));
      }
      co_await parts_.live.changed();
    }
  } catch (const std::exception&) {
    failure = std::current_exception();
  }
  scope_.cancel(CancelReason::shutdown);
  co_await uninterrupted(drain(scope_));
  std::rethrow_exception(failure);
}

Async<void> GuestAgent::watch(model::GuestId guest, std::shared_ptr<ports::Machine> machine) {
  while (true) {
    ports::MachineEvent event;
    std::optional<Error> failure;
    try {
      event = co_await machine->next_event();
    } catch (const Error& error) {
      failure = error;
    }
    if (failure) event = {ports::MachineEventKind::ended, failure->full_message()};
    const bool ended = event.kind == ports::MachineEventKind::ended;
    if (event.kind == ports::MachineEventKind::io_error) {
      parts_.log.warning("core", "a guest's disk failed",
                         {{"guest", to_text(guest)}, {"device", event.detail}});
    }
    if (event.kind != ports::MachineEventKind::reset) {
      co_await reconcile(guest, machine, event.detail);
    }
    if (ended) break;
  }
  const auto watched = watched_.find(guest);
  if (watched != watched_.end() && watched->second == machine.get()) watched_.erase(watched);
}

Async<void> GuestAgent::reconcile(model::GuestId guest, std::shared_ptr<ports::Machine> machine,
                                  std::string last_words) {
  // A task that holds the guest's power settles what it does itself; look again after it.
  while (is_busy(guest)) co_await parts_.writer.inventory().changed();
  co_await settle_observed(guest, std::move(machine), std::move(last_words));
}

Async<void> GuestAgent::settle_observed(model::GuestId guest,
                                        std::shared_ptr<ports::Machine> machine,
                                        std::string last_words) {
  if (parts_.live.find(guest) != machine) co_return;
  ports::MachineStatus now;
  std::optional<Error> failure;
  try {
    now = co_await machine->status();
  } catch (const Error& error) {
    failure = error;
  }
  if (failure) {
    co_await parts_.writer.insist(
        [&](Draft& draft) { settle_broken(draft, guest, failure->full_message()); });
    co_return;
  }
  const bool unclaimed = !is_busy(guest);
  if (now.state == MachineState::gone) {
    parts_.live.remove(guest);
    if (unclaimed) co_await crashed(guest, now.last_words.empty() ? last_words : now.last_words);
    co_return;
  }
  if (!unclaimed) co_return;
  if (now.state == MachineState::shut_down || now.state == MachineState::prelaunch) {
    // It powered itself off, or a start that nobody remembers left it before its first instruction.
    parts_.live.remove(guest);
    co_await parts_.hypervisor.clear(guest);
    co_await parts_.writer.insist([&](Draft& draft) { settle_stopped(draft, guest, ""); });
    co_return;
  }
  const auto* known = record(guest);
  if (!known) co_return;
  const auto expected =
      now.state == MachineState::running ? GuestState::running : GuestState::paused;
  const bool same = known->status && known->status->value.state == expected &&
                    known->status->value.pid == now.pid;
  if (same) co_return;
  co_await parts_.writer.insist([&](Draft& draft) { settle_alive(draft, guest, now); });
}

Async<void> GuestAgent::crashed(model::GuestId guest, std::string last_words) {
  const std::string why = last_words.empty() ? "QEMU ended without a word" : last_words;
  parts_.log.warning("core", "a guest crashed", {{"guest", to_text(guest)}, {"why", why}});
  co_await parts_.hypervisor.clear(guest);
  co_await parts_.writer.insist([&](Draft& draft) { settle_crashed(draft, guest, why); });
  const auto* known = record(guest);
  if (!known || known->spec->value.deleted_at) co_return;
  if (known->spec->value.spec.restart_policy != model::RestartPolicy::on_crash) co_return;
  const auto crashes = known->status ? known->status->value.crashes : 1;
  due_restarts_.push_back({guest, crashes});
  due_restart_.notify();
}

Async<void> GuestAgent::start_restarts() {
  while (true) {
    for (const auto& [guest, crashes] : std::exchange(due_restarts_, {})) {
      scope_.spawn("restart " + to_text(guest), restart_later(guest, crashes));
    }
    co_await due_restart_.wait();
  }
}

Async<void> GuestAgent::restart_later(model::GuestId guest, std::uint32_t crashes) {
  const auto doublings = std::min<std::uint32_t>(crashes > 0 ? crashes - 1 : 0, 6);
  co_await sleep_for(parts_.clock, std::min(kFirstRestart * (1 << doublings), kLongestRestart));
  const auto* known = record(guest);
  // Somebody may have started, edited or deleted it meanwhile.
  if (!known || known->spec->value.deleted_at || is_busy(guest)) co_return;
  if (!known->status || known->status->value.state != GuestState::crashed) co_return;
  if (known->spec->value.spec.restart_policy != model::RestartPolicy::on_crash) co_return;
  co_await start(guest, crashes);
}

Async<void> GuestAgent::start(model::GuestId guest, std::uint32_t crashes) {
  Caller caller;
  caller.user = kUser;
  try {
    const model::VmRef request{to_text(guest)};
    co_await accept(parts_.writer, caller, [&](Draft& draft) {
      auto proposal = plans::start(draft, parts_.site, request);
      draft.guest_status(guest).crashes = crashes;
      return proposal;
    });
  } catch (const Error& error) {
    parts_.log.warning("core", "a guest could not be started",
                       {{"guest", to_text(guest)}, {"why", error.full_message()}});
  }
}

}  // namespace ruche::core
