// The edge to the state: an ordered key-value store with compare-and-commit, watches and leases.
// SQLite, etcd and the in-memory one pass tests/contract/state_store_suite.hpp; the text of the
// contract is docs/adr/0001-the-store-is-the-bus.md.
#pragma once

#include <compare>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/async.hpp"
#include "base/units.hpp"

namespace ruche::ports {

// Grows by one for every commit that changes something (a put always does, deleting an absent key
// does not) and for every ended lease that had keys; 0 means "absent" in a compare.
struct Revision {
  std::int64_t number = 0;
  friend auto operator<=>(Revision, Revision) = default;
};

struct LeaseId {
  std::int64_t number = 0;  // 0: no lease
  friend auto operator<=>(LeaseId, LeaseId) = default;
};

struct Entry {
  std::string key;
  std::string value;
  Revision revision;  // of the commit that last wrote the key
  LeaseId lease;
};

struct Put {
  std::string key;
  std::string value;
  LeaseId lease = {};
};
struct Delete {
  std::string key;
};
using Write = std::variant<Put, Delete>;
const std::string& key_of(const Write& write);

struct Compare {
  std::string key;
  Revision revision;  // the commit happens only if the key's revision is exactly this; 0 = absent
};

// Limits, the smallest any store has (etcd refuses 129 operations, repeated keys and 1.6 MiB).
inline constexpr std::size_t kMaxKeyBytes = 512;
inline constexpr std::size_t kMaxValueBytes = 256 << 10;
inline constexpr std::size_t kMaxOperations = 100;  // compares and writes each
inline constexpr std::size_t kMaxCommitBytes = 1 << 20;  // keys and values of the writes
inline constexpr std::size_t kMaxPageEntries = 1000;
inline constexpr std::size_t kMaxPageBytes = 8 << 20;
inline constexpr Duration kMinLeaseTtl{5'000};
inline constexpr Duration kHistoryRetention{3'600'000};  // at least

// Happens at most once per nonce: a commit whose nonce has been committed answers with the revision
// of the first and changes nothing. So after store_outcome_unknown the same commit is sent again
// (with the same nonce) until it is answered; that is the only way to be certain that an earlier
// copy does not arrive later. The answer is final: once a commit was a conflict, no earlier copy of
// it can happen, and a new attempt takes a new nonce. Keys are deleted and put after all compares
// held, as one revision. A put under a lease that has ended throws no_such_object and changes
// nothing.
struct Commit {
  std::string nonce;  // unique, at most kMaxKeyBytes. Drivers refuse an empty one
  std::vector<Compare> compares;
  std::vector<Write> writes;  // each key at most once
};
struct Committed {
  Revision revision;  // of this commit; the current revision when nothing changed
};
struct Conflict {
  std::string key;  // one key whose compare failed
};
using CommitResult = std::variant<Committed, Conflict>;

struct ListRequest {
  std::string prefix;
  std::string after;  // return keys > after; empty: from the start
  std::size_t limit = kMaxPageEntries;  // 1 to kMaxPageEntries
  Revision at = {};  // 0: now; later pages pass the first page's revision
};
struct ListPage {
  // By key, in byte order. May be shorter than the limit when the values are large (kMaxPageBytes);
  // only `more` says whether there is another page.
  std::vector<Entry> entries;
  Revision revision;  // the snapshot's
  bool more = false;
};

struct Change {
  std::string key;
  std::optional<std::string> value;  // nullopt: deleted
  LeaseId lease;
};
struct Batch {
  Revision revision;
  std::vector<Change> changes;  // by key; all the changes of one commit under the prefix
};
struct Compacted {
  Revision oldest;  // the smallest revision that can still be listed or watched
};

// One batch per revision that touches the prefix, never split, in order, no gap, no repeat.
class Watch {
 public:
  virtual ~Watch() = default;
  // Waits for the next batch. After Compacted the watch is over. Throws Error(store_unavailable)
  // when the store went away; the caller opens a new watch from its last revision + 1.
  virtual Async<std::variant<Batch, Compacted>> next() = 0;
};

struct LeaseStatus {
  Duration ttl;  // what was granted, which may be a little longer than what was asked
};

// Errors of every method: store_unavailable (nothing happened), for commit also
// store_outcome_unknown (it may have happened: ask settled()), history_compacted for list(at).
// Requests that break a limit throw bad_request and change nothing.
class StateStore {
 public:
  virtual ~StateStore() = default;
  // Changes when revisions restart (another database); part of cursors, ETags and event ids.
  virtual const std::string& store_id() const = 0;
  virtual Async<CommitResult> commit(Commit commit) = 0;
  // Whether the commit with this nonce happened; answers for at least an hour. nullopt means not
  // yet: see Commit for how to be certain.
  virtual Async<std::optional<Revision>> settled(std::string nonce) = 0;
  virtual Async<std::optional<Entry>> get(std::string key) = 0;  // linearizable
  // A revision in the future throws bad_request.
  virtual Async<ListPage> list(ListRequest request) = 0;
  // Delivers every change of revision >= from (from.number >= 1; it may lie in the future). The
  // store outlives its watches.
  virtual std::unique_ptr<Watch> watch(std::string prefix, Revision from) = 0;
  // TTL at least 5 s. When a lease ends, its keys are deleted as one ordinary revision. Leases
  // regain their full TTL when the store restarts.
  virtual Async<LeaseId> grant(Duration ttl) = 0;
  // Throws no_such_object when the lease has ended. The holder counts its TTL from the sending.
  virtual Async<LeaseStatus> keep_alive(LeaseId lease) = 0;
  // Deletes the lease's keys as one revision. A lease that has ended already is not an error.
  virtual Async<void> revoke(LeaseId lease) = 0;
};

// Check the limits above and throw bad_request; every driver calls them first.
void check_limits(const Commit& commit);
void check_limits(const ListRequest& request);
void check_lease_ttl(Duration ttl);
void check_watch_start(Revision from);

// The smallest key greater than every key with this prefix; empty when there is none ("" or all
// bytes 0xff).
std::string prefix_end(std::string_view prefix);

}  // namespace ruche::ports
