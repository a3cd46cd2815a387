#include "core/control/janitor.hpp"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <set>

#include "core/guests/plans.hpp"
#include "core/guests/snapshot_documents.hpp"
#include "core/snapshots/snapshot_plans.hpp"

namespace ruche::core {

namespace {
constexpr Duration kInterval{60'000};
constexpr std::size_t kKeptTasks = 1000;
constexpr std::size_t kKeptWithParts = 10'000;  // of a task for many guests each one counts
constexpr std::size_t kMostPerCommit = 50;
constexpr std::int64_t kIdempotencyMs = 24LL * 3600 * 1000;
constexpr std::int64_t kHistoryMs = 400LL * 24 * 3600 * 1000;
constexpr std::size_t kHistoryEntries = 1'000'000;
constexpr std::int64_t kJumpMs = 3600 * 1000;
constexpr std::int64_t kTidyAgainMs = 3600 * 1000;  // after a failure
constexpr Duration kDistrust = std::chrono::hours(24);
}  // namespace

Async<void> Janitor::run() {
  while (true) {
    try {
      co_await clean();
    } catch (const Error& error) {
      parts_.log.warning("core", "cleaning up failed", {{"why", error.full_message()}});
    }
    co_await sleep_for(parts_.clock, kInterval);
  }
}

Async<void> Janitor::clean() {
  const bool trusted = trusts_the_time();
  if (trusted) co_await purge_recycled();
  co_await remove_used_memory();
  co_await tidy_layers();
  co_await retire_tasks();
  if (trusted) co_await parts_.uploads.clean();
  co_await drop_idempotency_records();
  co_await parts_.identity.clean();
  const Timestamp oldest{parts_.clock.wall().unix_ms - kHistoryMs};
  co_await parts_.history.prune({kHistoryEntries, oldest});
}

// Somebody who sets the clock a year ahead must not lose what is in the recycle bin: after a jump
// nothing is purged until the clock went on evenly for a while.
bool Janitor::trusts_the_time() {
  const Instant now = parts_.clock.now();
  const std::int64_t wall = parts_.clock.wall().unix_ms;
  if (seen_) {
    const auto passed = std::chrono::duration_cast<Duration>(now - seen_->at).count();
    if (std::abs(wall - seen_->wall_ms - passed) > kJumpMs) {
      parts_.log.warning("core", "the clock jumped; nothing is purged for a day",
                         {{"by_ms", std::to_string(wall - seen_->wall_ms - passed)}});
      distrust_until_ = now + kDistrust;
    }
  }
  seen_ = Seen{now, wall};
  return now >= distrust_until_;
}

Async<void> Janitor::purge_recycled() {
  const auto& inventory = parts_.writer.inventory();
  const auto now = parts_.clock.wall().unix_ms;
  std::vector<model::GuestId> due;
  for (const auto& [id, record] : inventory.guests()) {
    if (!record->complete() || record->placement->value.host != parts_.self) continue;
    const auto& deleted_at = record->spec->value.deleted_at;
    if (!deleted_at || !record->placement->value.claims.empty()) continue;
    if (now - deleted_at->unix_ms >= inventory.settings().recycle_bin.count()) due.push_back({id});
  }
  for (const auto guest : due) {
    Caller caller;
    caller.user = "ruche";
    model::DeleteVm request;
    request.vm = to_text(guest);
    request.purge = true;
    try {
      co_await accept(parts_.writer, caller,
                      [&](Draft& draft) { return plans::remove(draft, request); });
    } catch (const Error& error) {
      parts_.log.warning("core", "a deleted guest could not be purged",
                         {{"guest", to_text(guest)}, {"why", error.full_message()}});
    }
  }
}

// A guest went on from it, but the file could not be removed then.
Async<void> Janitor::remove_used_memory() {
  const auto& inventory = parts_.writer.inventory();
  std::set<model::LayerId> kept;
  for (const auto& [id, snapshot] : inventory.snapshots()) {
    for (const auto layer : layers_kept(snapshot->value)) kept.insert(layer);
  }
  std::set<model::GuestId> owners;
  for (const auto& [id, layer] : inventory.layers()) {
    if (layer->value.content != model::LayerContent::memory || kept.contains({id})) continue;
    const auto guest = inventory.guests().find(layer->value.owner);
    if (guest == inventory.guests().end() || !guest->second->complete()) continue;
    const auto& placement = guest->second->placement->value;
    if (placement.host != parts_.self || !placement.claims.empty()) continue;
    const auto& status = guest->second->status;
    const bool used = status && status->value.saved && status->value.saved->layer.value == id;
    if (!used) owners.insert({layer->value.owner});
  }
  for (const auto guest : owners) {
    Caller caller;
    caller.user = "ruche";
    try {
      co_await accept(parts_.writer, caller,
                      [&](Draft& draft) { return plans::remove_used_memory(draft, guest); });
    } catch (const Error& error) {
      parts_.log.warning("core", "memory that was used up could not be removed",
                         {{"guest", to_text(guest)}, {"why", error.full_message()}});
    }
  }
}

bool Janitor::has_failed_lately(model::GuestId guest) const {
  const auto now = parts_.clock.wall().unix_ms;
  const auto& tasks = parts_.writer.inventory().tasks();
  return std::ranges::any_of(tasks, [&](const auto& entry) {
    const auto& task = entry.second->value;
    const bool own = task.method == "vm.tidy" && task.object.id == guest.value;
    const bool failed = task.state == model::TaskState::failed && task.ended_at;
    return own && failed && now - task.ended_at->unix_ms < kTidyAgainMs;
  });
}

namespace {

// Guests that own more layers than they and their snapshots name: only those are looked at closely.
std::set<Uuid> owners_of_more(const Inventory& inventory) {
  std::map<Uuid, std::set<model::LayerId>> named;
  const auto name = [&](Uuid guest, const model::VmSpec& spec) {
    auto& layers = named[guest];
    for (const auto& disk : spec.disks) layers.insert(disk.layer);
    if (spec.boot.uefi_vars) layers.insert(*spec.boot.uefi_vars);
    if (spec.tpm) layers.insert(spec.tpm->state);
  };
  for (const auto& [id, record] : inventory.guests()) {
    if (record->spec) name(id, record->spec->value.spec);
  }
  for (const auto& [id, snapshot] : inventory.snapshots()) {
    name(snapshot->value.guest.value, snapshot->value.spec);
  }
  std::set<Uuid> owners;
  for (const auto& [id, layer] : inventory.layers()) {
    if (layer->value.content == model::LayerContent::memory) continue;
    const auto found = named.find(layer->value.owner);
    if (found != named.end() && !found->second.contains({id})) owners.insert(found->first);
  }
  return owners;
}

}  // namespace

// Deletions leave layers on which copies stand, and cuts whose task failed leave theirs.
Async<void> Janitor::tidy_layers() {
  const auto& inventory = parts_.writer.inventory();
  std::vector<model::GuestId> owners;
  for (const auto id : owners_of_more(inventory)) {
    const auto found = inventory.guests().find(id);
    if (found == inventory.guests().end()) continue;  // only its snapshots are left
    const auto& record = found->second;
    if (!record->complete() || record->spec->value.deleted_at) continue;
    const auto& placement = record->placement->value;
    if (placement.host != parts_.self || !placement.claims.empty()) continue;
    const auto state = plans::state_of(*record);
    const bool known =
        state != model::GuestState::broken && state != model::GuestState::provisioning;
    if (known && plans::has_loose_layers(inventory, {id})) owners.push_back({id});
  }
  for (const auto guest : owners) {
    if (has_failed_lately(guest)) continue;
    Caller caller;
    caller.user = "ruche";
    try {
      co_await accept(parts_.writer, caller,
                      [&](Draft& draft) { return plans::tidy_layers(draft, guest); });
    } catch (const Error& error) {
      parts_.log.warning("core", "layers that are loose could not be tidied",
                         {{"guest", to_text(guest)}, {"why", error.full_message()}});
    }
  }
}

// The parts of a task tell what became of it, and that they were begun at all: they stay as long as
// it does, on whatever host they are, and go when it is gone.
std::vector<model::Task> Janitor::tasks_to_retire() const {
  const auto& tasks = parts_.writer.inventory().tasks();
  std::map<Uuid, std::size_t> parts;
  std::vector<model::Task> whole;  // ids grow with time, so the first ended ones are the oldest
  std::vector<model::Task> retired;
  std::size_t count = 0;
  for (const auto& [id, stored] : tasks) {
    const auto& task = stored->value;
    const bool orphan = task.parent && !tasks.contains(task.parent->value);
    if (task.parent && !orphan) ++parts[task.parent->value];
    if (task.host != parts_.self || model::is_open(task.state)) continue;
    if (orphan) retired.push_back(task);
    if (!task.parent) whole.push_back(task);
  }
  for (const auto& task : whole) count += 1 + parts[task.id.value];
  std::size_t kept = whole.size();
  for (const auto& task : whole) {
    if (kept <= kKeptTasks && count <= kKeptWithParts) break;
    --kept;
    count -= 1 + parts[task.id.value];
    retired.push_back(task);
  }
  return retired;
}

Async<void> Janitor::retire_tasks() {
  const auto all = tasks_to_retire();
  for (std::size_t begin = 0; begin < all.size(); begin += kMostPerCommit) {
    const auto end = std::min(all.size(), begin + kMostPerCommit);
    co_await retire({all.begin() + static_cast<std::ptrdiff_t>(begin),
                     all.begin() + static_cast<std::ptrdiff_t>(end)});
  }
}

Async<void> Janitor::retire(std::vector<model::Task> ended) {
  for (const auto& task : ended) {
    ports::HistoryRecord record;
    record.kind = "task";
    record.object_id = to_text(task.id);
    record.time = task.ended_at.value_or(task.created_at);
    record.json = json::encode(task);
    parts_.history.append(std::move(record));
  }
  co_await parts_.writer.transact([&](Draft& draft) {
    for (const auto& task : ended) draft.erase(keys::task(task.id));
  });
}

Async<void> Janitor::drop_idempotency_records() {
  ports::ListRequest request;
  request.prefix = "idempotency/";
  const auto page = co_await parts_.store.list(request);
  const auto now = parts_.clock.wall().unix_ms;
  std::vector<std::string> old;
  for (const auto& entry : page.entries) {
    const auto record =
        documents::decode<IdempotencyRecord>(keys::DocumentKind::idempotency, entry.value);
    // As long as its task is there, whatever this host's clock says.
    const auto& tasks = parts_.writer.inventory().tasks();
    if (record && tasks.contains(record->task.value)) continue;
    if (!record || now - record->created_at.unix_ms > kIdempotencyMs) old.push_back(entry.key);
    if (old.size() >= kMostPerCommit) break;
  }
  if (old.empty()) co_return;
  co_await parts_.writer.transact([&](Draft& draft) {
    for (const auto& key : old) draft.erase(key);
  });
}

}  // namespace ruche::core
