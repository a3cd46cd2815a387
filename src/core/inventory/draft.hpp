// A unit of work on documents: read from the inventory, changed in memory, written in one commit
// that compares the revision of everything it touched.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "base/clock.hpp"
#include "base/random.hpp"
#include "core/documents/documents.hpp"
#include "core/inventory/inventory.hpp"

namespace ruche::core {

class Draft {
 public:
  Draft(const Inventory& inventory, Clock& clock, Random& random)
      : inventory_(inventory), clock_(clock), random_(random) {}

  const Inventory& inventory() const { return inventory_; }
  Timestamp now() const { return clock_.wall(); }
  template <class IdType>
  IdType new_id() {
    return IdType{make_uuid7(clock_.wall(), random_)};
  }
  Random& random() { return random_; }

  // The document as this draft sees it, for changing. Throws no_such_object when it is absent.
  model::Guest& guest(model::GuestId id);
  model::GuestStatus& guest_status(model::GuestId id);  // a fresh one when there is none
  model::Placement& placement(Uuid object);
  model::Image& image(model::ImageId id);
  model::Layer& layer(model::LayerId id);
  model::Snapshot& snapshot(model::SnapshotId id);
  model::Network& network(model::NetworkId id);
  model::Task& task(model::TaskId id);
  model::Upload& upload(model::UploadId id);
  model::Ledger& ledger(model::HostId host);
  model::ResourcePool& pool(model::PoolId id);
  model::PoolLedger& pool_ledger(model::PoolId id);
  model::User& user(model::UserId id);

  // The same without the intention to change: what this draft or the inventory has, or null.
  const model::Placement* find_placement(Uuid object) const;
  const model::Layer* find_layer(model::LayerId id) const;
  const model::GuestStatus* find_guest_status(model::GuestId id) const;
  const model::ResourcePool* find_pool(model::PoolId id) const;

  // New documents; the commit fails when the key exists meanwhile.
  template <class T>
  T& create(const std::string& key, T value) {
    return put_slot<T>(key, std::move(value), ports::Revision{});
  }
  // Replaces whatever is there as the inventory sees it.
  template <class T>
  T& replace(const std::string& key, T value) {
    return put_slot<T>(key, std::move(value), inventory_.key_revision(key));
  }
  // What a replaced document was, for the audit record.
  template <class T>
  void was(const std::string& key, T before) {
    slots_.at(key).before = std::make_shared<const T>(std::move(before));
  }
  void erase(const std::string& key);
  // The decision rests on this key: the commit fails when it changes meanwhile.
  void depend(const std::string& key) { depended_.insert(key); }
  // Takes a unique name; throws name_in_use.
  void take_name(std::string_view kind, const std::string& name, Uuid holder);
  void free_name(std::string_view kind, const std::string& name);

  // The commit also writes who asked for it and what it changed, for the audit log of `host`: a
  // change cannot happen without its record. At most one for a commit; an empty draft has none.
  void record(model::HostId host, model::AuditRecord record);

  bool empty() const { return slots_.empty(); }
  // As if nothing had been written yet.
  void clear();
  // The commit; documents are encoded here.
  ports::Commit take();

 private:
  struct Slot {
    std::shared_ptr<void> value;  // null: erased
    const TypeInfo* type = nullptr;
    ports::Revision seen;
    std::shared_ptr<const void> before;  // of an edited document; null: not kept
  };
  const Slot* placement_slot(Uuid object) const;
  template <class T>
  T& put_slot(const std::string& key, T value, ports::Revision seen) {
    auto owned = std::make_shared<T>(std::move(value));
    T& result = *owned;
    const auto existing = slots_.find(key);
    // A key this draft erased and now writes keeps the revision it was erased at.
    const auto compare = existing == slots_.end() ? seen : existing->second.seen;
    slots_[key] = Slot{std::move(owned), &type_of<T>(), compare, before_of<T>(key)};
    return result;
  }
  template <class T>
  std::shared_ptr<const void> before_of(const std::string& key) const {
    const auto existing = slots_.find(key);
    return existing == slots_.end() ? nullptr : existing->second.before;
  }
  template <class T>
  T* held(const std::string& key) const {
    const auto found = slots_.find(key);
    return found == slots_.end() ? nullptr : static_cast<T*>(found->second.value.get());
  }
  template <class T>
  T& edit(const std::string& key, const std::optional<Stored<T>>& seen);

  const Inventory& inventory_;
  Clock& clock_;
  Random& random_;
  std::map<std::string, Slot> slots_;
  std::set<std::string> depended_;
  std::optional<std::pair<model::HostId, model::AuditRecord>> record_;

  void add_changes(model::AuditRecord& record) const;
};

}  // namespace ruche::core
