// The edge to the audit log: records that are chained by their hashes, so that nobody changes,
// removes or inserts one without being noticed. Beside the history, on each host by itself.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/async.hpp"
#include "base/ids.hpp"
#include "base/units.hpp"
#include "model/identity.hpp"

namespace ruche::ports {

struct AuditItem {
  Uuid id;  // an id that is there already is not appended again
  Timestamp time;
  std::string object_id;  // what it is about; empty: nothing in particular
  std::string json;       // a model::AuditRecord: these bytes are what is hashed
};

struct AuditEntry {
  std::int64_t sequence = 0;  // 1, 2, 3 …: without a gap
  std::string hash;           // audit_hash of the one before, the sequence and the JSON
  AuditItem item;
};

// A place in the chain: what comes after it begins with this hash.
struct AuditMark {
  std::int64_t sequence = 0;  // 0: the beginning, with an empty hash
  std::string hash;
  friend bool operator==(const AuditMark&, const AuditMark&) = default;
};

struct AuditQuery {
  std::string object_id;    // empty: every object
  std::int64_t before = 0;  // entries with a smaller sequence; 0: from the newest
  std::size_t limit = 500;  // at most 500
};

struct AuditVerdict {
  std::int64_t records = 0;
  AuditMark begin;      // behind it the kept records begin
  AuditMark end;        // the last record
  std::string problem;  // empty: every record is as it was written
};

class AuditLog {
 public:
  virtual ~AuditLog() = default;
  // All of them or none; durable (flushed to the disk) when it returns the new end of the chain.
  // Throws io_failed.
  virtual Async<AuditMark> append(std::vector<AuditItem> items) = 0;
  // The newest first. Throws io_failed.
  virtual Async<std::vector<AuditEntry>> query(AuditQuery query) = 0;
  // Reads and recomputes everything. `known`: a mark that must be part of the chain, the newest
  // that somebody else remembers. Throws io_failed.
  virtual Async<AuditVerdict> verify(AuditMark known) = 0;
  // Removes records before a time, never the last one. `note` makes the record that tells of it,
  // which is appended in the same transaction: without it the chain does not verify any more. It
  // runs on another thread. How many went. Throws io_failed.
  using PruneNote = std::function<AuditItem(AuditMark pruned_to)>;
  virtual Async<std::size_t> prune(Timestamp oldest, PruneNote note) = 0;
};

// Lower-case hexadecimal SHA-256 over the hash before, the sequence and the record.
std::string audit_hash(std::string_view before, std::int64_t sequence, std::string_view json);

// The record that confirms a mark as the place where a log was cut.
inline constexpr std::string_view kPruneMethod = "audit.prune";
model::AuditRecord prune_record(AuditMark pruned_to);

// Checks entries in their order, one by one.
class AuditChecker {
 public:
  // `begin` is what the log says it was pruned to, `known` as in AuditLog::verify.
  AuditChecker(AuditMark begin, AuditMark known);
  void add(const AuditEntry& entry);
  AuditVerdict finish();

 private:
  void fault(std::string problem);

  AuditMark known_;
  AuditVerdict verdict_;
  bool known_seen_ = false;
  bool begin_confirmed_ = false;
};

}  // namespace ruche::ports
