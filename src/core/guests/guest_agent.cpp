#include "core/guests/guest_agent.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/guests/guest_documents.hpp"
#include "core/tasks/accept.hpp"

namespace ruche::core {

using model::GuestState;
using ports::MachineState;

namespace {

constexpr Duration kFirstRestart{1000};
constexpr Duration kLongestRestart{60'000};
constexpr Duration kFirstLook{500};
constexpr Duration kLongestLook{30'000};
constexpr int kFailuresOfABrokenOne = 2;
constexpr Duration kRoomInterval{5000};
constexpr Bytes kEnoughRoom = mib(64);
constexpr std::size_t kAtOnce = 64;
constexpr std::string_view kUser = "ruche";  // who restarts and autostarts

bool has_process(GuestState state) {
  return state == GuestState::running || state == GuestState::paused || state == GuestState::broken;
}

bool claims_power(const model::Placement& placement) {
  return std::ranges::any_of(placement.claims, [](const model::Claim& claim) {
    return conflicts(claim.facet, model::Facet::power);
  });
}

}  // namespace

GuestAgent::GuestAgent(Parts parts)
    : parts_(std::move(parts)), scope_(parts_.executor, "guest agent") {}

const GuestRecord* GuestAgent::own_record(model::GuestId guest) const {
  const auto& guests = parts_.writer.inventory().guests();
  const auto found = guests.find(guest.value);
  if (found == guests.end() || !found->second->complete()) return nullptr;
  const bool ours = found->second->placement->value.host == parts_.site.self;
  return ours ? found->second.get() : nullptr;
}

bool GuestAgent::is_busy(model::GuestId guest) const {
  const auto* known = own_record(guest);
  return known && claims_power(known->placement->value);
}

std::vector<model::GuestId> GuestAgent::own_guests() const {
  std::vector<model::GuestId> mine;
  for (const auto& [id, known] : parts_.writer.inventory().guests()) {
    if (own_record({id})) mine.push_back({id});
  }
  return mine;
}

// --- taking over ---------------------------------------------------------------------------------

namespace {

// A few at a time: each may have to wait for a monitor that hangs.
template <class Item, class Work>
Async<void> for_each_of(const std::vector<Item>& items, Work work) {
  for (std::size_t begin = 0; begin < items.size(); begin += kAtOnce) {
    std::vector<Async<void>> some;
    for (std::size_t i = begin; i < std::min(items.size(), begin + kAtOnce); ++i) {
      some.push_back(work(items[i]));
    }
    co_await all(std::move(some));
  }
}

}  // namespace

Async<void> GuestAgent::adopt_all(bool host_rebooted) {
  const auto found = co_await parts_.hypervisor.survey();
  co_await for_each_of(found, [this](const auto& machine) { return adopt(machine); });
  // Guests that are off and left nothing here need no look.
  std::set<model::GuestId> wanted;
  for (const auto& machine : found) wanted.insert(machine.guest);
  for (const auto guest : own_guests()) {
    const auto& status = own_record(guest)->status;
    if (!status || !has_process(status->value.state)) continue;
    wanted.insert(guest);
    if (host_rebooted) lost_by_reboot_.insert(guest);
  }
  const std::vector<model::GuestId> guests(wanted.begin(), wanted.end());
  co_await for_each_of(guests, [this](const auto guest) { return first_look(guest); });
}

bool GuestAgent::is_ours(const ports::FoundMachine& found) const {
  const auto* known = own_record(found.guest);
  return known && found.store_id == parts_.writer.inventory().store_id() &&
         found.epoch == known->placement->value.epoch;
}

Async<void> GuestAgent::adopt(ports::FoundMachine found) {
  if (!is_ours(found) && found.alive) {
    parts_.log.warning("core", "a guest runs here that belongs to nobody; it is left alone",
                       {{"guest", to_text(found.guest)}, {"epoch", std::to_string(found.epoch)}});
    unmanaged_.push_back(found);
    co_return;
  }
  // What has no readable record any more was nobody's.
  const bool other_store =
      !found.store_id.empty() && found.store_id != parts_.writer.inventory().store_id();
  if (!is_ours(found) && !other_store) co_await parts_.hypervisor.clear(found.guest);
  if (!is_ours(found)) co_return;
  try {
    std::shared_ptr<ports::Machine> machine = co_await parts_.hypervisor.adopt(found.guest);
    if (machine) parts_.live.put(found.guest, std::move(machine));
  } catch (const Error& error) {
    parts_.log.warning("core", "a guest could not be adopted",
                       {{"guest", to_text(found.guest)}, {"why", error.full_message()}});
    look_soon(found.guest);
  }
}

Async<void> GuestAgent::first_look(model::GuestId guest) {
  // Those that are looked at already hang; those with a task are looked at when it has ended.
  if (looks_.contains(guest)) co_return;
  if (is_busy(guest)) co_return look_soon(guest);
  try {
    co_await look(guest);
  } catch (const Error&) {
    look_soon(guest);
  }
}

// --- watching ------------------------------------------------------------------------------------

Async<void> GuestAgent::run() {
  std::exception_ptr failure;
  running_ = true;
  for (auto& [name, work] : backlog_) scope_.spawn(name, std::move(work));
  backlog_.clear();
  // Restarts that an earlier daemon still had to make.
  for (const auto guest : own_guests()) {
    const auto& status = own_record(guest)->status;
    if (status) restart_soon(guest, status->value.crashes);
  }
  scope_.spawn("follow", follow());
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

// Before run() nobody would wait for it.
void GuestAgent::spawn(std::string name, Async<void> work) {
  if (running_) {
    scope_.spawn(std::move(name), std::move(work));
  } else {
    backlog_.emplace_back(std::move(name), std::move(work));
  }
}

Async<void> GuestAgent::watch(model::GuestId guest, std::shared_ptr<ports::Machine> machine) {
  bool over = false;
  while (!over) {
    ports::MachineEvent event;
    bool lost = false;
    try {
      event = co_await machine->next_event();
      over = event.kind == ports::MachineEventKind::ended;
    } catch (const Error& error) {
      // The monitor is lost, not yet the guest: the look will take it over anew.
      event.detail = error.message();
      over = lost = true;
      if (parts_.live.find(guest) == machine) parts_.live.remove(guest);
    }
    // One that is lost again and again shall not keep the host busy.
    if (lost) co_await sleep_for(parts_.clock, kFirstLook);
    if (event.kind == ports::MachineEventKind::io_error) {
      parts_.log.warning("core", "a guest's device failed",
                         {{"guest", to_text(guest)}, {"device", event.detail}});
    }
    if (event.kind == ports::MachineEventKind::watchdog ||
        event.kind == ports::MachineEventKind::panicked) {
      const bool panic = event.kind == ports::MachineEventKind::panicked;
      parts_.log.warning("core", panic ? "a guest panicked" : "a guest's watchdog ran out",
                         {{"guest", to_text(guest)}, {"action", event.detail}});
    }
    if (event.kind == ports::MachineEventKind::agent) parts_.agents.wake(guest);
    if (event.kind == ports::MachineEventKind::agent ||
        event.kind == ports::MachineEventKind::reset) {
      continue;
    }
    look_soon(guest);
  }
  const auto watched = watched_.find(guest);
  if (watched != watched_.end() && watched->second == machine.get()) watched_.erase(watched);
}

// A task that failed half-way may leave a document that says "running" and no process; nobody but
// the change of the document tells.
Async<void> GuestAgent::follow() {
  const auto news = parts_.writer.inventory().subscribe();
  for (const auto guest : own_guests()) look_if_lost(guest);
  while (true) {
    const auto set = co_await news->next();
    if (!set) {
      for (const auto guest : own_guests()) look_if_lost(guest);
      continue;
    }
    for (const auto& change : set->changes) {
      if (change.kind == model::ObjectKind::guest) look_if_lost({change.id});
    }
  }
}

void GuestAgent::look_if_lost(model::GuestId guest) {
  const auto* known = own_record(guest);
  if (!known || !known->status || is_busy(guest)) return;
  if (has_process(known->status->value.state) && !parts_.live.find(guest)) look_soon(guest);
}

// --- looking -------------------------------------------------------------------------------------

void GuestAgent::look_soon(model::GuestId guest) {
  const auto [looking, fresh] = looks_.try_emplace(guest);
  looking->second.again = true;
  if (fresh) spawn("look " + to_text(guest), keep_looking(guest));
}

bool GuestAgent::is_suspended(model::GuestId guest) const {
  const auto* known = own_record(guest);
  return known && known->status && known->status->value.saved;
}

bool GuestAgent::is_unreadable(model::GuestId guest) const {
  const auto* known = own_record(guest);
  if (!known) return true;
  const auto& broken = parts_.writer.inventory().broken();
  return broken.contains(keys::guest_spec(guest)) || broken.contains(keys::guest_status(guest)) ||
         broken.contains(keys::placement(known->placement->value.host, guest.value));
}

Async<void> GuestAgent::keep_looking(model::GuestId guest) {
  Looking& looking = looks_[guest];
  Duration pause = kFirstLook;
  while (looking.again) {
    looking.again = false;
    // A task that holds the guest's power settles what it does itself; look again after it.
    while (is_busy(guest)) co_await parts_.writer.inventory().changed();
    std::optional<Error> failure;
    try {
      co_await look(guest);
      looking.failures = 0;
      pause = kFirstLook;
    } catch (const Error& error) {
      failure = error;
    }
    if (!failure) continue;
    looking.again = true;
    if (++looking.failures >= kFailuresOfABrokenOne) co_await note_failure(guest, *failure);
    co_await sleep_for(parts_.clock, pause);
    pause = std::min(pause * 2, kLongestLook);
  }
  looks_.erase(guest);
}

Async<void> GuestAgent::note_failure(model::GuestId guest, const Error& why) {
  const std::string words = why.full_message();
  const auto* known = own_record(guest);
  const bool noted = known && known->status && known->status->value.state == GuestState::broken &&
                     known->status->value.last_error == words;
  if (!known || noted) co_return;
  parts_.log.warning("core", "a guest does not answer",
                     {{"guest", to_text(guest)}, {"why", words}});
  try {
    co_await settle(guest, [&](Draft& draft) { settle_broken(draft, guest, words); });
  } catch (const Error& error) {
    parts_.log.error("core", "a guest's state could not be written",
                     {{"guest", to_text(guest)}, {"why", error.full_message()}});
  }
}

// The process of a guest that is ours: the one held, or one that has to be taken over. Null: none.
Async<std::shared_ptr<ports::Machine>> GuestAgent::find_machine(model::GuestId guest) {
  if (auto held = parts_.live.find(guest)) co_return held;
  const auto found = co_await parts_.hypervisor.survey();
  const auto here = std::ranges::find(found, guest, &ports::FoundMachine::guest);
  if (here == found.end() || !here->alive) co_return nullptr;
  if (!is_ours(*here)) {
    throw Error(Reason::not_owner,
                fmt::format("a process from epoch {} of this guest runs here", here->epoch))
        .remedy("look at it, and end it when nothing needs it any more");
  }
  std::shared_ptr<ports::Machine> adopted = co_await parts_.hypervisor.adopt(guest);
  if (adopted) parts_.live.put(guest, adopted);
  co_return adopted;
}

Async<void> GuestAgent::look(model::GuestId guest) {
  const auto hold = co_await parts_.live.hold(guest);
  if (!own_record(guest)) co_return;
  if (is_busy(guest)) {
    look_soon(guest);
    co_return;
  }
  const auto machine = co_await find_machine(guest);
  if (!machine) co_return co_await look_at_absence(guest);
  std::optional<Error> failure;
  try {
    co_await look_at_machine(guest, machine);
  } catch (const Error& error) {
    failure = error;
  }
  if (!failure) co_return;
  // A fresh connection to its monitor may do better.
  if (parts_.live.find(guest) == machine) parts_.live.remove(guest);
  throw std::move(*failure);
}

Async<void> GuestAgent::look_at_machine(model::GuestId guest,
                                        std::shared_ptr<ports::Machine> machine) {
  const auto now = co_await machine->status();
  // A start from saved memory that failed and could not be taken back: nothing of it has run.
  if (is_suspended(guest) && now.state != MachineState::running) {
    parts_.live.remove(guest);
    co_return co_await parts_.hypervisor.clear(guest);
  }
  if (now.state == MachineState::gone) {
    parts_.live.remove(guest);
    co_return co_await crashed(guest, now.last_words);
  }
  if (now.state == MachineState::shut_down || now.state == MachineState::prelaunch) {
    // It powered itself off, or a start that nobody remembers left it before its first instruction.
    parts_.live.remove(guest);
    co_await parts_.hypervisor.clear(guest);
    const bool settled =
        co_await settle(guest, [&](Draft& draft) { settle_stopped(draft, guest, ""); });
    if (!settled) look_soon(guest);
    co_return;
  }
  lost_by_reboot_.erase(guest);
  last_words_.erase(guest);
  const auto* known = own_record(guest);
  if (!known) co_return;
  const auto expected =
      now.state == MachineState::running ? GuestState::running : GuestState::paused;
  // A guest whose system gave up is one that crashed, if it is to be started again then.
  if (now.pause_cause == model::PauseCause::panic &&
      known->spec->value.spec.restart_policy == model::RestartPolicy::on_crash) {
    parts_.live.remove(guest);
    co_return co_await crashed(guest, "its system panicked");
  }
  if (now.pause_cause == model::PauseCause::no_space) resume_soon(guest);
  const bool same = known->status && known->status->value.state == expected &&
                    known->status->value.pid == now.pid &&
                    known->status->value.pause_cause == now.pause_cause &&
                    known->status->value.last_error == trouble_of(now);
  if (same) co_return;
  const bool settled =
      co_await settle(guest, [&](Draft& draft) { settle_alive(draft, guest, now); });
  if (!settled) look_soon(guest);
}

Async<void> GuestAgent::look_at_absence(model::GuestId guest) {
  const auto* known = own_record(guest);
  const auto state = known && known->status ? known->status->value.state : GuestState::provisioning;
  // A broken guest whose process is gone has crashed; unless it is its document that is broken.
  if (is_unreadable(guest)) co_return;
  if (!has_process(state)) {
    // What a daemon that was killed at the wrong moment left of a guest that had ended.
    last_words_.erase(guest);
    co_return co_await parts_.hypervisor.clear(guest);
  }
  // What is not wished on has not crashed: somebody ended a process that was in the way.
  const bool wished = known->placement->value.wish == model::PowerWish::on;
  const bool rebooted = lost_by_reboot_.contains(guest);
  if (rebooted || !wished) {
    co_await parts_.hypervisor.clear(guest);
    const std::string why = rebooted ? "the host was restarted" : "";
    const bool settled =
        co_await settle(guest, [&](Draft& draft) { settle_stopped(draft, guest, why); });
    if (settled) lost_by_reboot_.erase(guest);
    if (!settled) look_soon(guest);
    co_return;
  }
  auto words = co_await parts_.hypervisor.last_words(guest);
  co_await crashed(guest, std::move(words));
}

Async<void> GuestAgent::crashed(model::GuestId guest, std::string last_words) {
  auto& kept = last_words_[guest];
  if (!last_words.empty()) kept = std::move(last_words);
  const std::string why = kept.empty() ? "QEMU ended without a word" : kept;
  parts_.log.warning("core", "a guest crashed", {{"guest", to_text(guest)}, {"why", why}});
  co_await parts_.hypervisor.clear(guest);
  std::uint32_t crashes = 0;
  const bool settled = co_await settle(guest, [&](Draft& draft) {
    settle_crashed(draft, guest, why);
    crashes = draft.guest_status(guest).crashes;
  });
  if (!settled) {
    look_soon(guest);
    co_return;
  }
  last_words_.erase(guest);
  restart_soon(guest, crashes);
}

Async<bool> GuestAgent::settle(model::GuestId guest, std::function<void(Draft&)> write) {
  bool settled = false;
  co_await parts_.writer.insist([&](Draft& draft) {
    const auto* placement = draft.find_placement(guest.value);
    settled = placement && placement->host == parts_.site.self && !claims_power(*placement);
    if (settled) write(draft);
  });
  co_return settled;
}

// --- full datastores -----------------------------------------------------------------------------

// A guest that found no room is let go on when there is some. QEMU tries the write again that had
// none, so nothing is lost; it stops once more when there still is not enough.
void GuestAgent::resume_soon(model::GuestId guest) {
  if (!resuming_.insert(guest).second) return;
  parts_.log.warning("core", "a guest stands still: a disk's datastore is full",
                     {{"guest", to_text(guest)}});
  spawn("resume " + to_text(guest), resume_when_there_is_room(guest));
}

bool GuestAgent::has_room(model::GuestId guest) const {
  const auto* known = own_record(guest);
  if (!known) return false;
  const auto& stores = parts_.writer.inventory().datastores();
  const auto store = stores.find(known->spec->value.datastore.value);
  if (store == stores.end() || !store->second->status) return false;
  const auto& status = store->second->status->value;
  return status.state == model::DatastoreState::available && status.available >= kEnoughRoom;
}

bool GuestAgent::waits_for_room(model::GuestId guest) const {
  const auto* known = own_record(guest);
  return known && known->status && known->status->value.pause_cause == model::PauseCause::no_space;
}

Async<void> GuestAgent::resume_when_there_is_room(model::GuestId guest) {
  // The look that called this writes the cause first.
  do {
    co_await sleep_for(parts_.clock, kRoomInterval);
    if (!waits_for_room(guest) || is_busy(guest) || !has_room(guest)) continue;
    const auto machine = parts_.live.find(guest);
    if (!machine) break;
    try {
      co_await machine->power(ports::PowerAction::resume);
    } catch (const Error& error) {
      parts_.log.warning("core", "a guest could not go on",
                         {{"guest", to_text(guest)}, {"why", error.full_message()}});
    }
  } while (waits_for_room(guest));
  resuming_.erase(guest);
}

// --- starting ------------------------------------------------------------------------------------

namespace {

bool may_pass(const Error& refusal) {
  return refusal.code() == ErrorCode::unavailable || refusal.code() == ErrorCode::conflict ||
         refusal.code() == ErrorCode::resource_exhausted;
}

}  // namespace

bool GuestAgent::wants_restart(model::GuestId guest) const {
  const auto* known = own_record(guest);
  if (!known || known->spec->value.deleted_at || is_busy(guest)) return false;
  if (!known->status || known->status->value.state != GuestState::crashed) return false;
  return known->spec->value.spec.restart_policy == model::RestartPolicy::on_crash;
}

void GuestAgent::restart_soon(model::GuestId guest, std::uint32_t crashes) {
  if (!wants_restart(guest) || !restarting_.insert(guest).second) return;
  spawn("restart " + to_text(guest), restart_later(guest, crashes));
}

Async<void> GuestAgent::restart_later(model::GuestId guest, std::uint32_t crashes) {
  // Somebody may start, edit, move or delete it meanwhile; and a start that fails leaves it
  // crashed.
  for (; wants_restart(guest); ++crashes) {
    const auto doublings = std::min<std::uint32_t>(crashes > 0 ? crashes - 1 : 0, 6);
    co_await sleep_for(parts_.clock, std::min(kFirstRestart * (1 << doublings), kLongestRestart));
    if (!wants_restart(guest)) break;
    const auto refused = co_await start(guest, crashes);
    if (refused && !may_pass(*refused)) break;
    while (is_busy(guest)) co_await parts_.writer.inventory().changed();
  }
  restarting_.erase(guest);
}

Async<void> GuestAgent::autostart() {
  std::vector<model::GuestId> wanted;
  for (const auto guest : own_guests()) {
    const auto& known = *own_record(guest);
    const auto state = known.status ? known.status->value.state : GuestState::provisioning;
    const bool off = state == GuestState::stopped || state == GuestState::crashed ||
                     state == GuestState::suspended;
    const auto& spec = known.spec->value;
    if (off && spec.spec.autostart && !spec.deleted_at && !is_busy(guest)) wanted.push_back(guest);
  }
  const auto order = [this](model::GuestId guest) {
    return std::pair(own_record(guest)->spec->value.spec.start_order, guest);
  };
  std::ranges::sort(wanted, {}, order);
  for (const auto guest : wanted) {
    const auto* known = own_record(guest);
    if (!known) continue;  // deleted meanwhile
    const auto delay = known->spec->value.spec.start_delay;
    Duration pause = kFirstLook;
    while (true) {
      const auto refused = co_await start(guest, std::nullopt);
      if (!refused || refused->code() != ErrorCode::unavailable) break;
      co_await sleep_for(parts_.clock, pause);
      pause = std::min(pause * 2, kLongestLook);
    }
    if (delay.count() > 0) co_await sleep_for(parts_.clock, delay);
  }
}

Async<std::optional<Error>> GuestAgent::start(model::GuestId guest,
                                              std::optional<std::uint32_t> crashes) {
  Caller caller;
  caller.user = kUser;
  std::optional<Error> failure;
  try {
    const model::VmRef request{to_text(guest)};
    co_await accept(parts_.writer, caller, [&](Draft& draft) {
      auto proposal = plans::start(draft, parts_.site, request);
      if (crashes) draft.guest_status(guest).crashes = *crashes;
      return proposal;
    });
  } catch (const Error& error) {
    failure = error;
  }
  if (failure) {
    parts_.log.warning("core", "a guest could not be started",
                       {{"guest", to_text(guest)}, {"why", failure->full_message()}});
  }
  co_return failure;
}

}  // namespace ruche::core
