#include "core/inventory/draft.hpp"

#include <fmt/format.h>

namespace ruche::core {

namespace {

Error missing(const std::string& key) {
  return Error(Reason::no_such_object, fmt::format("{} does not exist", key));
}

template <class T>
std::shared_ptr<const T> at(const Records<T>& records, Uuid id) {
  const auto found = records.find(id);
  return found == records.end() ? std::make_shared<const T>() : found->second;
}

const std::optional<Stored<model::Placement>>* placement_in(const Inventory& inventory, Uuid id) {
  if (const auto it = inventory.guests().find(id); it != inventory.guests().end()) {
    return &it->second->placement;
  }
  if (const auto it = inventory.images().find(id); it != inventory.images().end()) {
    return &it->second->placement;
  }
  if (const auto it = inventory.datastores().find(id); it != inventory.datastores().end()) {
    return &it->second->placement;
  }
  if (const auto it = inventory.networks().find(id); it != inventory.networks().end()) {
    return &it->second->placement;
  }
  return nullptr;
}

}  // namespace

template <class T>
T& Draft::edit(const std::string& key, const std::optional<Stored<T>>& seen) {
  if (const auto slot = slots_.find(key); slot != slots_.end()) {
    if (!slot->second.value) throw missing(key);
    return *static_cast<T*>(slot->second.value.get());
  }
  if (!seen) throw missing(key);
  // What stands in for a document that cannot be read is never written over it; only a guest's
  // status is observed anew.
  const auto broken = inventory_.broken().find(key);
  if (broken != inventory_.broken().end() && !std::is_same_v<T, model::GuestStatus>) {
    throw Error(Reason::object_broken, fmt::format("{} cannot be read: {}", key, broken->second));
  }
  T& value = put_slot<T>(key, seen->value, seen->revision);
  slots_[key].before = std::make_shared<const T>(seen->value);
  return value;
}

model::Guest& Draft::guest(model::GuestId id) {
  return edit(keys::guest_spec(id), at(inventory_.guests(), id.value)->spec);
}

model::GuestStatus& Draft::guest_status(model::GuestId id) {
  const auto key = keys::guest_status(id);
  const auto record = at(inventory_.guests(), id.value);
  if (!record->status && !held<model::GuestStatus>(key)) return create(key, model::GuestStatus{});
  return edit(key, record->status);
}

const Draft::Slot* Draft::placement_slot(Uuid object) const {
  // A placement's key names its host, which changes with a move: the draft's own one comes first.
  const auto id = to_text(object);
  for (const auto& [key, slot] : slots_) {
    if (!key.starts_with("placements/") || !key.ends_with(id) || !slot.value) continue;
    return &slot;
  }
  return nullptr;
}

model::Placement& Draft::placement(Uuid object) {
  if (const auto* slot = placement_slot(object)) {
    return *static_cast<model::Placement*>(slot->value.get());
  }
  if (const auto* seen = placement_in(inventory_, object); seen && *seen) {
    return edit(keys::placement((*seen)->value.host, object), *seen);
  }
  throw missing("the placement of " + to_text(object));
}

model::Image& Draft::image(model::ImageId id) {
  return edit(keys::image(id), at(inventory_.images(), id.value)->spec);
}

model::Network& Draft::network(model::NetworkId id) {
  return edit(keys::network_spec(id), at(inventory_.networks(), id.value)->spec);
}

model::Layer& Draft::layer(model::LayerId id) {
  const auto key = keys::layer(id);
  const auto seen = inventory_.layer(id);
  return edit(key, seen ? std::optional(*seen) : std::nullopt);
}

model::Snapshot& Draft::snapshot(model::SnapshotId id) {
  const auto& snapshots = inventory_.snapshots();
  const auto found = snapshots.find(id.value);
  return edit(keys::snapshot(id),
              found == snapshots.end() ? std::nullopt : std::optional(*found->second));
}

model::Task& Draft::task(model::TaskId id) {
  const auto key = keys::task(id);
  const auto found = inventory_.tasks().find(id.value);
  return edit(key,
              found == inventory_.tasks().end() ? std::nullopt : std::optional(*found->second));
}

model::Upload& Draft::upload(model::UploadId id) {
  const auto& uploads = inventory_.uploads();
  const auto found = uploads.find(id.value);
  return edit(keys::upload(id),
              found == uploads.end() ? std::nullopt : std::optional(*found->second));
}

model::Ledger& Draft::ledger(model::HostId host) {
  return edit(keys::host_ledger(host), at(inventory_.hosts(), host.value)->ledger);
}

model::ResourcePool& Draft::pool(model::PoolId id) {
  return edit(keys::pool_spec(id), at(inventory_.pools(), id.value)->spec);
}

model::PoolLedger& Draft::pool_ledger(model::PoolId id) {
  return edit(keys::pool_ledger(id), at(inventory_.pools(), id.value)->ledger);
}

model::User& Draft::user(model::UserId id) {
  const auto found = inventory_.users().find(id.value);
  return edit(keys::user(id),
              found == inventory_.users().end() ? std::nullopt : std::optional(*found->second));
}

const model::Placement* Draft::find_placement(Uuid object) const {
  if (const auto* slot = placement_slot(object)) {
    return static_cast<const model::Placement*>(slot->value.get());
  }
  const auto* seen = placement_in(inventory_, object);
  if (!seen || !*seen) return nullptr;
  const auto erased = slots_.find(keys::placement((*seen)->value.host, object));
  return erased == slots_.end() ? &(*seen)->value : nullptr;
}

const model::Layer* Draft::find_layer(model::LayerId id) const {
  const auto key = keys::layer(id);
  if (const auto slot = slots_.find(key); slot != slots_.end()) {
    return static_cast<const model::Layer*>(slot->second.value.get());
  }
  const auto seen = inventory_.layers().find(id.value);
  return seen == inventory_.layers().end() ? nullptr : &seen->second->value;
}

const model::GuestStatus* Draft::find_guest_status(model::GuestId id) const {
  const auto key = keys::guest_status(id);
  if (const auto slot = slots_.find(key); slot != slots_.end()) {
    return static_cast<const model::GuestStatus*>(slot->second.value.get());
  }
  const auto seen = inventory_.guests().find(id.value);
  const bool known = seen != inventory_.guests().end() && seen->second->status;
  return known ? &seen->second->status->value : nullptr;
}

const model::ResourcePool* Draft::find_pool(model::PoolId id) const {
  if (const auto slot = slots_.find(keys::pool_spec(id)); slot != slots_.end()) {
    return static_cast<const model::ResourcePool*>(slot->second.value.get());
  }
  const auto seen = inventory_.pools().find(id.value);
  const bool known = seen != inventory_.pools().end() && seen->second->spec;
  return known ? &seen->second->spec->value : nullptr;
}

void Draft::erase(const std::string& key) {
  const auto existing = slots_.find(key);
  const auto seen = existing == slots_.end() ? inventory_.key_revision(key) : existing->second.seen;
  slots_[key] = Slot{nullptr, nullptr, seen, nullptr};
}

void Draft::take_name(std::string_view kind, const std::string& name, Uuid holder) {
  const auto key = keys::name(kind, name);
  const auto slot = slots_.find(key);
  const bool erased_here = slot != slots_.end() && !slot->second.value;
  const bool taken_here = slot != slots_.end() && slot->second.value;
  if (taken_here || (!erased_here && inventory_.name_holder(kind, name))) {
    throw Error(Reason::name_in_use, fmt::format("the name {} is taken by another {}", name, kind))
        .at("/name")
        .remedy("choose another name");
  }
  put_slot(key, NameRecord{holder}, inventory_.key_revision(key));
}

void Draft::free_name(std::string_view kind, const std::string& name) {
  erase(keys::name(kind, name));
}

namespace {

constexpr std::size_t kMostChanges = 200;
constexpr std::size_t kLongestValue = 1000;

// Documents that say what people asked for. The others are bookkeeping, or follow from these.
bool is_worth_telling(keys::DocumentKind kind) {
  using keys::DocumentKind;
  switch (kind) {
    case DocumentKind::guest_spec:
    case DocumentKind::image:
    case DocumentKind::datastore_spec:
    case DocumentKind::settings:
    case DocumentKind::pool_spec:
    case DocumentKind::user:
    case DocumentKind::token:
      return true;
    default:
      return false;
  }
}

std::string shortened(std::string text) {
  if (text.size() <= kLongestValue) return text;
  text.resize(kLongestValue);
  // A character that was cut through goes whole.
  while (!text.empty() && (static_cast<unsigned char>(text.back()) & 0xc0) == 0x80) text.pop_back();
  if (!text.empty() && static_cast<unsigned char>(text.back()) >= 0xc0) text.pop_back();
  return text + "…";
}

}  // namespace

void Draft::clear() {
  slots_.clear();
  depended_.clear();
  record_.reset();
}

void Draft::record(model::HostId host, model::AuditRecord record) {
  record_ = {host, std::move(record)};
}

void Draft::add_changes(model::AuditRecord& record) const {
  for (const auto& [key, slot] : slots_) {
    const auto parsed = keys::parse(key);
    if (!parsed || !slot.value || !slot.before || !is_worth_telling(parsed->kind)) continue;
    for (auto& found : json::differences(*slot.type, slot.before.get(), slot.value.get())) {
      if (record.changes.size() >= kMostChanges) return;
      record.changes.push_back({std::move(found.path), shortened(std::move(found.before)),
                                shortened(std::move(found.after))});
    }
  }
}

ports::Commit Draft::take() {
  if (record_ && !slots_.empty()) {
    auto [host, record] = std::move(*record_);
    record.id = make_uuid7(clock_.wall(), random_);
    record.at = clock_.wall();
    add_changes(record);
    const auto key = keys::audit(host, record.id);
    create(key, std::move(record));
  }
  record_.reset();
  ports::Commit commit;
  commit.nonce = to_text(make_uuid7(clock_.wall(), random_));
  for (auto& [key, slot] : slots_) {
    const bool existed_before = slot.seen.number != 0;
    if (!slot.value && !existed_before) continue;  // created and erased again, or never there
    commit.compares.push_back({key, slot.seen});
    if (!slot.value) {
      commit.writes.push_back(ports::Delete{key});
      continue;
    }
    std::string data;
    json::encode_to(data, *slot.type, slot.value.get(), {.reveal_secrets = true});
    commit.writes.push_back(ports::Put{key, documents::wrap(keys::parse(key)->kind, data), {}});
  }
  for (const auto& key : depended_) {
    if (!slots_.contains(key)) commit.compares.push_back({key, inventory_.key_revision(key)});
  }
  clear();
  return commit;
}

}  // namespace ruche::core
