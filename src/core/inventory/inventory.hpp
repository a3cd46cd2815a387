// The decoded view of the store, fed by one watch. Every list, decision and event is rendered from
// it. A writer that committed revision R waits for reached(R) before it answers, so that a client
// always reads its own writes.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/async.hpp"
#include "base/log.hpp"
#include "model/guest.hpp"
#include "model/host.hpp"
#include "model/identity.hpp"
#include "model/network.hpp"
#include "model/placement.hpp"
#include "model/pool.hpp"
#include "model/snapshot.hpp"
#include "model/storage.hpp"
#include "model/task.hpp"
#include "model/views.hpp"
#include "ports/state_store.hpp"

namespace ruche::core {

template <class T>
struct Stored {
  T value;
  ports::Revision revision;
};

struct GuestRecord {
  std::optional<Stored<model::Guest>> spec;
  std::optional<Stored<model::GuestStatus>> status;
  std::optional<Stored<model::Placement>> placement;
  // A record is shown only with its spec and placement; the pieces of one commit arrive together.
  bool complete() const { return spec && placement; }
};
struct DatastoreRecord {
  std::optional<Stored<model::Datastore>> spec;
  std::optional<Stored<model::DatastoreStatus>> status;
  std::optional<Stored<model::Placement>> placement;
};
struct NetworkRecord {
  std::optional<Stored<model::Network>> spec;
  std::optional<Stored<model::NetworkStatus>> status;
  std::optional<Stored<model::Placement>> placement;
  bool complete() const { return spec && placement; }
};
struct ImageRecord {
  std::optional<Stored<model::Image>> spec;
  std::optional<Stored<model::Placement>> placement;
};
struct PoolRecord {
  std::optional<Stored<model::ResourcePool>> spec;
  std::optional<Stored<model::PoolLedger>> ledger;
  bool complete() const { return spec && ledger; }
};
struct HostRecord {
  std::optional<Stored<model::Host>> spec;
  std::optional<Stored<model::HostStatus>> status;
  std::optional<Stored<model::Ledger>> ledger;
};

// One object that a revision changed.
struct ObjectChange {
  model::ObjectKind kind;
  Uuid id;
  model::ChangeKind change;
};
struct ChangeSet {
  ports::Revision revision;
  std::vector<ObjectChange> changes;  // each object once, in key order
};

// Receives every change set from the moment of subscribing on.
class Subscription {
 public:
  // nullopt: the inventory was rebuilt (history compacted, store changed): list again.
  Async<std::optional<ChangeSet>> next();

 private:
  friend class Inventory;
  Channel<std::optional<ChangeSet>> channel_;
};

template <class T>
using StoredById = std::map<Uuid, std::shared_ptr<const Stored<T>>>;
template <class T>
using Records = std::map<Uuid, std::shared_ptr<const T>>;

class Inventory {
 public:
  Inventory(ports::StateStore& store, Clock& clock, Log& log);
  ~Inventory();

  // Lists everything, then follows the watch until cancelled; an unavailable store is retried with
  // back-off. ready() ends when the first listing is complete.
  Async<void> run();
  Async<void> ready();
  bool is_ready() const;
  bool is_stale() const;  // the store does not answer at the moment

  const std::string& store_id() const;
  ports::Revision revision() const { return revision_; }
  Async<void> reached(ports::Revision revision);
  // Ends after the next applied change set (or a rebuild).
  Async<void> changed();
  std::shared_ptr<Subscription> subscribe();

