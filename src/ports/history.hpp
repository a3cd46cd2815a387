// The edge to what happened: events and finished tasks, append-only, on each host by itself and
// merged when asked. Nothing here is needed to adopt or start a guest, so a failure is a warning in
// the log and never the caller's.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/async.hpp"
#include "base/units.hpp"
#include "ports/state_store.hpp"

namespace ruche::ports {

struct HistoryRecord {
  std::string kind;  // "event", "task"
  std::string object_id;  // what it is about
  // Of the commit that it tells about; a record with the same kind, object and revision is kept
  // only once, so that a restarted host may append again. 0: about no commit, always kept.
  Revision revision;
  Timestamp time;
  std::string json;
};

struct HistoryEntry {
  std::int64_t sequence = 0;  // grows with every append on this host; never reused
  HistoryRecord record;
};

struct HistoryQuery {
  std::string kind;  // empty: every kind
  std::string object_id;  // empty: every object
  std::int64_t after =
      0;  // entries with a greater sequence; newest_first: a smaller one, 0 = newest
  bool newest_first = false;
  std::size_t limit = 1000;  // at most 1000
};

// What may stay.
struct HistoryLimits {
  std::size_t entries = 1'000'000;
  Timestamp oldest;  // entries before this time go
};

class AuditLog;

class History {
 public:
  virtual ~History() = default;
  // Never waits and never fails; what cannot be written is dropped with a warning.
  virtual void append(HistoryRecord record) = 0;
  // Sees everything appended before it. Throws io_failed.
  virtual Async<std::vector<HistoryEntry>> query(HistoryQuery query) = 0;
  // How many entries went. Throws io_failed.
  virtual Async<std::size_t> prune(HistoryLimits limits) = 0;

  // The audit records beside it, in the same file; lives as long as the history.
  virtual AuditLog& audit() = 0;
};

}  // namespace ruche::ports
