#include "core/inventory/inventory.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "core/documents/keys.hpp"
#include "core/inventory/applier.hpp"

namespace ruche::core {

namespace {
constexpr Duration kFirstRetry{50};
constexpr Duration kLongestRetry{2000};
}  // namespace

Async<std::optional<ChangeSet>> Subscription::next() {
  auto item = co_await channel_.pop();
  if (!item) co_return std::nullopt;
  co_return std::move(*item);
}

Inventory::Inventory(ports::StateStore& store, Clock& clock, Log& log)
    : store_(store), clock_(clock), log_(log) {}
Inventory::~Inventory() = default;

Async<void> Inventory::run() {
  Duration pause = kFirstRetry;
  bool must_rebuild = true;
  while (true) {
    std::optional<Error> failure;
    try {
      // Asked before it is followed, so that a store that stays away is noticed and paused for.
      if (must_rebuild) {
        co_await rebuild();
      } else {
        co_await store_.get(std::string(keys::kSettings));
      }
      must_rebuild = false;
      stale_ = false;
      pause = kFirstRetry;
      co_await follow();
      must_rebuild = true;
    } catch (const Error& error) {
      failure = error;
    }
    if (!failure) continue;
    if (!stale_) {
      log_.warning("core", "the state store does not answer", {{"why", failure->full_message()}});
    }
    stale_ = true;
    must_rebuild = must_rebuild || failure->reason() == Reason::history_compacted;
    co_await sleep_for(clock_, pause);
    pause = std::min(pause * 2, kLongestRetry);
  }
}

Async<void> Inventory::rebuild() {
  std::vector<ports::Entry> entries;
  ports::ListRequest request;
  while (true) {
    auto page = co_await store_.list(request);
    request.at = page.revision;
    std::ranges::move(page.entries, std::back_inserter(entries));
    if (!page.more) break;
    request.after = entries.back().key;
  }
  guests_.clear();
  images_.clear();
  datastores_.clear();
  networks_.clear();
  pools_.clear();
  hosts_.clear();
  layers_.clear();
  snapshots_.clear();
  tasks_.clear();
  uploads_.clear();
  users_.clear();
  tokens_.clear();
  sessions_.clear();
  audits_.clear();
  audit_heads_.clear();
  names_.clear();
  other_revisions_.clear();
  broken_.clear();
  broken_revisions_.clear();
  settings_ = {};
  relist_ = false;
  Applier applier(*this);
  for (const auto& entry : entries) applier.put(entry.key, entry.value, entry.revision);
  applier.take();
  revision_ = request.at;
  if (ready_) publish(std::nullopt);
  ready_ = true;
  changed_.notify();
}

Async<void> Inventory::follow() {
  auto watch = store_.watch("", {revision_.number + 1});
  Applier applier(*this);
  while (true) {
    auto next = co_await watch->next();
    if (std::holds_alternative<ports::Compacted>(next)) co_return;
    const auto& batch = std::get<ports::Batch>(next);
    for (const auto& change : batch.changes) {
      if (!change.value) applier.erase(change.key, batch.revision);
    }
    for (const auto& change : batch.changes) {
      if (change.value) applier.put(change.key, *change.value, batch.revision);
    }
    revision_ = batch.revision;
    publish(ChangeSet{batch.revision, applier.take()});
    changed_.notify();
    if (relist_) co_return;
  }
}

void Inventory::publish(const std::optional<ChangeSet>& set) {
  std::erase_if(subscriptions_, [](const auto& weak) { return weak.expired(); });
  for (const auto& weak : subscriptions_) {
    if (const auto subscription = weak.lock()) subscription->channel_.push(set);
  }
}

std::shared_ptr<Subscription> Inventory::subscribe() {
  auto subscription = std::make_shared<Subscription>();
  subscriptions_.push_back(subscription);
  return subscription;
}

Async<void> Inventory::ready() {
  while (!ready_) co_await changed_.wait();
}
bool Inventory::is_ready() const { return ready_; }
bool Inventory::is_stale() const { return stale_; }
const std::string& Inventory::store_id() const { return store_.store_id(); }
Async<void> Inventory::reached(ports::Revision revision) {
  while (revision_ < revision) co_await changed_.wait();
}
Async<void> Inventory::changed() { return changed_.wait(); }

namespace {

// By id, or through the table of unique names.
template <class T>
std::shared_ptr<const T> find_in(const Records<T>& records,
                                 const std::map<std::string, Stored<Uuid>>& names,
                                 std::string_view kind, std::string_view reference) {
  std::optional<Uuid> id = parse_uuid(reference);
  if (!id) {
    const auto name = names.find(fmt::format("{}/{}", kind, reference));
    if (name == names.end()) return nullptr;
    id = name->second.value;
  }
  const auto found = records.find(*id);
  return found == records.end() ? nullptr : found->second;
}

}  // namespace

std::shared_ptr<const GuestRecord> Inventory::find_guest(std::string_view reference,
                                                         bool deleted) const {
  auto found = find_in(guests_, names_, "vm", reference);
  if (found && found->spec) return found;
  if (!deleted) return nullptr;
  // Names in the recycle bin are not unique: the one deleted last is meant.
  std::shared_ptr<const GuestRecord> latest;
  for (const auto& [id, record] : guests_) {
    if (!record->spec || !record->spec->value.deleted_at) continue;
    if (record->spec->value.name != reference) continue;
    if (!latest || *latest->spec->value.deleted_at < *record->spec->value.deleted_at) {
      latest = record;
    }
  }
  return latest;
}

std::shared_ptr<const ImageRecord> Inventory::find_image(std::string_view reference) const {
  auto found = find_in(images_, names_, "image", reference);
  return found && found->spec ? found : nullptr;
}
std::shared_ptr<const DatastoreRecord> Inventory::find_datastore(std::string_view reference) const {
  auto found = find_in(datastores_, names_, "datastore", reference);
  return found && found->spec ? found : nullptr;
}
std::shared_ptr<const NetworkRecord> Inventory::find_network(std::string_view reference) const {
  auto found = find_in(networks_, names_, "network", reference);
  return found && found->complete() ? found : nullptr;
}

std::shared_ptr<const PoolRecord> Inventory::find_pool(std::string_view reference) const {
  auto found = find_in(pools_, names_, "pool", reference);
  return found && found->complete() ? found : nullptr;
}
std::shared_ptr<const HostRecord> Inventory::find_host(std::string_view reference) const {
  auto found = find_in(hosts_, names_, "host", reference);
  return found && found->spec ? found : nullptr;
}
std::shared_ptr<const Stored<model::Task>> Inventory::find_task(std::string_view id) const {
  const auto uuid = parse_uuid(id);
  if (!uuid) return nullptr;
  const auto found = tasks_.find(*uuid);
  return found == tasks_.end() ? nullptr : found->second;
}
std::shared_ptr<const Stored<model::User>> Inventory::find_user(std::string_view reference) const {
  const auto id = parse_uuid(reference);
  const auto holder = id ? id : name_holder("user", reference);
  const auto found = holder ? users_.find(*holder) : users_.end();
  return found == users_.end() ? nullptr : found->second;
}
std::shared_ptr<const Stored<model::Layer>> Inventory::layer(model::LayerId id) const {
  const auto found = layers_.find(id.value);
  return found == layers_.end() ? nullptr : found->second;
}
std::optional<Uuid> Inventory::name_holder(std::string_view kind, std::string_view name) const {
  const auto found = names_.find(fmt::format("{}/{}", kind, name));
  if (found == names_.end()) return std::nullopt;
  return found->second.value;
}

namespace {

template <class Map, class Key>
ports::Revision revision_in(const Map& map, const Key& key) {
  const auto found = map.find(key);
  return found == map.end() ? ports::Revision{} : found->second->revision;
}

// Only the host that owns the object has a placement of it under this key.
ports::Revision placement_revision(const Inventory& inventory, const keys::Parsed& parsed,
                                   const std::string& key) {
  const auto held = [&](const auto& records) -> ports::Revision {
    const auto found = records.find(parsed.id);
    if (found == records.end() || !found->second->placement) return {};
    const auto& placement = *found->second->placement;
    const auto own = keys::placement(placement.value.host, placement.value.object);
    return own == key ? placement.revision : ports::Revision{};
  };
  return std::max({held(inventory.guests()), held(inventory.images()), held(inventory.datastores()),
                   held(inventory.networks())});
}

// Of users, of what they show, and of what is told about them.
ports::Revision identity_revision(const Inventory& inventory, const keys::Parsed& parsed,
                                  const std::string& key) {
  switch (parsed.kind) {
    case keys::DocumentKind::user:
      return revision_in(inventory.users(), parsed.id);
    case keys::DocumentKind::token:
      return revision_in(inventory.tokens(), parsed.id);
    case keys::DocumentKind::session:
      return revision_in(inventory.sessions(), parsed.id);
    case keys::DocumentKind::audit_head:
      return revision_in(inventory.audit_heads(), parsed.id);
    default:
      return revision_in(inventory.audits(), key);
  }
}

}  // namespace

ports::Revision Inventory::key_revision(const std::string& key) const {
  const auto parsed = keys::parse(key);
  if (!parsed) return {};
  if (const auto broken = broken_revisions_.find(key); broken != broken_revisions_.end()) {
    return broken->second;
  }
  const auto in = [&](const auto& records, auto member) -> ports::Revision {
    const auto found = records.find(parsed->id);
    if (found == records.end()) return {};
    const auto& part = (*found->second).*member;
    return part ? part->revision : ports::Revision{};
  };
  using keys::DocumentKind;
  switch (parsed->kind) {
    case DocumentKind::guest_spec:
      return in(guests_, &GuestRecord::spec);
    case DocumentKind::guest_status:
      return in(guests_, &GuestRecord::status);
    case DocumentKind::placement:
      return placement_revision(*this, *parsed, key);
    case DocumentKind::image:
      return in(images_, &ImageRecord::spec);
    case DocumentKind::datastore_spec:
      return in(datastores_, &DatastoreRecord::spec);
    case DocumentKind::datastore_status:
      return in(datastores_, &DatastoreRecord::status);
    case DocumentKind::network_spec:
      return in(networks_, &NetworkRecord::spec);
    case DocumentKind::network_status:
      return in(networks_, &NetworkRecord::status);
    case DocumentKind::pool_spec:
      return in(pools_, &PoolRecord::spec);
    case DocumentKind::pool_ledger:
      return in(pools_, &PoolRecord::ledger);
    case DocumentKind::host_spec:
      return in(hosts_, &HostRecord::spec);
    case DocumentKind::host_status:
      return in(hosts_, &HostRecord::status);
    case DocumentKind::host_ledger:
      return in(hosts_, &HostRecord::ledger);
    case DocumentKind::layer:
      return revision_in(layers_, parsed->id);
    case DocumentKind::snapshot:
      return revision_in(snapshots_, parsed->id);
    case DocumentKind::task:
      return revision_in(tasks_, parsed->id);
    case DocumentKind::upload:
      return revision_in(uploads_, parsed->id);
    case DocumentKind::settings:
      return settings_.revision;
    case DocumentKind::user:
    case DocumentKind::token:
    case DocumentKind::session:
    case DocumentKind::audit_head:
    case DocumentKind::audit:
      return identity_revision(*this, *parsed, key);
    case DocumentKind::uid:
    case DocumentKind::name: {
      const auto found = names_.find(parsed->name);
      return found == names_.end() ? ports::Revision{} : found->second.revision;
    }
    default: {
      const auto found = other_revisions_.find(key);
      return found == other_revisions_.end() ? ports::Revision{} : found->second;
    }
  }
}

}  // namespace ruche::core