  const Records<GuestRecord>& guests() const { return guests_; }
  const Records<ImageRecord>& images() const { return images_; }
  const Records<DatastoreRecord>& datastores() const { return datastores_; }
  const Records<NetworkRecord>& networks() const { return networks_; }
  const Records<PoolRecord>& pools() const { return pools_; }
  const Records<HostRecord>& hosts() const { return hosts_; }
  const std::map<Uuid, std::shared_ptr<const Stored<model::Layer>>>& layers() const {
    return layers_;
  }
  const StoredById<model::Snapshot>& snapshots() const { return snapshots_; }
  const std::map<Uuid, std::shared_ptr<const Stored<model::Task>>>& tasks() const { return tasks_; }
  const Records<Stored<model::Upload>>& uploads() const { return uploads_; }
  const model::Settings& settings() const { return settings_.value; }
  const StoredById<model::User>& users() const { return users_; }
  const StoredById<model::ApiToken>& tokens() const { return tokens_; }
  const StoredById<model::Session>& sessions() const { return sessions_; }
  // Records that are not yet in the audit log of their host, by their keys.
  const std::map<std::string, std::shared_ptr<const Stored<model::AuditRecord>>>& audits() const {
    return audits_;
  }
  const StoredById<model::AuditHead>& audit_heads() const { return audit_heads_; }

  // By name or id. Null when there is none. Guests in the recycle bin are found by id, or by name
  // with `deleted`.
  std::shared_ptr<const GuestRecord> find_guest(std::string_view reference,
                                                bool deleted = false) const;
  std::shared_ptr<const ImageRecord> find_image(std::string_view reference) const;
  std::shared_ptr<const DatastoreRecord> find_datastore(std::string_view reference) const;
  std::shared_ptr<const NetworkRecord> find_network(std::string_view reference) const;
  std::shared_ptr<const PoolRecord> find_pool(std::string_view reference) const;
  std::shared_ptr<const HostRecord> find_host(std::string_view reference) const;
  std::shared_ptr<const Stored<model::Task>> find_task(std::string_view id) const;
  std::shared_ptr<const Stored<model::User>> find_user(std::string_view reference) const;
  std::shared_ptr<const Stored<model::Layer>> layer(model::LayerId id) const;
  // The object that holds a unique name, nil when free.
  std::optional<Uuid> name_holder(std::string_view kind, std::string_view name) const;
  // The revision of any key as last seen; 0 when absent.
  ports::Revision key_revision(const std::string& key) const;

  // Documents that could not be read: key → why. The rest goes on.
  const std::map<std::string, std::string>& broken() const { return broken_; }

 private:
  friend class Applier;
  ports::StateStore& store_;
  Clock& clock_;
  Log& log_;
  ports::Revision revision_;
  bool ready_ = false;
  bool stale_ = false;
  // A document that could not be read is readable again, or gone: what it stood in for is not kept,
  // so everything is listed once more.
  bool relist_ = false;
  Signal changed_;
  Records<GuestRecord> guests_;
  Records<ImageRecord> images_;
  Records<DatastoreRecord> datastores_;
  Records<NetworkRecord> networks_;
  Records<PoolRecord> pools_;
  Records<HostRecord> hosts_;
  std::map<Uuid, std::shared_ptr<const Stored<model::Layer>>> layers_;
  StoredById<model::Snapshot> snapshots_;
  std::map<Uuid, std::shared_ptr<const Stored<model::Task>>> tasks_;
  Records<Stored<model::Upload>> uploads_;
  Stored<model::Settings> settings_;
  StoredById<model::User> users_;
  StoredById<model::ApiToken> tokens_;
  StoredById<model::Session> sessions_;
  std::map<std::string, std::shared_ptr<const Stored<model::AuditRecord>>> audits_;
  StoredById<model::AuditHead> audit_heads_;
  std::map<std::string, Stored<Uuid>> names_;  // "vm/web1" → id
  std::map<std::string, ports::Revision> other_revisions_;
  std::map<std::string, std::string> broken_;
  std::map<std::string, ports::Revision> broken_revisions_;  // of the same keys
  std::vector<std::weak_ptr<Subscription>> subscriptions_;

  Async<void> rebuild();
  Async<void> follow();  // ends when everything has to be listed again
  void publish(const std::optional<ChangeSet>& set);
};

}  // namespace ruche::core
