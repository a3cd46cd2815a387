#include "core/guests/guest_steps.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/guests/admission_files.hpp"
#include "core/guests/found_guest.hpp"
#include "core/guests/guest_documents.hpp"
#include "core/guests/guest_edit.hpp"
#include "core/guests/host_devices.hpp"
#include "core/guests/machine_spec.hpp"
#include "core/guests/snapshot_documents.hpp"
#include "core/placement/reservations.hpp"
#include "model/guest_rules.hpp"

namespace ruche::core {

using ports::MachineState;
using ports::PowerAction;

namespace {

constexpr Duration kPollInterval{100};
constexpr Duration kPressInterval{5000};

// The guest of a guest step; nullopt for the steps of other concerns.
std::optional<model::GuestId> guest_of(const model::Step& step) {
  return std::visit(
      [](const auto& s) -> std::optional<model::GuestId> {
        if constexpr (requires { s.guest; }) return s.guest;
        return std::nullopt;
      },
      step);
}

template <class Kind>
bool is(const model::Step& step) {
  return std::holds_alternative<Kind>(step);
}

}  // namespace

// The hardware of a guest that runs is HardwareSteps', its snapshots are SnapshotSteps'.
bool GuestSteps::handles(const model::Step& step) const {
  const bool of_snapshots = is<model::TakeSnapshot>(step) || is<model::MergeLayer>(step) ||
                            is<model::ForgetSnapshot>(step) || is<model::RevertGuest>(step);
  return guest_of(step).has_value() && !of_snapshots && !is<model::ChangeHardware>(step) &&
         !is<model::GrowDisk>(step);
}
// From the first instruction on the disks change, and the memory that was saved agrees with them no
// more. A process whose memory was saved and that is ended is not one that was stopped.
bool GuestSteps::is_pivot(const model::Step& step) const {
  if (const auto* resume = std::get_if<model::ResumeMachine>(&step)) return resume->from_memory;
  if (const auto* stop = std::get_if<model::StopMachine>(&step)) return stop->memory.has_value();
  return false;
}

bool GuestSteps::found_by_name(const model::Step& step) const {
  // A reset and a pressed power button leave nothing to be found by. A freeze does, but whoever
  // begins one promises its end, so it is written down first.
  return !is<model::ResetMachine>(step) && !is<model::ShutdownMachine>(step) &&
         !is<model::FreezeGuest>(step);
}

const model::Guest& GuestSteps::guest(model::GuestId id) const {
  const auto& guests = parts_.writer.inventory().guests();
  const auto found = guests.find(id.value);
  if (found == guests.end() || !found->second->spec) {
    throw Error(Reason::no_such_object, fmt::format("guest {} is gone", to_text(id)));
  }
  return found->second->spec->value;
}

std::shared_ptr<ports::Machine> GuestSteps::machine(model::GuestId id) const {
  auto found = parts_.live.find(id);
  if (!found) throw Error(Reason::wrong_state, fmt::format("{} has no process", guest(id).name));
  return found;
}

Async<MachineState> GuestSteps::state_of(model::GuestId id) {
  const auto live = parts_.live.find(id);
  if (!live) co_return MachineState::gone;
  const auto status = co_await live->status();
  co_return status.state;
}

Async<Observation> GuestSteps::observe(const model::Step& step, const StepContext&) {
  const auto id = *guest_of(step);
  const auto as = [](bool done) { return done ? Observation::done : Observation::absent; };
  if (is<model::RecycleGuest>(step) || is<model::RestoreGuest>(step)) {
    co_return Observation::done;  // they are nothing but their documents
  }
  // A stop is never taken for done: a guest that could not be adopted has a process all the same,
  // and one that has none may have left its record.
  if (const auto* start = std::get_if<model::LaunchMachine>(&step)) {
    if (!parts_.live.find(id)) co_return Observation::absent;
    const auto state = co_await state_of(id);
    // One that has not got all of its saved memory yet never will have.
    if (start->memory && state == MachineState::prelaunch) co_return Observation::partial;
    co_return as(state != MachineState::gone);
  }
  if (const auto* freeze = std::get_if<model::FreezeGuest>(&step)) {
    const auto said = co_await is_frozen(id);
    const bool frozen = said.value_or(false);
    // An earlier daemon froze it; this one ends it.
    if (frozen) parts_.agents.hold_frozen(id, freeze->hold);
    co_return as(frozen);
  }
  co_return Observation::absent;
}

Async<void> GuestSteps::apply(const model::Step& step, const StepContext& context) {
  const auto id = *guest_of(step);
  const auto hold = co_await parts_.live.hold(id);
  if (is<model::RegisterGuest>(step) || is<model::ExportConfiguration>(step)) {
    co_await export_configuration(id, context.task);
  } else if (const auto* admission = std::get_if<model::AdmitGuest>(&step)) {
    co_await verify_admission(parts_.writer.inventory(), parts_.pool, *admission);
    co_await export_configuration(id, context.task);
  } else if (const auto* start = std::get_if<model::LaunchMachine>(&step)) {
    co_await launch(*start);
  } else if (const auto* save = std::get_if<model::SaveMemory>(&step)) {
    co_await save_memory(*save, context);
  } else if (const auto* go_on = std::get_if<model::ResumeMachine>(&step)) {
    co_await resume(*go_on);
  } else if (is<model::PauseMachine>(step)) {
    const auto held = machine(id);
    co_await held->power(PowerAction::pause);
    co_await remember(id, *held);
  } else if (is<model::ResetMachine>(step)) {
    co_await machine(id)->power(PowerAction::reset);
  } else if (is<model::ShutdownMachine>(step)) {
    co_await shut_down(std::get<model::ShutdownMachine>(step), context);
  } else if (is<model::StopMachine>(step)) {
    co_await end_process(id);
  } else if (is<model::FreezeGuest>(step)) {
    co_await freeze(std::get<model::FreezeGuest>(step));
  } else if (is<model::ThawGuest>(step)) {
    co_await thaw(id);
  } else if (is<model::MoveGuest>(step)) {
    co_await parts_.hypervisor.clear(id);
  } else if (is<model::ForgetGuest>(step)) {
    co_await parts_.hypervisor.clear(id);
    const auto driver = parts_.pool.driver(guest(id).datastore);
    co_await driver->remove_owner(model::ObjectKind::guest, id.value);
  }
}

Async<void> GuestSteps::revert(const model::Step& step, const StepContext&) {
  const auto id = *guest_of(step);
  const auto hold = co_await parts_.live.hold(id);
  if (is<model::LaunchMachine>(step)) {
    const bool of_before = co_await is_of_before(id);
    if (!of_before) co_await end_process(id);
  }
  if (const auto* save = std::get_if<model::SaveMemory>(&step)) co_await go_on_after_save(*save);
  if (is<model::FreezeGuest>(step)) co_await thaw(id);
  if (is<model::ThawGuest>(step)) co_await note_thaw(id);
  // A process that was ended stays ended, also when the task was cancelled after that.
  if (is<model::StopMachine>(step) || is<model::ShutdownMachine>(step)) co_await note_end(id);
  if (is<model::RegisterGuest>(step)) {
    if (!parts_.writer.inventory().guests().contains(id.value)) co_return;
    const auto driver = parts_.pool.driver(guest(id).datastore);
    co_await driver->remove_owner(model::ObjectKind::guest, id.value);
  }
}

// Of a task that ends a process and launches another: whether the process is still the one that the
// documents know. What such a task launches it tells them of in its last commit only.
Async<bool> GuestSteps::is_of_before(model::GuestId id) {
  const auto& guests = parts_.writer.inventory().guests();
  const auto found = guests.find(id.value);
  const bool had_one =
      found != guests.end() && found->second->status && found->second->status->value.pid;
  if (!had_one) co_return false;
  const auto pid = *found->second->status->value.pid;
  auto held = parts_.live.find(id);
  if (!held) {
    const bool alive = co_await has_process(id);
    if (!alive) co_return false;
    held = co_await parts_.hypervisor.adopt(id);
    if (!held) co_return false;
    parts_.live.put(id, held);
  }
  const auto status = co_await held->status();
  co_return status.state != MachineState::gone&& status.pid == pid;
}

Async<void> GuestSteps::launch(const model::LaunchMachine& step) {
  const auto id = step.guest;
  auto spec = machine_spec(parts_.writer.inventory(), parts_.pool, parts_.sealing, step);
  if (!spec.spec.usb.empty() || !spec.spec.pci.empty()) {
    const auto facts = co_await parts_.host_info.inspect();
    give_host_devices(spec, facts, parts_.log);
  }
  spec.ports = co_await parts_.networks.plug(id);
  std::shared_ptr<ports::Machine> launched = co_await parts_.hypervisor.launch(std::move(spec));
  parts_.live.put(id, launched);
  fresh_.insert(id);
}

Async<void> GuestSteps::save_memory(const model::SaveMemory& step, const StepContext& context) {
  const auto held = machine(step.guest);
  auto* snapshots = held->snapshots();
  if (snapshots == nullptr) throw Error(Reason::host_cannot, "this host cannot save memory");
  const auto path = layer_path(parts_.writer.inventory(), parts_.pool, step.layer);
  const auto report = [&context](Bytes done, Bytes total) {
    context.progress(done, total, "saving the memory");
  };
  saved_sizes_[step.layer] = co_await snapshots->save(path, report);
}

// The guest goes on as if nothing had been; one that is gone by now has crashed.
Async<void> GuestSteps::go_on_after_save(const model::SaveMemory& step) {
  saved_sizes_.erase(step.layer);
  const auto held = parts_.live.find(step.guest);
  if (!held || held->snapshots() == nullptr) co_return;
  const auto before = co_await state_of(step.guest);
  if (before == MachineState::gone) co_return;
  co_await held->snapshots()->cancel();
  const auto state = co_await state_of(step.guest);
  if (state != MachineState::paused) co_return;
  if (!step.was_paused) co_await held->power(PowerAction::resume);
}

Async<void> GuestSteps::resume(const model::ResumeMachine& step) {
  const auto id = step.guest;
  const auto held = machine(id);
  // One that an earlier daemon launched may have run and powered itself off already; that is
  // settled as what it is. On the way of an ordinary start there is nothing to ask.
  auto state = MachineState::prelaunch;
  if (fresh_.erase(id) == 0) state = co_await state_of(id);
  if (state != MachineState::shut_down) co_await held->power(PowerAction::resume);
  if (step.from_memory) parts_.agents.set_clock(id);
  co_await remember(id, *held);
}

Async<void> GuestSteps::remember(model::GuestId id, ports::Machine& held) {
  auto status = co_await held.status();
  if (status.state == MachineState::gone) {
    throw Error(Reason::hypervisor_failed,
                fmt::format("{} ended: {}", guest(id).name, status.last_words));
  }
  seen_[id] = std::move(status);
}

Async<void> GuestSteps::end_process(model::GuestId id) {
  const auto held = parts_.live.find(id);
  // Out of the list first: what its events say from now on is no crash.
  parts_.live.remove(id);
  fresh_.erase(id);
  std::optional<Error> failure;
  if (held) {
    try {
      co_await held->power(PowerAction::kill);
    } catch (const Error& error) {
      failure = error;  // a monitor that hangs or lies; clear() ends the process by its record
    }
  }
  co_await parts_.hypervisor.clear(id);
  co_await parts_.networks.unplug(id);
}

Async<void> GuestSteps::shut_down(const model::ShutdownMachine& step, const StepContext& context) {
  const auto held = parts_.live.find(step.guest);
  if (!held) co_return co_await clear_if_ended(step.guest);
  const auto before = co_await state_of(step.guest);
  const bool hears = before != MachineState::gone && before != MachineState::shut_down;
  if (hears) co_await ask_to_power_off(step.guest, held);
  context.progress({}, {}, fmt::format("waiting for {} to power off", guest(step.guest).name));
  bool late = false;
  try {
    co_await with_deadline(parts_.clock, step.patience, "the shutdown",
                           wait_for_power_off(step.guest));
  } catch (const Error& error) {
    if (error.reason() != Reason::deadline) throw;
    late = true;
  }
  if (late && !step.then_stop) {
    const auto& name = guest(step.guest).name;
    throw Error(Reason::guest_ignored_shutdown,
                fmt::format("{} did not power off within {}", name, to_text(step.patience)))
        .remedy(fmt::format("wait longer (--timeout), or pull the plug: ruche vm stop {}", name));
  }
  co_await end_process(step.guest);
}

// Through its agent when that answers: a guest may ignore a power button, and knows who asked it.
// A frozen guest could not write what a shutdown writes.
Async<void> GuestSteps::ask_to_power_off(model::GuestId id, std::shared_ptr<ports::Machine> held) {
  auto* agents = held->agents();
  bool told = false;
  if (agents != nullptr && agents->connected()) {
    try {
      if (parts_.agents.is_frozen(id)) co_await agents->thaw();
      co_await agents->shut_down();
      told = true;
    } catch (const Error& error) {
      if (error.reason() != Reason::no_agent && error.reason() != Reason::agent_failed) throw;
    }
  }
  if (!told) co_await held->power(PowerAction::shutdown);
}

Async<void> GuestSteps::freeze(const model::FreezeGuest& step) {
  const auto held = machine(step.guest);
  auto* agents = held->agents();
  if (agents == nullptr || !agents->connected()) {
    throw Error(Reason::no_agent,
                fmt::format("{} has no agent that answers", guest(step.guest).name))
        .remedy("install qemu-guest-agent in it, or pause it in place of freezing");
  }
  // The promise first: a freeze that is half done must end too.
  parts_.agents.hold_frozen(step.guest, step.hold);
  co_await agents->freeze();
}

// Nothing when nobody says so.
Async<std::optional<bool>> GuestSteps::is_frozen(model::GuestId id) {
  const auto held = parts_.live.find(id);
  auto* agents = held ? held->agents() : nullptr;
  if (agents == nullptr || !agents->connected()) co_return std::nullopt;
  std::optional<bool> frozen;
  try {
    frozen = co_await agents->frozen();
  } catch (const Error& error) {
    if (error.reason() != Reason::no_agent && error.reason() != Reason::agent_failed) throw;
  }
  co_return frozen;
}

// A thaw is not taken back: the document then says what is.
Async<void> GuestSteps::note_thaw(model::GuestId id) {
  thawed_.erase(id);
  const auto frozen = co_await is_frozen(id);
  if (frozen.value_or(true)) co_return;
  thawed_.insert(id);
  parts_.agents.release(id);
}

// What has no process or no agent any more is not frozen.
Async<void> GuestSteps::thaw(model::GuestId id) {
  const auto held = parts_.live.find(id);
  auto* agents = held ? held->agents() : nullptr;
  if (agents != nullptr && agents->connected()) co_await agents->thaw();
  parts_.agents.release(id);
  parts_.agents.wake(id);
}

// A guest that is not held has ended, or could not be adopted: then it goes on running.
Async<void> GuestSteps::clear_if_ended(model::GuestId id) {
  const bool alive = co_await has_process(id);
  if (alive) {
    const auto& name = guest(id).name;
    throw Error(Reason::hypervisor_failed, fmt::format("{} does not answer", name))
        .remedy(fmt::format("pull the plug: ruche vm stop {}", name));
  }
  co_await parts_.hypervisor.clear(id);
}

Async<bool> GuestSteps::has_process(model::GuestId id) {
  if (parts_.live.find(id)) co_return true;
  const auto found = co_await parts_.hypervisor.survey();
  co_return std::ranges::any_of(found, [id](const ports::FoundMachine& machine) {
    return machine.guest == id && machine.alive;
  });
}

Async<void> GuestSteps::note_end(model::GuestId id) {
  ended_.erase(id);
  const bool alive = co_await has_process(id);
  if (alive) co_return;
  co_await parts_.hypervisor.clear(id);
  ended_.insert(id);
}

// A guest that is still starting hears no power button, so it is pressed again.
Async<void> GuestSteps::wait_for_power_off(model::GuestId id) {
  auto next_press = parts_.clock.now() + kPressInterval;
  while (true) {
    const auto state = co_await state_of(id);
    if (state == MachineState::gone || state == MachineState::shut_down) co_return;
    co_await sleep_for(parts_.clock, kPollInterval);
    const auto held = parts_.live.find(id);
    if (!held || parts_.clock.now() < next_press) continue;
    next_press = parts_.clock.now() + kPressInterval;
    co_await held->power(PowerAction::shutdown);
  }
}

// With the layers that a cut of this task has given it: its document says so when the task ends.
Async<void> GuestSteps::export_configuration(model::GuestId id, const model::Task& task) {
  model::Guest exported = guest(id);
  for (const auto& step : task.plan) {
    const auto* cut = std::get_if<model::TakeSnapshot>(&step);
    if (cut && cut->guest == id) go_on_in_overlays(*cut, exported.spec.disks);
  }
  const auto driver = parts_.pool.driver(exported.datastore);
  co_await driver->write_note(id, kConfigurationNote, configuration_note(exported));
}

namespace {

// A restart by policy that failed leaves the guest crashed, so that there is another; a wished
// start begins to count crashes anew.
void settle_failed_start(Draft& draft, model::GuestId id, const Error* why) {
  const std::string words = why ? why->full_message() : "";
  const bool cancelled = why && why->reason() == Reason::task_cancelled;
  const auto& guests = draft.inventory().guests();
  const auto found = guests.find(id.value);
  const bool restart = !cancelled && found != guests.end() && found->second->status &&
                       found->second->status->value.crashes > 0;
  if (!restart) return settle_stopped(draft, id, words);
  settle_crashed(draft, id, words);
  if (draft.find_placement(id.value)) ++draft.guest_status(id).crashes;
}

void recycle(Draft& draft, model::GuestId id) {
  auto& guest = draft.guest(id);
  if (guest.deleted_at) return;
  guest.deleted_at = draft.now();
  draft.free_name("vm", guest.name);
}

void restore(Draft& draft, const model::RestoreGuest& step) {
  auto& guest = draft.guest(step.guest);
  guest.deleted_at.reset();
  if (!step.name.empty()) guest.name = step.name;
}

// A purge that could not be finished: without all of its volumes the guest is no longer one.
void mark_remains(Draft& draft, model::GuestId id, const Error* why) {
  const auto& record = draft.inventory().guests().at(id.value);
  if (!record->spec) return;
  const auto is_whole = [&](const model::VmSpec& spec) {
    return std::ranges::all_of(
        spec.disks, [&](const auto& disk) { return draft.find_layer(disk.layer) != nullptr; });
  };
  bool whole = is_whole(record->spec->value.spec);
  for (const auto& [snapshot, stored] : draft.inventory().snapshots()) {
    if (stored->value.guest == id) whole = whole && is_whole(stored->value.spec);
  }
  if (whole) return;
  recycle(draft, id);
  settle_broken(draft, id,
                "it was purged, but not to the end: " +
                    (why ? why->full_message() : std::string("unknown why")));
}

// A change whose task failed is taken out of the document again, with the name it had reserved.
void settle_edit(Draft& draft, const model::ExportConfiguration& step, bool done) {
  if (!step.before) return;
  auto& guest = draft.guest(step.guest);
  const std::string changed = guest.name;
  const auto tried = configuration_of(guest);
  if (!done) {
    restore_configuration(guest, *step.before);
    guest.pool = return_to_pool(draft, draft.placement(guest.id.value), guest.pool);
  }
  free_what_left(draft, guest.id, (done ? *step.before : tried).spec, guest.spec);
  if (changed != step.before->name) draft.free_name("vm", done ? step.before->name : changed);
}

void move_placement(Draft& draft, model::GuestId id, model::HostId to) {
  model::Placement moved = draft.placement(id.value);
  draft.erase(keys::placement(moved.host, id.value));
  moved.host = to;
  ++moved.epoch;
  const std::string key = keys::placement(to, id.value);
  draft.create(key, std::move(moved));
}

}  // namespace

void GuestSteps::settle_launch(const model::LaunchMachine& start, bool done, const Error* why,
                               Draft& draft) {
  const auto id = start.guest;
  if (!draft.find_placement(id.value)) return;  // it was never made
  const auto overhead = parts_.hypervisor.capabilities().overhead;
  auto& status = draft.guest_status(id);
  if (!done) {
    const std::string words = why ? why->full_message() : "";
    // Its earlier process was never ended: nothing has happened.
    if (parts_.live.find(id) && status.pid && status.running) {
      return reserve_exactly(draft, id, model::reservation_of(status.running->spec, overhead));
    }
    if (status.saved) return stay_suspended(draft, id, words);
    if (start.snapshot) return settle_stopped(draft, id, words);
    return settle_failed_start(draft, id, why);
  }
  const auto& snapshots = draft.inventory().snapshots();
  const auto from = start.snapshot ? snapshots.find(start.snapshot->value) : snapshots.end();
  if (from != snapshots.end() && from->second->value.running) {
    status.running = hardware_gone_back(*from->second->value.running, draft.guest(id).spec);
  } else if (start.memory) {
    status.saved.reset();
  }
  if (draft.placement(id.value).reserved != model::Reservation{}) return;
  const auto& hardware =
      start.snapshot && status.running ? status.running->spec : draft.guest(id).spec;
  reserve_again(draft, id, model::reservation_of(hardware, overhead));
  draft.placement(id.value).wish = model::PowerWish::on;
}

// Of a task that failed before the CPUs ran the saved memory is as good as before; afterwards it is
// used up, whatever became of the process.
void GuestSteps::settle_power(const model::Step& step, model::GuestId id, bool done,
                              const Error* why, Draft& draft) {
  if (const auto* start = std::get_if<model::LaunchMachine>(&step)) {
    return settle_launch(*start, done, why, draft);
  }
  if (const auto* stop = std::get_if<model::StopMachine>(&step); stop && stop->memory) {
    const auto* layer = draft.find_layer(*stop->memory);
    if (!done || !layer) return;
    const auto known = saved_sizes_.extract(*stop->memory);
    const auto size = known.empty() ? layer->size : known.mapped();
    return settle_suspended(draft, id, {*stop->memory, size, draft.now()});
  }
  if (is<model::DiscardMemory>(step)) {
    if (done) settle_stopped(draft, id, "");
    return;
  }
  if (is<model::StopMachine>(step) || is<model::ShutdownMachine>(step)) {
    if (done || ended_.contains(id)) settle_stopped(draft, id, "");
    return;
  }
  const auto* resume = std::get_if<model::ResumeMachine>(&step);
  if (resume && resume->from_memory && !done) {
    const auto& status = draft.guest_status(id);
    if (status.saved || status.pid || !status.running) return;  // it never came as far as that
    const std::string words = why ? why->full_message() : "";
    if (parts_.live.find(id)) return settle_broken(draft, id, words);
    return settle_crashed(draft, id, words);
  }
  const auto seen = seen_.find(id);
  if (!done || seen == seen_.end()) return;
  if (seen->second.state == MachineState::shut_down) return settle_stopped(draft, id, "");
  settle_alive(draft, id, seen->second);
}

namespace {

bool is_about_power(const model::Step& step) {
  return is<model::LaunchMachine>(step) || is<model::ResumeMachine>(step) ||
         is<model::PauseMachine>(step) || is<model::StopMachine>(step) ||
         is<model::ShutdownMachine>(step) || is<model::DiscardMemory>(step);
}

}  // namespace

void GuestSteps::settle(const model::Step& step, Outcome outcome, const Error* why, Draft& draft) {
  const auto id = *guest_of(step);
  const bool done = outcome == Outcome::done;
  if (!draft.inventory().guests().contains(id.value)) return;
  if (is_about_power(step)) return settle_power(step, id, done, why, draft);
  if (is<model::RegisterGuest>(step)) {
    if (!done) return forget_guest(draft, id);
    auto& status = draft.guest_status(id);
    if (status.state == model::GuestState::provisioning) status.state = model::GuestState::stopped;
  } else if (const auto* admission = std::get_if<model::AdmitGuest>(&step)) {
    settle_admission(draft, *admission, done);
  } else if (is<model::FreezeGuest>(step)) {
    if (!done) return;
    const auto hold = std::get<model::FreezeGuest>(step).hold;
    draft.guest_status(id).thaw_at = Timestamp{draft.now().unix_ms + hold.count()};
  } else if (is<model::ThawGuest>(step)) {
    if (done || thawed_.contains(id)) draft.guest_status(id).thaw_at.reset();
  } else if (is<model::RecycleGuest>(step)) {
    if (done) recycle(draft, id);
  } else if (is<model::RestoreGuest>(step)) {
    const auto& restored = std::get<model::RestoreGuest>(step);
    if (done) restore(draft, restored);
    if (!done) draft.free_name("vm", restored.name);
  } else if (is<model::ExportConfiguration>(step)) {
    settle_edit(draft, std::get<model::ExportConfiguration>(step), done);
  } else if (is<model::ForgetGuest>(step)) {
    if (done) forget_guest(draft, id);
    if (!done) mark_remains(draft, id, why);
  } else if (is<model::MoveGuest>(step)) {
    if (done) move_placement(draft, id, std::get<model::MoveGuest>(step).to);
  }
}

}  // namespace ruche::core
