#include "core/guests/guest_documents.hpp"

#include <algorithm>
#include <set>

#include "core/guests/snapshot_documents.hpp"
#include "core/networks/addresses.hpp"
#include "core/placement/reservations.hpp"
#include "core/storage/layers.hpp"
#include "model/hardware_change.hpp"

namespace ruche::core {

namespace {

bool is_known(Draft& draft, model::GuestId guest) {
  return draft.find_placement(guest.value) != nullptr;
}

void give_back(Draft& draft, model::Placement& placement) {
  placement.wish = model::PowerWish::off;
  release_all(draft, placement);
}

// Forgets what only a process has.
model::GuestStatus& clear_process(Draft& draft, model::GuestId guest) {
  auto& status = draft.guest_status(guest);
  status.epoch = draft.placement(guest.value).epoch;
  status.pid.reset();
  status.started_at.reset();
  status.qemu_argv.clear();
  status.addresses.clear();
  status.cgroup.clear();
  status.agent.reset();
  status.thaw_at.reset();
  status.running.reset();
  status.pause_cause.reset();
  status.saved.reset();
  return status;
}

void leave_network(Draft& draft, model::GuestId guest, const model::NicSpec& nic) {
  if (!nic.network) return;
  free_address(draft, *nic.network, nic.address);
  const auto found = draft.inventory().networks().find(nic.network->value);
  if (found == draft.inventory().networks().end() || !found->second->spec) return;
  const auto leads_here = [&](const auto& forward) { return forward.guest == guest; };
  if (std::ranges::none_of(found->second->spec->value.forwards, leads_here)) return;
  std::erase_if(draft.network(*nic.network).forwards, leads_here);
}

std::ptrdiff_t uses(const model::VmSpec& spec, model::LayerId medium) {
  return std::ranges::count(spec.cdroms, std::optional(medium), &model::CdromSpec::layer);
}

}  // namespace

void free_what_left(Draft& draft, model::GuestId guest, const model::VmSpec& from,
                    const model::VmSpec& to) {
  for (const auto& nic : from.nics) {
    const bool same_mac =
        std::ranges::find(to.nics, nic.mac, &model::NicSpec::mac) != to.nics.end();
    if (!same_mac) draft.free_name("mac", nic.mac);
    const bool same_place = std::ranges::any_of(to.nics, [&](const auto& other) {
      return other.network == nic.network && other.address == nic.address;
    });
    if (!same_place) leave_network(draft, guest, nic);
  }
  std::set<model::LayerId> media;
  for (const auto& drive : from.cdroms) {
    if (drive.layer) media.insert(*drive.layer);
  }
  for (const auto medium : media) {
    const auto fewer = uses(from, medium) - uses(to, medium);
    if (fewer > 0) count_user(draft, medium, -static_cast<int>(fewer));
  }
}

void settle_stopped(Draft& draft, model::GuestId guest, const std::string& last_error) {
  if (!is_known(draft, guest)) return;
  give_back(draft, draft.placement(guest.value));
  auto& status = clear_process(draft, guest);
  status.state = model::GuestState::stopped;
  status.last_error = last_error;
}

void settle_suspended(Draft& draft, model::GuestId guest, const model::SavedMemory& saved) {
  if (!is_known(draft, guest)) return;
  give_back(draft, draft.placement(guest.value));
  auto running = draft.guest_status(guest).running;
  auto& status = clear_process(draft, guest);
  status.state = model::GuestState::suspended;
  status.running = std::move(running);
  status.saved = saved;
  status.last_error.clear();
}

void stay_suspended(Draft& draft, model::GuestId guest, const std::string& last_error) {
  if (!is_known(draft, guest)) return;
  give_back(draft, draft.placement(guest.value));
  draft.guest_status(guest).last_error = last_error;
}

void settle_crashed(Draft& draft, model::GuestId guest, const std::string& last_words) {
  if (!is_known(draft, guest)) return;
  give_back(draft, draft.placement(guest.value));
  auto& status = clear_process(draft, guest);
  // Written twice when the first answer of the store was lost: one crash all the same.
  if (status.state != model::GuestState::crashed) ++status.crashes;
  status.state = model::GuestState::crashed;
  status.last_error = last_words;
}

namespace {

std::string why_it_stands(std::optional<model::PauseCause> cause) {
  if (!cause) return {};
  switch (*cause) {
    case model::PauseCause::asked:
      return {};
    case model::PauseCause::no_space:
      return "a disk's datastore is full; it goes on by itself when there is room";
    case model::PauseCause::panic:
      return "its system panicked; reset it, or see its console";
    case model::PauseCause::watchdog:
      return "it did not feed its watchdog";
    case model::PauseCause::other:
      return "QEMU stopped it; see its console";
  }
  return {};
}

}  // namespace

// What a living one says is what it has lost.
std::string trouble_of(const ports::MachineStatus& machine) {
  const auto& lost = machine.last_words;
  if (machine.state != ports::MachineState::paused) return lost;
  auto why = why_it_stands(machine.pause_cause);
  if (!why.empty() && !lost.empty()) why += "; ";
  return why + lost;
}

void settle_alive(Draft& draft, model::GuestId guest, const ports::MachineStatus& machine) {
  if (!is_known(draft, guest)) return;
  auto& status = draft.guest_status(guest);
  status.epoch = draft.placement(guest.value).epoch;
  const bool runs = machine.state == ports::MachineState::running;
  if (!status.started_at || status.pid != machine.pid) status.started_at = draft.now();
  // What the agent of this very process has said stays.
  if (status.pid != machine.pid) {
    status.agent.reset();
    status.thaw_at.reset();
  }
  // What it runs with is what the specification says now: nobody changes that during a start. One
  // that goes on from saved memory has what it had, which is known before its process is.
  const bool resumed = !status.pid && status.running;
  if (!resumed && (status.pid != machine.pid || !status.running)) {
    status.running = model::hardware_at_start(draft.guest(guest).spec);
  }
  status.state = runs ? model::GuestState::running : model::GuestState::paused;
  status.saved.reset();
  if (!status.agent) status.addresses = machine.addresses;
  status.pid = machine.pid;
  status.qemu_argv = machine.argv;
  status.accelerator = machine.accelerator;
  status.disks = machine.disks;
  status.cgroup = machine.cgroup;
  status.pause_cause.reset();
  if (!runs) status.pause_cause = machine.pause_cause.value_or(model::PauseCause::asked);
  status.last_error = trouble_of(machine);
}

void settle_broken(Draft& draft, model::GuestId guest, const std::string& why) {
  if (!is_known(draft, guest)) return;
  auto& status = draft.guest_status(guest);
  status.epoch = draft.placement(guest.value).epoch;
  status.state = model::GuestState::broken;
  status.last_error = why;
}

namespace {

void forget_snapshots_and_layers(Draft& draft, model::GuestId id) {
  const auto& snapshots = draft.inventory().snapshots();
  for (auto at = snapshots.rbegin(); at != snapshots.rend(); ++at) {
    if (at->second->value.guest == id) forget_snapshot(draft, {at->first});
  }
  for (const auto& [layer, stored] : draft.inventory().layers()) {
    if (stored->value.owner == id.value) remove_layer(draft, {layer});
  }
}

}  // namespace

void forget_guest(Draft& draft, model::GuestId id) {
  const auto found = draft.inventory().guests().find(id.value);
  if (found == draft.inventory().guests().end()) return;
  forget_snapshots_and_layers(draft, id);
  if (const auto& spec = found->second->spec) {
    const model::Guest& guest = spec->value;
    for (const auto& disk : guest.spec.disks) remove_layer(draft, disk.layer);
    if (guest.spec.boot.kernel) count_user(draft, *guest.spec.boot.kernel, -1);
    if (guest.spec.boot.initrd) count_user(draft, *guest.spec.boot.initrd, -1);
    if (guest.spec.boot.uefi_vars) remove_layer(draft, *guest.spec.boot.uefi_vars);
    if (guest.spec.tpm) remove_layer(draft, guest.spec.tpm->state);
    if (!guest.deleted_at) draft.free_name("vm", guest.name);
    draft.free_name("uid", std::to_string(guest.uid));
    free_what_left(draft, guest.id, guest.spec, model::VmSpec{});
  }
  if (draft.find_placement(id.value)) {
    auto& placement = draft.placement(id.value);
    give_back(draft, placement);
    draft.erase(keys::placement(placement.host, id.value));
  }
  draft.erase(keys::guest_spec(id));
  draft.erase(keys::guest_status(id));
}

}  // namespace ruche::core
