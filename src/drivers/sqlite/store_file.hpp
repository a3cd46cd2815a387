// The state in one SQLite file: everything that happens on the store's own thread. Knows revisions,
// history and leases, but no watches and no timers (sqlite_store.cpp).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "drivers/sqlite/connection.hpp"
#include "ports/state_store.hpp"

namespace ruche::drivers::sqlite {

struct StoredLease {
  ports::LeaseId id;
  Duration ttl;
};

class StoreFile {
 public:
  // Called around every commit that reaches the file, with its number from 1; see sqlite_store.hpp.
  using CommitHook = std::function<void(std::uint64_t number, bool done)>;
  StoreFile(std::string path, CommitHook hook);
  ~StoreFile();

  // Every other function opens the file by itself when a failure of the disk had closed it.
  void open(Instant now, const std::string& new_store_id);
  const std::string& store_id() const { return store_id_; }
  ports::Revision revision() const { return revision_; }
  ports::Revision compacted() const { return compacted_; }  // history at and before it is gone
  std::vector<StoredLease> leases();

  ports::CommitResult commit(const ports::Commit& commit, Instant now);
  std::optional<ports::Revision> settled(const std::string& nonce);
  std::optional<ports::Entry> get(const std::string& key);
  ports::ListPage list(const ports::ListRequest& request);
  ports::LeaseId grant(Duration ttl);
  void end_lease(ports::LeaseId lease, Instant now);

  // Some of the history from a revision on: whole batches under the prefix, and where to go on.
  // The caller looks at compacted() for whether it is all there.
  struct History {
    std::vector<ports::Batch> batches;
    ports::Revision next;
  };
  History history(const std::string& prefix, ports::Revision from);

  // The batches that became visible since the last call, in order and without a gap.
  std::vector<ports::Batch> take_fresh() { return std::exchange(fresh_, {}); }

 private:
  struct Prepared;
  struct Progress;
  template <class F>
  auto guarded(F work);
  template <class F>
  auto transact(F work);
  void ensure_open();
  History read_history(const std::string& prefix, ports::Revision from);
  void connect(Connection::Open open);
  void create_schema(const std::string& new_store_id);
  void check_schema();
  void read_positions();
  ports::CommitResult apply(const ports::Commit& commit, Progress& progress);
  void write(Progress& progress, const std::string& key, const ports::Put* put);
  void forget_old(Progress& progress);
  void finish(Progress& progress);

  std::string path_;
  CommitHook hook_;
  std::uint64_t commits_ = 0;
  std::unique_ptr<Connection> connection_;
  std::unique_ptr<Prepared> prepared_;
  std::string store_id_;
  ports::Revision revision_;
  ports::Revision compacted_;
  // Time of the store in milliseconds: what has passed while it was open, whatever the wall clock
  // does. The retention of history is measured with it.
  std::int64_t time_base_ = 0;
  std::int64_t last_mark_ = 0;
  Instant opened_at_;
  std::vector<ports::Batch> fresh_;
};

}  // namespace ruche::drivers::sqlite
