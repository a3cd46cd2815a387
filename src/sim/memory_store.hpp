// The StateStore of the simulation. One MemoryStoreState is the database; every simulated host
// opens its own MemoryStore on it, a client handle that can be slow, cut off, frozen, severed or
// given wrong answers without the other hosts noticing. All waiting goes through the Clock.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "base/clock.hpp"
#include "base/random.hpp"
#include "ports/state_store.hpp"

namespace ruche::sim {

class MemoryStore;

// What a handle suffers on average: probabilities 0…1 per call, drawn from the Random it was given.
struct StoreFaults {
  double unavailable = 0;  // any call: nothing happened
  double unknown_applied = 0;  // commit: it happened, the answer was lost
  double unknown_lost = 0;  // commit: the request was lost
  double unknown_late = 0;  // commit: the answer was lost and it happens up to `late` later
  double conflict = 0;  // commit with compares: a conflict that is none
  double compacted = 0;  // list of an old revision, and a watch's next
  std::chrono::microseconds min_latency{0};  // of a call, there and back
  std::chrono::microseconds max_latency{0};
  std::chrono::microseconds late{2'000'000};
};

// The same for exactly one commit.
enum class CommitFault { unavailable, unknown_applied, unknown_lost, unknown_late, conflict };

struct CommitEvent {
  std::uint64_t number;  // 1 for the first commit that reached the store, over all handles
  const MemoryStore& handle;
  const ports::Commit& commit;
};

class MemoryStoreState : public std::enable_shared_from_this<MemoryStoreState> {
 public:
  // The clock outlives the state.
  static std::shared_ptr<MemoryStoreState> make(Clock& clock, std::string store_id = "memory");
  ~MemoryStoreState();

  std::unique_ptr<MemoryStore> open(std::string host_name);

  // Called when a commit arrives and after it took effect, for the kill sweep: either may sever the
  // handle. A handle severed before has no effect; one severed after never hears of it.
  std::function<void(const CommitEvent&)> before_commit;
  std::function<void(const CommitEvent&)> after_commit;
  std::uint64_t commits() const { return commits_; }

  // For the checkers: the truth, whatever the handles are told.
  const std::map<std::string, ports::Entry>& current() const { return current_; }
  ports::Revision revision() const { return revision_; }
  ports::Revision compacted() const { return compacted_; }

  // History up to and including `revision` goes; by itself only what is older than the retention.
  void compact(ports::Revision revision);
  void compact() { compact(revision_); }
  // Ends a lease before its time.
  void lose_lease(ports::LeaseId lease) { end_lease(lease); }
  // As when the store's server restarts: leases regain their full TTL, watches break.
  void restart();

 private:
  friend class MemoryStore;
  friend class MemoryWatch;
  struct Handle;
  struct LoggedChange {
    std::string key;
    std::optional<ports::Entry> before;
    std::optional<ports::Entry> after;
  };
  struct LoggedRevision {
    ports::Revision revision;
    Instant at;
    std::vector<LoggedChange> changes;  // by key
  };
  struct Nonce {
    std::optional<ports::Revision> revision;  // nothing: spent by a conflict
    Instant at;
  };
  struct Lease {
    Duration ttl{0};
    Clock::TimerId timer = 0;
    std::set<std::string> keys;
  };

  MemoryStoreState(Clock& clock, std::string store_id);
  ports::CommitResult apply(const ports::Commit& commit);
  ports::CommitResult make_up_conflict(const ports::Commit& commit);
  void decide(const std::string& nonce, std::optional<ports::Revision> revision);
  std::optional<ports::Revision> settled(const std::string& nonce) const;
  ports::ListPage list(const ports::ListRequest& request) const;
  std::map<std::string, ports::Entry> snapshot(ports::Revision at) const;
  // The first batch under the prefix at or after `from`, or nothing; moves `from` behind what it
  // saw.
  std::optional<ports::Batch> next_batch(const std::string& prefix, ports::Revision& from) const;
  ports::LeaseId grant(Duration ttl);
  bool keep_alive(ports::LeaseId lease);
  void end_lease(ports::LeaseId lease);
  void set_entry(LoggedRevision& logged, const std::string& key, std::optional<ports::Entry> after);
  void publish(LoggedRevision logged);
  void forget_old();
  void wake_handles();

  Clock& clock_;
  std::string store_id_;
  ports::Revision revision_;
  ports::Revision compacted_;  // history at and before it is gone
  std::uint64_t commits_ = 0;
  std::int64_t last_lease_ = 0;
  std::map<std::string, ports::Entry> current_;
  std::deque<LoggedRevision> log_;
  std::map<std::string, Nonce> nonces_;
  std::deque<std::string> nonces_by_age_;
  std::map<ports::LeaseId, Lease> leases_;
  std::vector<std::weak_ptr<Handle>> handles_;  // in the order of opening
};

class MemoryStore : public ports::StateStore {
 public:
  MemoryStore(std::shared_ptr<MemoryStoreState> state, std::string host_name);
  ~MemoryStore() override;

  const std::string& host_name() const;
  // The Random outlives the handle.
  void set_faults(StoreFaults faults, Random& random);
  void clear_faults();
  void fail_next_commit(CommitFault fault);  // queued, one per commit
  // Cut off: calls throw, those under way too, and watches fall silent until it is healed.
  void partition();
  void heal();
  // The host stands still: no answer arrives and no call begins until it thaws.
  void freeze();
  void thaw();
  // The host was killed: nothing this handle does has an effect any more. Every call throws, also
  // those under way.
  void sever();
  bool severed() const;
  // Every watch of this handle throws store_unavailable at its next turn.
  void break_watches();

  const std::string& store_id() const override;
  Async<ports::CommitResult> commit(ports::Commit commit) override;
  Async<std::optional<ports::Revision>> settled(std::string nonce) override;
  Async<std::optional<ports::Entry>> get(std::string key) override;
  Async<ports::ListPage> list(ports::ListRequest request) override;
  std::unique_ptr<ports::Watch> watch(std::string prefix, ports::Revision from) override;
  Async<ports::LeaseId> grant(Duration ttl) override;
  Async<ports::LeaseStatus> keep_alive(ports::LeaseId lease) override;
  Async<void> revoke(ports::LeaseId lease) override;

 private:
  using Handle = MemoryStoreState::Handle;
  std::optional<CommitFault> draw_commit_fault(const ports::Commit& commit);
  ports::CommitResult arrive(const ports::Commit& commit);
  void arrive_late(ports::Commit commit);

  std::shared_ptr<MemoryStoreState> state_;
  std::shared_ptr<Handle> handle_;
};

}  // namespace ruche::sim
