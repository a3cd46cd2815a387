#include "core/inventory/applier.hpp"

#include "core/documents/documents.hpp"

namespace ruche::core {

using keys::DocumentKind;
using model::ObjectKind;

namespace {

// A mutable copy of the record under this id, empty when there is none.
template <class T>
std::shared_ptr<T> copy_of(const Records<T>& records, Uuid id) {
  const auto found = records.find(id);
  return found == records.end() ? std::make_shared<T>() : std::make_shared<T>(*found->second);
}

template <class T>
void store(Records<T>& records, Uuid id, std::shared_ptr<T> record, bool exists) {
  if (exists) {
    records[id] = std::move(record);
  } else {
    records.erase(id);
  }
}

bool exists(const GuestRecord& r) { return r.spec || r.status || r.placement; }
bool exists(const DatastoreRecord& r) { return r.spec || r.status || r.placement; }
bool exists(const NetworkRecord& r) { return r.spec || r.status || r.placement; }
bool exists(const ImageRecord& r) { return r.spec || r.placement; }
bool exists(const PoolRecord& r) { return r.spec || r.ledger; }
bool exists(const HostRecord& r) { return r.spec || r.status || r.ledger; }

}  // namespace

void Applier::changed(ObjectKind kind, Uuid id, bool existed, bool exists_now) {
  const auto change = !exists_now ? model::ChangeKind::deleted
                      : existed   ? model::ChangeKind::changed
                                  : model::ChangeKind::created;
  auto [entry, fresh] = changes_.try_emplace({kind, id}, change);
  if (fresh) return;
  // Several documents of one object in a batch: creation and deletion weigh more than a change.
  if (change == model::ChangeKind::deleted || entry->second == model::ChangeKind::changed) {
    entry->second = change;
  }
}

std::vector<ObjectChange> Applier::take() {
  std::vector<ObjectChange> result;
  for (const auto& [object, change] : changes_) {
    result.push_back({object.first, object.second, change});
  }
  changes_.clear();
  return result;
}

template <class T>
void Applier::put_record_part(const std::string& key, DocumentKind kind, const std::string& value,
                              std::optional<Stored<T>>& part, ports::Revision revision) {
  auto decoded = documents::decode<T>(kind, value);
  if (!decoded) {
    inventory_.broken_[key] = decoded.error().full_message();
    inventory_.broken_revisions_[key] = revision;
    inventory_.log_.error("core", "a document cannot be read",
                          {{"key", key}, {"why", decoded.error().full_message()}});
    return;
  }
  if (inventory_.broken_.erase(key) > 0) inventory_.relist_ = true;
  inventory_.broken_revisions_.erase(key);
  part = Stored<T>{std::move(*decoded), revision};
}

void Applier::mark_broken_guest(Uuid id, const std::string& why, ports::Revision revision) {
  auto record = copy_of(inventory_.guests_, id);
  if (!record->spec) {
    model::Guest stub;
    stub.id = {id};
    stub.name = to_text(id);
    record->spec = Stored<model::Guest>{stub, revision};
  }
  if (!record->status) record->status.emplace();
  record->status->value.state = model::GuestState::broken;
  record->status->value.last_error = why;
  inventory_.guests_[id] = std::move(record);
}

void Applier::put_guest(const keys::Parsed& parsed, const std::string& key,
                        const std::string& value, ports::Revision revision) {
  const bool existed = inventory_.guests_.contains(parsed.id);
  auto record = copy_of(inventory_.guests_, parsed.id);
  if (parsed.kind == DocumentKind::guest_spec) {
    put_record_part(key, parsed.kind, value, record->spec, revision);
    if (record->spec) record->spec->revision = revision;
  } else {
    put_record_part(key, parsed.kind, value, record->status, revision);
    if (record->status) record->status->revision = revision;
  }
  inventory_.guests_[parsed.id] = std::move(record);
  const auto broken = inventory_.broken_.find(key);
  if (broken != inventory_.broken_.end()) {
    mark_broken_guest(parsed.id, broken->second, revision);
    // Whoever writes the status again compares what is really there.
    auto marked = copy_of(inventory_.guests_, parsed.id);
    if (parsed.kind == DocumentKind::guest_status) marked->status->revision = revision;
    inventory_.guests_[parsed.id] = std::move(marked);
  }
  changed(ObjectKind::guest, parsed.id, existed, true);
}

void Applier::put_placement(const keys::Parsed& parsed, const std::string& key,
                            const std::string& value, ports::Revision revision) {
  std::optional<Stored<model::Placement>> placement;
  put_record_part(key, parsed.kind, value, placement, revision);
  if (!placement) {
    if (!inventory_.guests_.contains(parsed.id)) return;
    mark_broken_guest(parsed.id, inventory_.broken_[key], revision);
    return changed(ObjectKind::guest, parsed.id, true, true);
  }
  const auto place = [&](auto& records, ObjectKind kind) {
    const bool existed = records.contains(parsed.id);
    auto record = copy_of(records, parsed.id);
    record->placement = std::move(placement);
    records[parsed.id] = std::move(record);
    changed(kind, parsed.id, existed, true);
  };
  switch (placement->value.kind) {
    case ObjectKind::guest:
      return place(inventory_.guests_, ObjectKind::guest);
    case ObjectKind::image:
      return place(inventory_.images_, ObjectKind::image);
    case ObjectKind::datastore:
      return place(inventory_.datastores_, ObjectKind::datastore);
    case ObjectKind::network:
      return place(inventory_.networks_, ObjectKind::network);
    case ObjectKind::host:
    case ObjectKind::task:
    case ObjectKind::user:
    case ObjectKind::token:
    case ObjectKind::pool:
      inventory_.broken_[key] = "a placement of something that has none";
      inventory_.broken_revisions_[key] = revision;
  }
}

void Applier::put_image(const keys::Parsed& parsed, const std::string& key,
                        const std::string& value, ports::Revision revision) {
  const bool existed = inventory_.images_.contains(parsed.id);
  auto record = copy_of(inventory_.images_, parsed.id);
  put_record_part(key, parsed.kind, value, record->spec, revision);
  inventory_.images_[parsed.id] = std::move(record);
  changed(ObjectKind::image, parsed.id, existed, true);
}

template <class T>
void Applier::put_by_id(const keys::Parsed& parsed, const std::string& key,
                        const std::string& value, StoredById<T>& records,
                        ports::Revision revision) {
  std::optional<Stored<T>> record;
  put_record_part(key, parsed.kind, value, record, revision);
  // One that cannot be read gives nobody any rights.
  records.erase(parsed.id);
  if (record) records[parsed.id] = std::make_shared<const Stored<T>>(std::move(*record));
}

void Applier::put_identity(const keys::Parsed& parsed, const std::string& key,
                           const std::string& value, ports::Revision revision) {
  switch (parsed.kind) {
    case DocumentKind::user:
      return put_by_id(parsed, key, value, inventory_.users_, revision);
    case DocumentKind::token:
      return put_by_id(parsed, key, value, inventory_.tokens_, revision);
    case DocumentKind::session:
      return put_by_id(parsed, key, value, inventory_.sessions_, revision);
    case DocumentKind::audit_head:
      return put_by_id(parsed, key, value, inventory_.audit_heads_, revision);
    case DocumentKind::audit: {
      std::optional<Stored<model::AuditRecord>> record;
      put_record_part(key, parsed.kind, value, record, revision);
      if (!record) return;
      inventory_.audits_[key] =
          std::make_shared<const Stored<model::AuditRecord>>(std::move(*record));
      return;
    }
    default:
      inventory_.other_revisions_[key] = revision;
  }
}

void Applier::erase_identity(const keys::Parsed& parsed, const std::string& key) {
  switch (parsed.kind) {
    case DocumentKind::user:
      inventory_.users_.erase(parsed.id);
      return;
    case DocumentKind::token:
      inventory_.tokens_.erase(parsed.id);
      return;
    case DocumentKind::session:
      inventory_.sessions_.erase(parsed.id);
      return;
    case DocumentKind::audit_head:
      inventory_.audit_heads_.erase(parsed.id);
      return;
    case DocumentKind::audit:
      inventory_.audits_.erase(key);
      return;
    default:
      inventory_.other_revisions_.erase(key);
  }
}

void Applier::put_network(const keys::Parsed& parsed, const std::string& key,
                          const std::string& value, ports::Revision revision) {
  const bool existed = inventory_.networks_.contains(parsed.id);
  auto record = copy_of(inventory_.networks_, parsed.id);
  if (parsed.kind == DocumentKind::network_spec) {
    put_record_part(key, parsed.kind, value, record->spec, revision);
  } else {
    put_record_part(key, parsed.kind, value, record->status, revision);
  }
  inventory_.networks_[parsed.id] = std::move(record);
  changed(ObjectKind::network, parsed.id, existed, true);
}

void Applier::put_pool(const keys::Parsed& parsed, const std::string& key, const std::string& value,
                       ports::Revision revision) {
  const bool existed = inventory_.pools_.contains(parsed.id);
  auto record = copy_of(inventory_.pools_, parsed.id);
  if (parsed.kind == DocumentKind::pool_spec) {
    put_record_part(key, parsed.kind, value, record->spec, revision);
  } else {
    put_record_part(key, parsed.kind, value, record->ledger, revision);
  }
  inventory_.pools_[parsed.id] = std::move(record);
  changed(ObjectKind::pool, parsed.id, existed, true);
}

void Applier::put_host(const keys::Parsed& parsed, const std::string& key, const std::string& value,
                       ports::Revision revision) {
  const bool existed = inventory_.hosts_.contains(parsed.id);
  auto record = copy_of(inventory_.hosts_, parsed.id);
  if (parsed.kind == DocumentKind::host_spec) {
    put_record_part(key, parsed.kind, value, record->spec, revision);
  } else if (parsed.kind == DocumentKind::host_status) {
    put_record_part(key, parsed.kind, value, record->status, revision);
  } else {
    put_record_part(key, parsed.kind, value, record->ledger, revision);
  }
  inventory_.hosts_[parsed.id] = std::move(record);
  changed(ObjectKind::host, parsed.id, existed, true);
}

void Applier::put_upload(const keys::Parsed& parsed, const std::string& key,
                         const std::string& value, ports::Revision revision) {
  std::optional<Stored<model::Upload>> upload;
  put_record_part(key, parsed.kind, value, upload, revision);
  if (!upload) return;
  inventory_.uploads_[parsed.id] =
      std::make_shared<const Stored<model::Upload>>(std::move(*upload));
}

// A snapshot is part of its guest, which changes with it.
void Applier::put_snapshot(const keys::Parsed& parsed, const std::string& key,
                           const std::string& value, ports::Revision revision) {
  std::optional<Stored<model::Snapshot>> snapshot;
  put_record_part(key, parsed.kind, value, snapshot, revision);
  if (!snapshot) return;
  const auto guest = snapshot->value.guest;
  inventory_.snapshots_[parsed.id] =
      std::make_shared<const Stored<model::Snapshot>>(std::move(*snapshot));
  if (inventory_.guests_.contains(guest.value)) {
    changed(ObjectKind::guest, guest.value, true, true);
  }
}

void Applier::erase_snapshot(Uuid id) {
  const auto found = inventory_.snapshots_.find(id);
  if (found == inventory_.snapshots_.end()) return;
  const auto guest = found->second->value.guest;
  inventory_.snapshots_.erase(found);
  if (inventory_.guests_.contains(guest.value)) {
    changed(ObjectKind::guest, guest.value, true, true);
  }
}

void Applier::put_other(const keys::Parsed& parsed, const std::string& key,
                        const std::string& value, ports::Revision revision) {
  switch (parsed.kind) {
    case DocumentKind::image:
      return put_image(parsed, key, value, revision);
    case DocumentKind::datastore_spec:
    case DocumentKind::datastore_status: {
      const bool existed = inventory_.datastores_.contains(parsed.id);
      auto record = copy_of(inventory_.datastores_, parsed.id);
      if (parsed.kind == DocumentKind::datastore_spec) {
        put_record_part(key, parsed.kind, value, record->spec, revision);
      } else {
        put_record_part(key, parsed.kind, value, record->status, revision);
      }
      inventory_.datastores_[parsed.id] = std::move(record);
      return changed(ObjectKind::datastore, parsed.id, existed, true);
    }
    case DocumentKind::network_spec:
    case DocumentKind::network_status:
      return put_network(parsed, key, value, revision);
    case DocumentKind::pool_spec:
    case DocumentKind::pool_ledger:
      return put_pool(parsed, key, value, revision);
    case DocumentKind::host_spec:
    case DocumentKind::host_status:
    case DocumentKind::host_ledger:
      return put_host(parsed, key, value, revision);
    case DocumentKind::layer: {
      std::optional<Stored<model::Layer>> layer;
      put_record_part(key, parsed.kind, value, layer, revision);
      if (layer) {
        inventory_.layers_[parsed.id] =
            std::make_shared<const Stored<model::Layer>>(std::move(*layer));
      }
      return;
    }
    case DocumentKind::snapshot:
      return put_snapshot(parsed, key, value, revision);
    case DocumentKind::upload:
      return put_upload(parsed, key, value, revision);
    case DocumentKind::task: {
      std::optional<Stored<model::Task>> task;
      put_record_part(key, parsed.kind, value, task, revision);
      if (!task) return;
      const bool existed = inventory_.tasks_.contains(parsed.id);
      inventory_.tasks_[parsed.id] = std::make_shared<const Stored<model::Task>>(std::move(*task));
      return changed(ObjectKind::task, parsed.id, existed, true);
    }
    case DocumentKind::uid:
    case DocumentKind::name: {
      std::optional<Stored<NameRecord>> name;
      put_record_part(key, parsed.kind, value, name, revision);
      if (name) inventory_.names_[parsed.name] = {name->value.object, revision};
      return;
    }
    case DocumentKind::settings: {
      std::optional<Stored<model::Settings>> settings;
      put_record_part(key, parsed.kind, value, settings, revision);
      if (settings) inventory_.settings_ = std::move(*settings);
      return;
    }
    default:
      return put_identity(parsed, key, value, revision);
  }
}

void Applier::put(const std::string& key, const std::string& value, ports::Revision revision) {
  const auto parsed = keys::parse(key);
  if (!parsed) return;  // a newer Ruche's key: not ours to understand
  if (parsed->kind == DocumentKind::guest_spec || parsed->kind == DocumentKind::guest_status) {
    put_guest(*parsed, key, value, revision);
  } else if (parsed->kind == DocumentKind::placement) {
    put_placement(*parsed, key, value, revision);
  } else {
    put_other(*parsed, key, value, revision);
  }
}

void Applier::erase_placement(const keys::Parsed& parsed, const std::string& key) {
  // A move deletes the old host's key and puts the new one in the same batch: only the placement
  // that this key held goes.
  const auto drop = [&](auto& records, ObjectKind kind) {
    const auto found = records.find(parsed.id);
    if (found == records.end() || !found->second->placement) return;
    const auto& placement = found->second->placement->value;
    if (keys::placement(placement.host, placement.object) != key) return;
    auto record = copy_of(records, parsed.id);
    record->placement.reset();
    const bool left = exists(*record);
    store(records, parsed.id, std::move(record), left);
    changed(kind, parsed.id, true, left);
  };
  drop(inventory_.guests_, ObjectKind::guest);
  drop(inventory_.images_, ObjectKind::image);
  drop(inventory_.datastores_, ObjectKind::datastore);
  drop(inventory_.networks_, ObjectKind::network);
}

void Applier::erase(const std::string& key, ports::Revision) {
  const auto parsed = keys::parse(key);
  if (inventory_.broken_.erase(key) > 0) inventory_.relist_ = true;
  inventory_.broken_revisions_.erase(key);
  if (!parsed) return;
  const auto drop = [&](auto& records, ObjectKind kind, auto clear) {
    if (!records.contains(parsed->id)) return;
    auto record = copy_of(records, parsed->id);
    clear(*record);
    const bool left = exists(*record);
    store(records, parsed->id, std::move(record), left);
    changed(kind, parsed->id, true, left);
  };
  switch (parsed->kind) {
    case DocumentKind::guest_spec:
      return drop(inventory_.guests_, ObjectKind::guest, [](auto& r) { r.spec.reset(); });
    case DocumentKind::guest_status:
      return drop(inventory_.guests_, ObjectKind::guest, [](auto& r) { r.status.reset(); });
    case DocumentKind::placement:
      return erase_placement(*parsed, key);
    case DocumentKind::image:
      return drop(inventory_.images_, ObjectKind::image, [](auto& r) { r.spec.reset(); });
    case DocumentKind::datastore_spec:
      return drop(inventory_.datastores_, ObjectKind::datastore, [](auto& r) { r.spec.reset(); });
    case DocumentKind::datastore_status:
      return drop(inventory_.datastores_, ObjectKind::datastore, [](auto& r) { r.status.reset(); });
    case DocumentKind::network_spec:
      return drop(inventory_.networks_, ObjectKind::network, [](auto& r) { r.spec.reset(); });
    case DocumentKind::network_status:
      return drop(inventory_.networks_, ObjectKind::network, [](auto& r) { r.status.reset(); });
    case DocumentKind::pool_spec:
      return drop(inventory_.pools_, ObjectKind::pool, [](auto& r) { r.spec.reset(); });
    case DocumentKind::pool_ledger:
      return drop(inventory_.pools_, ObjectKind::pool, [](auto& r) { r.ledger.reset(); });
    case DocumentKind::host_spec:
      return drop(inventory_.hosts_, ObjectKind::host, [](auto& r) { r.spec.reset(); });
    case DocumentKind::host_status:
      return drop(inventory_.hosts_, ObjectKind::host, [](auto& r) { r.status.reset(); });
    case DocumentKind::host_ledger:
      return drop(inventory_.hosts_, ObjectKind::host, [](auto& r) { r.ledger.reset(); });
    case DocumentKind::layer:
      inventory_.layers_.erase(parsed->id);
      return;
    case DocumentKind::snapshot:
      return erase_snapshot(parsed->id);
    case DocumentKind::upload:
      inventory_.uploads_.erase(parsed->id);
      return;
    case DocumentKind::task:
      if (inventory_.tasks_.erase(parsed->id) > 0)
        changed(ObjectKind::task, parsed->id, true, false);
      return;
    case DocumentKind::uid:
    case DocumentKind::name:
      inventory_.names_.erase(parsed->name);
      return;
    case DocumentKind::settings:
      inventory_.settings_ = {};
      return;
    default:
      return erase_identity(*parsed, key);
  }
}

}  // namespace ruche::core
