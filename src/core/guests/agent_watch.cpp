#include "core/guests/agent_watch.hpp"

#include <algorithm>

namespace ruche::core {

namespace {

constexpr Duration kFirstPause{1'000};
constexpr Duration kYoungPause{10'000};   // while a guest is still being set up
constexpr Duration kLongestPause{300'000};
constexpr int kYoungLooks = 30;
constexpr Duration kThawRetry{2'000};
constexpr Duration kLongestThawRetry{60'000};  // of a guest that stands still
constexpr Duration kNoHurry{3'600'000};

model::AgentStatus status_of(const ports::AgentFacts& facts) {
  model::AgentStatus status;
  status.connected = true;
  status.version = facts.version;
  status.host_name = facts.host_name;
  status.os = facts.os;
  status.kernel = facts.kernel;
  status.initialized = facts.initialized;
  status.ssh_host_keys = facts.ssh_host_keys;
  return status;
}

Async<void> wait_for(Signal& signal) { co_await signal.wait(); }

}  // namespace

AgentWatch::AgentWatch(Parts parts)
    : parts_(std::move(parts)), scope_(parts_.executor, "agent watch") {}

const model::GuestStatus* AgentWatch::status(model::GuestId guest) const {
  const auto& guests = parts_.writer.inventory().guests();
  const auto found = guests.find(guest.value);
  if (found == guests.end() || !found->second->status) return nullptr;
  return &found->second->status->value;
}

Async<void> AgentWatch::run() {
  std::exception_ptr failure;
  running_ = true;
  try {
    while (true) {
      for (const auto& [guest, machine] : parts_.live.all()) {
        if (!following_.contains(guest)) wake(guest);
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

void AgentWatch::wake(model::GuestId guest) {
  if (!running_) return;  // run() looks at all
  const auto [entry, fresh] = following_.try_emplace(guest);
  if (fresh) {
    entry->second = std::make_shared<Following>();
    scope_.spawn("agent of " + to_text(guest), follow(guest));
    return;
  }
  auto& following = *entry->second;
  following.again = true;
  following.looks = 0;
  following.pause = Duration{0};
  following.woken.notify();
}

void AgentWatch::hold_frozen(model::GuestId guest, Duration hold) {
  thaw_at_[guest] = parts_.clock.now() + hold;
  wake(guest);
}

void AgentWatch::set_clock(model::GuestId guest) {
  late_clocks_.insert(guest);
  wake(guest);
}

Async<void> AgentWatch::set_late_clock(model::GuestId guest,
                                       std::shared_ptr<ports::Machine> machine) {
  if (late_clocks_.erase(guest) == 0) co_return;
  try {
    co_await machine->agents()->set_time();
  } catch (const Error& error) {
    parts_.log.warning("core", "a guest's clock could not be set",
                       {{"guest", to_text(guest)}, {"why", error.full_message()}});
  }
}

// A freeze that an earlier daemon promised to end.
void AgentWatch::remember_freeze(model::GuestId guest) {
  const auto* known = status(guest);
  if (!known || !known->thaw_at || thaw_at_.contains(guest)) return;
  const Duration left(known->thaw_at->unix_ms - parts_.clock.wall().unix_ms);
  thaw_at_[guest] = parts_.clock.now() + std::clamp(left, Duration{0}, Duration{600'000});
}

Async<void> AgentWatch::follow(model::GuestId guest) {
  const auto following = following_.at(guest);
  remember_freeze(guest);
  co_await keep_following(guest, *following);
  following_.erase(guest);
  // It may have been started again meanwhile.
  if (parts_.live.find(guest)) wake(guest);
}

Async<void> AgentWatch::pause(Following& following, Duration limit) {
  if (!following.again) {
    try {
      co_await with_deadline(parts_.clock, limit, "a pause", wait_for(following.woken));
    } catch (const Error& error) {
      if (error.reason() != Reason::deadline) throw;
    }
  }
  following.again = false;
}

Async<void> AgentWatch::keep_following(model::GuestId guest, Following& following) {
  while (const auto machine = parts_.live.find(guest)) {
    auto* agents = machine->agents();
    if (agents == nullptr) {
      // Nothing will ever come; only the end of the machine.
      while (parts_.live.find(guest) == machine) co_await parts_.live.changed();
      continue;
    }
    if (is_frozen(guest)) {
      co_await thaw_when_due(guest, machine, following);
      continue;
    }
    if (agents->connected()) {
      co_await look(guest, machine, following);
    } else {
      co_await note(guest, [](model::GuestStatus& known) {
        if (known.agent) known.agent->connected = false;
      });
      following.pause = kNoHurry;  // the hypervisor says when somebody comes
    }
    if (parts_.live.find(guest) == machine) co_await pause(following, following.pause);
  }
  release(guest);
  late_clocks_.erase(guest);
}

Async<void> AgentWatch::look(model::GuestId guest, std::shared_ptr<ports::Machine> machine,
                             Following& following) {
  std::optional<ports::AgentFacts> facts;
  try {
    facts = co_await machine->agents()->facts();
  } catch (const Error& error) {
    parts_.log.debug("core", "a guest's agent does not answer",
                     {{"guest", to_text(guest)}, {"why", error.full_message()}});
  }
  if (facts) co_await set_late_clock(guest, machine);
  if (!facts && is_frozen(guest)) co_return;  // it was frozen over the question
  co_await note(guest, [&facts](model::GuestStatus& known) {
    if (!facts) {
      if (known.agent) known.agent->connected = false;
      return;
    }
    known.agent = status_of(*facts);
    if (!facts->addresses.empty()) known.addresses = facts->addresses;
  });
  const bool young = (!facts || !facts->initialized) && ++following.looks < kYoungLooks;
  following.pause =
      std::clamp(following.pause * 2, kFirstPause, young ? kYoungPause : kLongestPause);
}

Async<void> AgentWatch::thaw_when_due(model::GuestId guest, std::shared_ptr<ports::Machine> machine,
                                      Following& following) {
  const auto due = thaw_at_.at(guest);
  const auto now = parts_.clock.now();
  if (now < due) {
    const auto left = std::chrono::duration_cast<Duration>(due - now) + Duration{1};
    co_return co_await pause(following, left);
  }
  std::optional<Error> failure;
  try {
    co_await machine->agents()->thaw();
  } catch (const Error& error) {
    failure = error;
  }
  if (failure) {
    parts_.log.warning("core", "a frozen guest cannot be thawed yet",
                       {{"guest", to_text(guest)}, {"why", failure->full_message()}});
    following.pause = std::clamp(following.pause * 2, kThawRetry, kLongestThawRetry);
    co_return co_await pause(following, following.pause);
  }
  // A thaw that was asked for may have come first; then this was nothing.
  if (is_frozen(guest)) {
    parts_.log.warning("core", "a guest's file systems were thawed because their time was over",
                       {{"guest", to_text(guest)}});
  }
  release(guest);
  following.pause = Duration{0};
  co_await note(guest, [](model::GuestStatus& known) { known.thaw_at.reset(); });
}

// Writes only what is new, and only about a guest that is ours and has a process.
Async<void> AgentWatch::note(model::GuestId guest,
                             std::function<void(model::GuestStatus&)> change) {
  const auto wanted = [this, guest, &change](const model::GuestStatus& known) {
    if (!parts_.live.find(guest)) return false;
    auto changed = known;
    change(changed);
    return changed.agent != known.agent || changed.addresses != known.addresses ||
           changed.thaw_at != known.thaw_at;
  };
  const auto* known = status(guest);
  if (known == nullptr || !wanted(*known)) co_return;
  co_await parts_.writer.insist([&](Draft& draft) {
    const auto* placement = draft.find_placement(guest.value);
    if (placement == nullptr || placement->host != parts_.self) return;
    const auto* latest = status(guest);
    if (latest == nullptr || !wanted(*latest)) return;
    change(draft.guest_status(guest));
  });
}

}  // namespace ruche::core
