#include "core/snapshots/snapshot_steps.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/guests/found_guest.hpp"
#include "core/guests/guest_edit.hpp"
#include "core/guests/machine_spec.hpp"
#include "core/guests/snapshot_documents.hpp"
#include "core/storage/layers.hpp"
#include "model/named.hpp"

namespace ruche::core {

namespace {

using model::ForgetSnapshot;
using model::LayerId;
using model::MergeLayer;
using model::RevertGuest;
using model::TakeSnapshot;
using MachineRef = std::shared_ptr<ports::Machine>;

template <class... Kinds>
bool is_any(const model::Step& step) {
  return (std::holds_alternative<Kinds>(step) || ...);
}

const GuestRecord& record_of(const Inventory& inventory, model::GuestId id) {
  const auto found = inventory.guests().find(id.value);
  if (found == inventory.guests().end() || !found->second->complete()) {
    throw Error(Reason::no_such_object, fmt::format("guest {} is gone", to_text(id)));
  }
  return *found->second;
}

std::string name_of(const Inventory& inventory, model::GuestId id) {
  return record_of(inventory, id).spec->value.name;
}

// Null when the guest has no process. One that an earlier daemon left and that does not answer is
// not taken for none.
Async<MachineRef> find_machine(LiveGuests& live, ports::HypervisorEngine& hypervisor,
                               model::GuestId id) {
  if (auto held = live.find(id)) co_return held;
  const auto found = co_await hypervisor.survey();
  const bool alive = std::ranges::any_of(
      found, [id](const auto& machine) { return machine.guest == id && machine.alive; });
  if (!alive) co_return nullptr;
  MachineRef adopted = co_await hypervisor.adopt(id);
  if (adopted) live.put(id, adopted);
  co_return adopted;
}

ports::Snapshots& snapshots_of(ports::Machine& machine) {
  auto* snapshots = machine.snapshots();
  if (snapshots == nullptr) {
    throw Error(Reason::host_cannot, "this hypervisor takes no snapshots while a guest runs");
  }
  return *snapshots;
}

const model::VmSpec& hardware_of(const GuestRecord& record) {
  if (record.status && record.status->value.running) return record.status->value.running->spec;
  throw Error(Reason::wrong_state,
              fmt::format("what {} runs with is not known yet", record.spec->value.name))
      .remedy("try again in a moment");
}

ports::ImageFile file_of(const Inventory& inventory, DatastorePool& pool, LayerId id) {
  const auto layer = inventory.layer(id);
  if (!layer) {
    throw Error(Reason::document_unreadable, fmt::format("layer {} is gone", to_text(id)));
  }
  return pool.driver(layer->value.datastore)->file(volume_ref(layer->value));
}

// --- the cut -------------------------------------------------------------------------------------

// Disks that wait for a restart are no part of the process: nobody has their files open.
ports::SnapshotOrder order_of(const Inventory& inventory, DatastorePool& pool,
                              const TakeSnapshot& step) {
  ports::SnapshotOrder order;
  order.was_paused = step.was_paused;
  const auto& hardware = hardware_of(record_of(inventory, step.guest));
  for (const auto& overlay : step.disks) {
    const auto* known = model::find_named(hardware.disks, overlay.disk);
    if (known == nullptr) continue;
    auto disk = *known;
    disk.layer = overlay.below;
    auto files = machine_disk(inventory, pool, disk);
    order.disks.push_back(
        {std::move(disk), std::move(files), file_of(inventory, pool, overlay.layer)});
  }
  for (const auto& file : step.files) {
    order.copies.push_back(
        {layer_path(inventory, pool, file.source), layer_path(inventory, pool, file.layer)});
  }
  if (step.memory) order.memory_path = layer_path(inventory, pool, *step.memory);
  return order;
}

bool is_cut(const ports::MachineStatus& status, const ports::SnapshotOrder& order) {
  return !order.disks.empty() && std::ranges::all_of(order.disks, [&](const auto& wanted) {
    const auto* disk = model::find_named(status.disks, wanted.disk.name);
    return disk != nullptr && disk->path == wanted.overlay.path;
  });
}

// The instant of an earlier daemon's cut is over: nothing of it can be saved any more.
void refuse_if_late(const ports::SnapshotOrder& order) {
  if (order.memory_path.empty() && order.copies.empty()) return;
  throw Error(Reason::wrong_state,
              "the management was restarted while the snapshot was taken, and its instant is over")
      .remedy("take another one; the guest goes on as it was");
}

ports::SnapshotOrder disks_only(const ports::SnapshotOrder& order) {
  auto disks = order;
  disks.copies.clear();
  disks.memory_path.clear();
  return disks;
}

constexpr Duration kForTheDisks{120'000};
constexpr Duration kForOneCut{60'000};
constexpr Duration kPause{2'000};

Async<void> cut_if_alive(MachineRef machine, ports::SnapshotOrder order) {
  const auto status = co_await machine->status();
  const bool alive =
      status.state == ports::MachineState::running || status.state == ports::MachineState::paused;
  if (alive) co_await snapshots_of(*machine).take(std::move(order), {});
}

// Of a guest that is off only the documents change; its files were copied by other steps.
void refuse_without_process(const Inventory& inventory, const TakeSnapshot& step) {
  if (!step.memory && step.files.empty()) return;
  throw Error(Reason::hypervisor_failed,
              fmt::format("{} ended before its snapshot was taken", name_of(inventory, step.guest)))
      .remedy("see why it ended, and take another one");
}

// Before the cut: what the file says is right whether the cut is made or not.
Async<void> export_cut(const Inventory& inventory, DatastorePool& pool, TakeSnapshot step) {
  auto guest = record_of(inventory, step.guest).spec->value;
  go_on_in_overlays(step, guest.spec.disks);
  const auto driver = pool.driver(guest.datastore);
  co_await driver->write_note(step.guest, kConfigurationNote, configuration_note(guest));
}

// --- merges --------------------------------------------------------------------------------------

// On what each layer stands when this step begins: the documents learn of the earlier steps only
// when the task ends.
class Chains {
 public:
  Chains(const Inventory& inventory, const MergeLayer& step, const model::Task& task)
      : inventory_(inventory) {
    for (const auto& other : task.plan) {
      const auto* merge = std::get_if<MergeLayer>(&other);
      if (merge == nullptr) continue;
      if (merge->layer == step.layer && merge->below == step.below) return;
      moved_[merge->layer] = below(merge->below);
    }
  }

  std::optional<LayerId> below(LayerId id) const {
    const auto moved = moved_.find(id);
    if (moved != moved_.end()) return moved->second;
    const auto layer = inventory_.layer(id);
    if (!layer) {
      throw Error(Reason::document_unreadable, fmt::format("layer {} is gone", to_text(id)));
    }
    return layer->value.parent;
  }

  // From the top down.
  std::vector<LayerId> of(LayerId top) const {
    std::vector<LayerId> chain;
    for (std::optional<LayerId> at = top; at && chain.size() <= model::kLongestChain;) {
      chain.push_back(*at);
      at = below(*at);
    }
    return chain;
  }

 private:
  const Inventory& inventory_;
  std::map<LayerId, std::optional<LayerId>> moved_;
};

// The merge as a process is told that has both open; nothing when it has not.
std::optional<ports::DiskMerge> order_of(const Inventory& inventory, DatastorePool& pool,
                                         const MergeLayer& step, const Chains& chains) {
  for (const auto& disk : hardware_of(record_of(inventory, step.guest)).disks) {
    const auto chain = chains.of(disk.layer);
    if (std::ranges::find(chain, step.layer) == chain.end()) continue;
    ports::DiskMerge order;
    order.disk = disk;
    order.files.name = disk.name;
    for (const auto layer : chain) order.files.chain.push_back(file_of(inventory, pool, layer));
    order.layer = file_of(inventory, pool, step.layer);
    order.below = file_of(inventory, pool, step.below);
    const auto base = chains.below(step.below);
    if (base) order.base = file_of(inventory, pool, *base);
    return order;
  }
  return std::nullopt;
}

// Nothing is lost: either layer shows what it showed.
Error has_ended(const Inventory& inventory, model::GuestId guest) {
  return Error(Reason::wrong_state,
               fmt::format("{} ended while its layers were merged", name_of(inventory, guest)))
      .remedy("do it again: it goes on from where it was");
}

bool claims_power(const model::Task& task) {
  return std::ranges::any_of(task.claims, [](const auto facet) {
    return facet == model::Facet::power || facet == model::Facet::existence;
  });
}

}  // namespace

// --- what the engine asks ------------------------------------------------------------------------

bool SnapshotSteps::handles(const model::Step& step) const {
  return is_any<TakeSnapshot, MergeLayer, ForgetSnapshot, RevertGuest>(step);
}
bool SnapshotSteps::is_pivot(const model::Step& step) const { return is_any<TakeSnapshot>(step); }
bool SnapshotSteps::can_be_cancelled(const model::Step& step) const {
  return is_any<TakeSnapshot>(step);
}
// A cut is written down before it begins, as every pivot; a merged file says so itself; the others
// are documents.
bool SnapshotSteps::found_by_name(const model::Step&) const { return true; }

Async<Observation> SnapshotSteps::observe(const model::Step& step, const StepContext&) {
  if (is_any<ForgetSnapshot>(step)) co_return Observation::done;
  const auto* merge = std::get_if<MergeLayer>(&step);
  if (merge == nullptr) co_return Observation::absent;
  const bool merged = co_await is_merged(*merge);
  if (!merged) co_return Observation::absent;
  // Its process may hold the lower file still, which only the merge itself gives up; a second one
  // finds what the first has done.
  const auto machine = co_await find_machine(parts_.live, parts_.hypervisor, merge->guest);
  co_return machine ? Observation::absent : Observation::done;
}

Async<void> SnapshotSteps::apply(const model::Step& step, const StepContext& context) {
  if (const auto* cut = std::get_if<TakeSnapshot>(&step)) co_return co_await take(*cut, context);
  if (const auto* back = std::get_if<RevertGuest>(&step)) co_return co_await require_files(*back);
  if (const auto* merge_ = std::get_if<MergeLayer>(&step)) co_await merge(*merge_, context);
}

// What is merged is not taken apart again; the documents then say so.
Async<void> SnapshotSteps::revert(const model::Step& step, const StepContext&) {
  const auto* merge = std::get_if<MergeLayer>(&step);
  if (merge == nullptr) co_return;
  const bool merged = co_await is_merged(*merge);
  if (merged) merged_.insert({merge->layer, merge->below});
}

// --- taking --------------------------------------------------------------------------------------

Async<void> SnapshotSteps::take(const TakeSnapshot& step, const StepContext& context) {
  uncut_.erase(step.guest);
  co_await cut(step, context);
  if (step.thaw) co_await thaw(step.guest);
}

// What the documents will say must be so: nobody else looks at it again while the guest runs.
Async<void> SnapshotSteps::give_up(const model::Step& step) {
  const auto* cut = std::get_if<TakeSnapshot>(&step);
  if (cut == nullptr) co_return;
  uncut_.erase(cut->guest);
  note_files(*cut);
  const Instant give_up = parts_.clock.now() + kForTheDisks;
  while (true) {
    const bool known = co_await agrees_with(*cut);
    if (known || parts_.clock.now() >= give_up) break;
    co_await sleep_for(parts_.clock, kPause);
  }
  if (cut->thaw) co_await thaw(cut->guest);
  co_await remove_halves(*cut);
}

// However far it came, the guest goes on in the new layers; or QEMU says that it does not.
Async<bool> SnapshotSteps::agrees_with(const TakeSnapshot& step) {
  std::optional<Error> failure;
  try {
    co_await cut_only_disks(step);
  } catch (const Error& error) {
    failure = error;
  }
  if (!failure) co_return true;
  parts_.log.warning("core", "the disks of a guest could not be cut",
                     {{"guest", to_text(step.guest)}, {"why", failure->full_message()}});
  co_return co_await knows_whether_cut(step);
}

// Of what is removed here the documents go with the task; the rest is the janitor's.
Async<void> SnapshotSteps::remove_halves(const TakeSnapshot& step) {
  if (!step.snapshot) co_return;
  std::vector<LayerId> halves;
  for (const auto& file : step.files) halves.push_back(file.layer);
  if (step.memory) halves.push_back(*step.memory);
  const auto& inventory = parts_.writer.inventory();
  for (const auto id : halves) {
    const auto layer = inventory.layer(id);
    if (!layer) continue;
    try {
      const auto driver = parts_.pool.driver(layer->value.datastore);
      co_await driver->remove(volume_ref(layer->value));
      removed_.insert(id);
    } catch (const Error& error) {
      parts_.log.warning("core", "a file of a snapshot that failed could not be removed",
                         {{"layer", to_text(id)}, {"why", error.full_message()}});
    }
  }
}

Async<void> SnapshotSteps::cut(const TakeSnapshot& step, const StepContext& context) {
  const auto hold = co_await parts_.live.hold(step.guest);
  const auto& inventory = parts_.writer.inventory();
  note_files(step);
  const auto machine = co_await find_machine(parts_.live, parts_.hypervisor, step.guest);
  co_await export_cut(inventory, parts_.pool, step);
  if (!machine) co_return refuse_without_process(inventory, step);
  const auto order = order_of(inventory, parts_.pool, step);
  const auto before = co_await machine->status();
  const bool cut_before = is_cut(before, order);
  if (cut_before) refuse_if_late(order);
  if (step.thaw && !cut_before) co_await require_frozen(step, *machine);
  const auto report = [&context](Bytes done, Bytes total) {
    context.progress(done, total, "saving the memory");
  };
  const auto result = co_await snapshots_of(*machine).take(order, report);
  taken_[step.guest] = {result.memory_size, std::chrono::ceil<Duration>(result.pause)};
}

Async<void> SnapshotSteps::cut_only_disks(const TakeSnapshot& step) {
  const auto hold = co_await parts_.live.hold(step.guest);
  const auto machine = co_await find_machine(parts_.live, parts_.hypervisor, step.guest);
  if (!machine) co_return;
  auto order = disks_only(order_of(parts_.writer.inventory(), parts_.pool, step));
  co_await with_deadline(parts_.clock, kForOneCut, "the cut of the disks",
                         cut_if_alive(machine, std::move(order)));
}

// A process that would not be cut at all writes to the old tops, and the documents go on naming
// them. One that never answers is taken to be cut: once it has ended that is right either way.
Async<bool> SnapshotSteps::knows_whether_cut(const TakeSnapshot& step) {
  bool known = false;
  try {
    const auto& inventory = parts_.writer.inventory();
    const auto order = order_of(inventory, parts_.pool, step);
    const auto held = co_await find_machine(parts_.live, parts_.hypervisor, step.guest);
    if (!held) co_return true;
    const auto status = co_await held->status();
    const bool alive =
        status.state == ports::MachineState::running || status.state == ports::MachineState::paused;
    known = true;
    if (!alive || order.disks.empty() || is_cut(status, order)) co_return true;
    uncut_.insert(step.guest);
    const auto guest = record_of(inventory, step.guest).spec->value;
    const auto driver = parts_.pool.driver(guest.datastore);
    co_await driver->write_note(step.guest, kConfigurationNote, configuration_note(guest));
  } catch (const Error& error) {
    parts_.log.warning("core", "it is not known whether the disks of a guest were cut",
                       {{"guest", to_text(step.guest)}, {"why", error.full_message()}});
  }
  co_return known;
}

// The freeze has an end of its own, which may have come while no daemon ran.
Async<void> SnapshotSteps::require_frozen(const TakeSnapshot& step, ports::Machine& machine) {
  auto* agents = machine.agents();
  bool frozen = false;
  if (agents != nullptr && agents->connected()) frozen = co_await agents->frozen();
  if (frozen) co_return;
  throw Error(Reason::agent_failed, fmt::format("the file systems of {} did not stay frozen",
                                                name_of(parts_.writer.inventory(), step.guest)))
      .remedy("take the snapshot again, or without quiesce");
}

void SnapshotSteps::note_files(const TakeSnapshot& step) {
  taken_.erase(step.guest);
  auto& seen = seen_[step.guest];
  seen.clear();
  for (const auto& overlay : step.disks) {
    seen.push_back(
        {overlay.disk, layer_path(parts_.writer.inventory(), parts_.pool, overlay.layer)});
  }
}

// The promise of an end to the freeze stays where this fails: the watch keeps it.
Async<void> SnapshotSteps::thaw(model::GuestId guest) {
  const auto held = parts_.live.find(guest);
  auto* agents = held ? held->agents() : nullptr;
  try {
    if (agents != nullptr && agents->connected()) co_await agents->thaw();
    parts_.agents.release(guest);
  } catch (const Error& error) {
    parts_.log.warning("core", "a guest could not be thawed after its snapshot",
                       {{"guest", to_text(guest)}, {"why", error.full_message()}});
  }
  parts_.agents.wake(guest);
}

// Before the guest as it is now is given up: what it shall go back to is there.
Async<void> SnapshotSteps::require_files(const RevertGuest& step) {
  const auto& inventory = parts_.writer.inventory();
  const auto found = inventory.snapshots().find(step.snapshot.value);
  if (found == inventory.snapshots().end()) {
    throw Error(Reason::no_such_object, "the snapshot is gone");
  }
  const auto snapshot = found->second->value;
  auto needed = layers_kept(snapshot);
  for (const auto& disk : snapshot.spec.disks) needed.push_back(disk.layer);
  for (const auto id : needed) {
    const auto layer = inventory.layer(id);
    if (!layer) {
      throw Error(Reason::document_unreadable, fmt::format("layer {} is gone", to_text(id)));
    }
    const auto driver = parts_.pool.driver(layer->value.datastore);
    const auto state = co_await driver->find(volume_ref(layer->value));
    if (state == ports::VolumeState::ready) continue;
    throw Error(Reason::object_broken, fmt::format("the file of layer {} is gone", to_text(id)))
        .remedy("the guest was left as it is; see its layers: ruche vm layers");
  }
}

// --- merging -------------------------------------------------------------------------------------

// Its own file says on what it stands; what stands below that is not part of this merge.
Async<bool> SnapshotSteps::is_merged(const MergeLayer& step) {
  const auto& inventory = parts_.writer.inventory();
  const auto layer = inventory.layer(step.layer);
  if (!layer || !inventory.layer(step.below)) co_return layer != nullptr;
  const auto driver = parts_.pool.driver(layer->value.datastore);
  const auto parent = co_await driver->parent(volume_ref(layer->value));
  if (!parent) co_return true;
  const auto chain = chain_of(inventory, *parent);
  co_return std::ranges::find(chain, step.below, &model::Layer::id) == chain.end();
}

Async<void> SnapshotSteps::merge_alive(std::shared_ptr<ports::Machine> machine,
                                       model::GuestId guest, ports::DiskMerge order,
                                       ports::ProgressSink report) {
  std::optional<Error> failure;
  try {
    co_await snapshots_of(*machine).merge(std::move(order), std::move(report));
  } catch (const Error& error) {
    failure = error;
  }
  if (!failure) co_return;
  if (parts_.live.find(guest) != machine) {
    throw has_ended(parts_.writer.inventory(), guest).caused_by(*failure);
  }
  throw std::move(*failure);
}

Async<void> SnapshotSteps::merge(const MergeLayer& step, const StepContext& context) {
  const auto& inventory = parts_.writer.inventory();
  const auto report = [&context](Bytes done, Bytes total) {
    context.progress(done, total, "merging two layers");
  };
  const auto machine = co_await find_machine(parts_.live, parts_.hypervisor, step.guest);
  const Chains chains(inventory, step, context.task);
  if (machine) {
    auto order = order_of(inventory, parts_.pool, step, chains);
    if (order) {
      co_return co_await merge_alive(machine, step.guest, std::move(*order), report);
    }
  } else if (!claims_power(context.task)) {
    throw has_ended(inventory, step.guest);
  }
  const auto layer = inventory.layer(step.layer);
  const auto below = inventory.layer(step.below);
  if (!layer || !below) throw Error(Reason::document_unreadable, "a layer to merge is gone");
  std::optional<ports::VolumeRef> base;
  if (const auto id = chains.below(step.below)) {
    const auto found = inventory.layer(*id);
    if (!found) throw Error(Reason::document_unreadable, "the layer below is gone");
    base = volume_ref(found->value);
  }
  const auto driver = parts_.pool.driver(layer->value.datastore);
  const auto ref = volume_ref(layer->value);
  const auto below_ref = volume_ref(below->value);
  co_await driver->merge(ref, below_ref, base, report);
}

// --- documents -----------------------------------------------------------------------------------

void SnapshotSteps::settle(const model::Step& step, Outcome outcome, const Error* why,
                           Draft& draft) {
  const bool done = outcome == Outcome::done;
  if (const auto* cut = std::get_if<TakeSnapshot>(&step)) {
    settle_taken(*cut, done, why, draft);
  } else if (const auto* merge = std::get_if<MergeLayer>(&step)) {
    settle_merged(*merge, done || merged_.contains({merge->layer, merge->below}), draft);
  } else if (const auto* forget = std::get_if<ForgetSnapshot>(&step)) {
    if (done) forget_snapshot(draft, forget->snapshot);
  }
}

namespace {

// Once it has begun, its overlays are complete: the steps that made them are not taken back.
bool has_begun(const TakeSnapshot& step, const Draft& draft) {
  return std::ranges::all_of(step.disks, [&](const auto& overlay) {
    const auto* layer = draft.find_layer(overlay.layer);
    return layer != nullptr && layer->state == model::LayerState::ready;
  });
}

void show_files(const std::vector<model::DiskStatus>& files, model::GuestStatus& status) {
  for (auto& disk : status.disks) {
    if (const auto* file = model::find_named(files, disk.name)) disk.path = file->path;
  }
}

}  // namespace

void SnapshotSteps::drop_removed(Draft& draft, LayerId id) const {
  if (removed_.contains(id)) remove_layer(draft, id);
}

void SnapshotSteps::settle_taken(const TakeSnapshot& step, bool done, const Error*, Draft& draft) {
  const auto& guests = draft.inventory().guests();
  const auto found = guests.find(step.guest.value);
  if (found == guests.end() || !found->second->complete()) return;
  const bool left = uncut_.erase(step.guest) > 0;
  if (done || (has_begun(step, draft) && !left)) {
    go_on_in_overlays(step, draft.guest(step.guest).spec.disks);
    auto& status = draft.guest_status(step.guest);
    if (status.running) go_on_in_overlays(step, status.running->spec.disks);
    if (status.running) show_files(seen_[step.guest], status);
    if (step.thaw && !parts_.agents.is_frozen(step.guest)) status.thaw_at.reset();
  }
  if (!step.snapshot) return;
  if (!done) {
    forget_snapshot(draft, *step.snapshot);
    for (const auto& file : step.files) drop_removed(draft, file.layer);
    if (step.memory) drop_removed(draft, *step.memory);
    return;
  }
  auto& snapshot = draft.snapshot(*step.snapshot);
  const auto taken = taken_[step.guest];
  if (step.memory) snapshot.memory = {*step.memory, taken.memory_size, draft.now()};
  snapshot.pause = taken.pause;
  snapshot.state = model::SnapshotState::ready;
  draft.guest(step.guest).snapshot = snapshot.id;
}

// Again is nothing: it does not stand on that layer any more.
void SnapshotSteps::settle_merged(const MergeLayer& step, bool done, Draft& draft) {
  const auto* layer = draft.find_layer(step.layer);
  const auto* below = draft.find_layer(step.below);
  if (!done || !layer || !below || layer->parent != step.below) return;
  const auto base = below->parent;
  draft.layer(step.layer).parent = base;
  count_user(draft, step.below, -1);
  if (base) count_user(draft, *base, 1);
}

}  // namespace ruche::core
