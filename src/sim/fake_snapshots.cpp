#include "sim/fake_snapshots.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/json.hpp"
#include "model/named.hpp"
#include "sim/fake_hypervisor.hpp"

namespace ruche::sim {

namespace {

constexpr Duration kPart{200};
constexpr int kParts = 5;
constexpr Duration kWhole = kPart * kParts;

using ports::MachineEventKind;
using ports::MachineState;

Error failed(const std::string& why) { return Error(Reason::hypervisor_failed, why); }

// Nothing has to stand still for disks alone.
bool needs_stop(const ports::SnapshotOrder& order) {
  return !order.memory_path.empty() || !order.copies.empty();
}

}  // namespace

// In which files its disks are is of no interest to the guest.
std::string hardware_of(const SimProcess& process) {
  auto spec = process.spec.spec;
  for (auto& disk : spec.disks) disk.layer = {};
  if (spec.boot.uefi_vars) spec.boot.uefi_vars = model::LayerId{};
  if (spec.tpm) spec.tpm->state = {};
  spec.generation_id = {};
  std::ranges::sort(spec.disks, {}, &model::DiskSpec::name);
  std::ranges::sort(spec.nics, {}, &model::NicSpec::name);
  return fmt::format("{} began with {}, ports {}", json::encode(spec), to_text(process.base_memory),
                     fmt::join(process.ports, " "));
}

Async<void> FakeSnapshots::reach() {
  co_await engine_.arrive();
  co_await engine_.reach(process_);
  if (!process_->alive()) throw failed("the guest's process has ended");
  if (engine_.chance(engine_.faults_.unanswered)) throw failed("the monitor did not answer");
}

// The CPUs stop, the file fills, and it is complete at the very end.
Async<Bytes> FakeSnapshots::save(std::string path, ports::ProgressSink progress) {
  co_await reach();
  const auto name = to_text(process_->guest);
  auto& machines = engine_.machines_;
  const auto state = process_->state;
  if (state != ports::MachineState::running && state != ports::MachineState::paused) {
    throw failed("a machine that does not run has no memory");
  }
  if (state == ports::MachineState::running) {
    engine_.effect("pause " + name, [&] {
      machines.write(*process_);
      machines.set_state(*process_, ports::MachineState::paused, ports::MachineEventKind::paused);
    });
  }
  const Bytes size = process_->spec.spec.memory;
  for (int part = 1; part <= kParts; ++part) {
    co_await sleep_for(engine_.clock_, kPart);
    co_await reach();
    if (process_->state != ports::MachineState::paused) throw failed("the guest went on");
    if (progress) progress(Bytes{size.count * part / kParts}, size);
  }
  engine_.effect("save " + name,
                 [&] { machines.storage_.memories[path] = machines.memory_of(*process_); });
  co_return size;
}

Async<void> FakeSnapshots::cancel() {
  co_await reach();
  if (process_->take) process_->take->given_up = true;
}

// --- the cut -------------------------------------------------------------------------------------

Async<ports::TakenSnapshot> FakeSnapshots::take(ports::SnapshotOrder order,
                                                ports::ProgressSink progress) {
  co_await reach();
  begin(order);
  const bool with_memory = !order.memory_path.empty();
  // Whatever goes wrong, the guest goes on.
  co_await with_undo(carry_out(std::move(order), std::move(progress)), [this]() -> Async<void> {
    if (engine_.severed()) co_return;
    if (process_->take && process_->alive()) go_on();
    process_->take.reset();
  });
  const auto taken = std::exchange(process_->take, {});
  const Bytes size = with_memory ? process_->spec.spec.memory : Bytes{};
  co_return ports::TakenSnapshot{size, taken->pause};
}

bool FakeSnapshots::is_cut(const ports::DiskOverlay& wanted) const {
  const auto* files = model::find_named(process_->spec.disks, wanted.disk.name);
  return files != nullptr && files->chain.front().path == wanted.overlay.path;
}

void FakeSnapshots::begin(const ports::SnapshotOrder& order) {
  const bool runs = process_->state == MachineState::running;
  if (!runs && process_->state != MachineState::paused) {
    throw failed("a machine that does not run has nothing to cut");
  }
  const bool late =
      std::ranges::any_of(order.disks, [&](const auto& disk) { return is_cut(disk); });
  if (runs && late && needs_stop(order)) throw failed("the instant of this snapshot has passed");
  SimTake take;
  if (process_->take && !runs) take = *process_->take;
  take.given_up = false;
  take.stays = order.was_paused || (!runs && !take.stopped);
  process_->take = std::move(take);
}

Async<void> FakeSnapshots::carry_out(ports::SnapshotOrder order, ports::ProgressSink progress) {
  const bool with_memory = !order.memory_path.empty();
  if (needs_stop(order)) stop_cpus();
  co_await reach();
  if (!order.copies.empty()) copy_files(order);
  co_await reach();
  cut(order);
  co_await reach();
  if (!with_memory || engine_.machines_.capabilities.no_write_tracking.empty()) go_on();
  if (with_memory) co_await save_instant(order.memory_path, std::move(progress));
  go_on();
}

void FakeSnapshots::stop_cpus() {
  if (process_->state != MachineState::running) return;
  engine_.effect("stop " + to_text(process_->guest), [&] {
    engine_.machines_.write(*process_);
    process_->take->stopped = true;
    process_->take->stopped_at = engine_.machines_.world_.now();
    engine_.machines_.set_state(*process_, MachineState::paused, MachineEventKind::paused);
  });
}

void FakeSnapshots::cut(const ports::SnapshotOrder& order) {
  auto& machines = engine_.machines_;
  auto& storage = machines.storage_;
  bool all = true;
  for (const auto& one : order.disks) {
    const auto* files = model::find_named(process_->spec.disks, one.disk.name);
    if (files == nullptr) throw failed("the machine has no " + one.disk.name);
    if (is_cut(one)) continue;
    all = false;
    const auto overlay = storage.at(one.overlay.path);
    const auto top = storage.at(files->chain.front().path);
    if (overlay && top && overlay->volume->parent != top->volume->ref.layer) {
      throw failed(one.overlay.path + " does not stand on the disk");
    }
    if (storage.locked(one.overlay.path)) throw failed(one.overlay.path + " is open elsewhere");
  }
  process_->take->memory = machines.memory_of(*process_);
  if (all) return;
  engine_.effect("cut " + to_text(process_->guest), [&] {
    const bool runs = process_->state == MachineState::running;
    if (runs) machines.write(*process_);
    for (const auto& one : order.disks) {
      if (is_cut(one)) continue;
      auto& chain = model::find_named(process_->spec.disks, one.disk.name)->chain;
      storage.cut(chain.front().path, one.overlay.path);
      storage.unlock(chain.front().path);
      storage.lock(one.overlay.path);
      chain.insert(chain.begin(), one.overlay);
      auto* known = model::find_named(process_->spec.spec.disks, one.disk.name);
      const auto overlay = storage.at(one.overlay.path);
      if (known != nullptr && overlay) known->layer = overlay->volume->ref.layer;
    }
    if (runs) machines.write(*process_);
    if (machines.hooks_.after_change) machines.hooks_.after_change();
  });
}

void FakeSnapshots::copy_files(const ports::SnapshotOrder& order) {
  engine_.effect("copy files of " + to_text(process_->guest), [&] {
    for (const auto& file : order.copies) engine_.machines_.storage_.copy_file(file.from, file.to);
  });
}

void FakeSnapshots::go_on() {
  if (!process_->take->stopped || process_->take->stays) return;
  engine_.effect("go on " + to_text(process_->guest), [&] {
    auto& take = *process_->take;
    take.stopped = false;
    take.pause = engine_.machines_.world_.now() - take.stopped_at;
    if (process_->state != MachineState::paused) return;
    engine_.machines_.set_state(*process_, MachineState::running, MachineEventKind::resumed);
    engine_.machines_.write(*process_);
  });
}

// Of the instant, whatever the guest does meanwhile. Nothing is there before the end.
Async<void> FakeSnapshots::save_instant(std::string path, ports::ProgressSink progress) {
  auto& storage = engine_.machines_.storage_;
  const Bytes size = process_->spec.spec.memory;
  for (int part = 1; part <= kParts; ++part) {
    co_await sleep_for(engine_.clock_, kPart);
    co_await reach();
    if (process_->take->given_up) throw failed("somebody ended the saving of the memory");
    require_room(path);
    if (progress) progress(Bytes{size.count * part / kParts}, size);
  }
  engine_.effect("save " + to_text(process_->guest),
                 [&] { storage.memories[path] = process_->take->memory; });
}

void FakeSnapshots::require_room(const std::string& path) const {
  const auto room = engine_.machines_.storage_.room_at(path);
  if (!room || room->count > 0) return;
  throw Error(Reason::not_enough_space, "no room is left for " + path);
}

// --- the merge -----------------------------------------------------------------------------------

Async<void> FakeSnapshots::merge(ports::DiskMerge order, ports::ProgressSink progress) {
  co_await reach();
  const auto* files = model::find_named(process_->spec.disks, order.disk.name);
  if (files == nullptr) throw failed("the machine has no " + order.disk.name);
  const auto is_below = [&](const auto& file) { return file.path == order.below.path; };
  const auto below = std::ranges::find_if(files->chain, is_below);
  if (below == files->chain.end()) co_return;
  if (below == files->chain.begin() || std::prev(below)->path != order.layer.path) {
    throw failed(order.layer.path + " does not stand on " + order.below.path);
  }
  const auto& under_way = process_->merge;
  if (under_way && under_way->below != order.below.path) throw failed("it is at another merge");
  if (!under_way) {
    require_room(order.layer.path);
    engine_.effect("merge in " + to_text(process_->guest), [&] {
      engine_.machines_.begin_merge(
          process_, {order.disk.name, order.layer.path, order.below.path, {}}, kWhole);
    });
  }
  co_await with_undo(wait_for_merge(order.below.path, std::move(progress)),
                     [this]() -> Async<void> {
                       if (!engine_.severed()) engine_.machines_.give_up_merge(*process_);
                       co_return;
                     });
}

Async<void> FakeSnapshots::wait_for_merge(std::string below, ports::ProgressSink progress) {
  const Bytes size = process_->spec.spec.memory;
  for (int part = 1; process_->merge && process_->merge->below == below; ++part) {
    require_room(below);
    co_await sleep_for(engine_.clock_, kPart);
    co_await reach();
    if (progress) progress(Bytes{size.count * std::min(part, kParts) / kParts}, size);
  }
  for (const auto& disk : process_->spec.disks) {
    for (const auto& file : disk.chain) {
      if (file.path == below) throw failed("the merge was given up");
    }
  }
}

}  // namespace ruche::sim
