#include "drivers/sqlite/audit_table.hpp"

#include <algorithm>

namespace ruche::drivers::sqlite {

using ports::AuditEntry;
using ports::AuditItem;
using ports::AuditMark;

namespace {

constexpr std::size_t kMaxQuery = 500;

AuditEntry entry_in(const Statement& row) {
  const auto id = parse_uuid(row.bytes(1));
  return {row.integer(0),
          std::string(row.bytes(5)),
          {id.value_or(Uuid{}),
           {row.integer(2)},
           std::string(row.bytes(3)),
           std::string(row.bytes(4))}};
}

}  // namespace

const char* AuditTable::schema() {
  return R"sql(
CREATE TABLE audit (sequence INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,
                    time_ms INTEGER NOT NULL, object_id TEXT NOT NULL, json TEXT NOT NULL,
                    hash TEXT NOT NULL) STRICT;
CREATE INDEX audit_by_object ON audit (object_id, sequence);
CREATE TABLE audit_begin (sequence INTEGER NOT NULL, hash TEXT NOT NULL) STRICT;
INSERT INTO audit_begin VALUES (0, '');
)sql";
}

// What is acknowledged here is taken out of the state store, so unlike the rest of the history it
// must be on the disk: the write-ahead log is flushed at this commit.
class AuditTable::Durable {
 public:
  explicit Durable(Connection& connection) : connection_(connection) {
    connection_.execute("PRAGMA synchronous = FULL");
  }
  ~Durable() {
    try {
      connection_.execute("PRAGMA synchronous = NORMAL");
    } catch (const Error&) {
      // Only slower.
    }
  }
  Durable(const Durable&) = delete;
  Durable& operator=(const Durable&) = delete;

 private:
  Connection& connection_;
};

AuditMark AuditTable::begin() {
  Statement select(connection_, "SELECT sequence, hash FROM audit_begin LIMIT 1");
  if (!select.step()) return {};
  return {select.integer(0), std::string(select.bytes(1))};
}

AuditMark AuditTable::end() {
  Statement select(connection_, "SELECT sequence, hash FROM audit ORDER BY sequence DESC LIMIT 1");
  if (!select.step()) return begin();
  return {select.integer(0), std::string(select.bytes(1))};
}

AuditMark AuditTable::add(const AuditMark& after, const AuditItem& item) {
  const auto id = to_text(item.id);
  Statement known(connection_, "SELECT 1 FROM audit WHERE id = ?");
  known.bind_text(1, id);
  if (known.step()) return after;
  const auto sequence = after.sequence + 1;
  AuditMark mark{sequence, ports::audit_hash(after.hash, sequence, item.json)};
  Statement insert(connection_,
                   "INSERT INTO audit (sequence, id, time_ms, object_id, json, hash) "
                   "VALUES (?, ?, ?, ?, ?, ?)");
  insert.bind(1, sequence)
      .bind_text(2, id)
      .bind(3, item.time.unix_ms)
      .bind_text(4, item.object_id)
      .bind_text(5, item.json)
      .bind_text(6, mark.hash)
      .run();
  return mark;
}

AuditMark AuditTable::append(const std::vector<AuditItem>& items) {
  const Durable durable(connection_);
  Transaction transaction(connection_);
  auto mark = end();
  for (const auto& item : items) mark = add(mark, item);
  transaction.commit();
  return mark;
}

std::vector<AuditEntry> AuditTable::query(const ports::AuditQuery& query) {
  std::string sql =
      "SELECT sequence, id, time_ms, object_id, json, hash FROM audit WHERE sequence < ?1";
  if (!query.object_id.empty()) sql += " AND object_id = ?2";
  sql += " ORDER BY sequence DESC LIMIT ?3";
  Statement select(connection_, sql.c_str());
  select.bind(1, query.before == 0 ? INT64_MAX : query.before);
  if (!query.object_id.empty()) select.bind_text(2, query.object_id);
  select.bind(3, static_cast<std::int64_t>(std::min(query.limit, kMaxQuery)));
  std::vector<AuditEntry> entries;
  while (select.step()) entries.push_back(entry_in(select));
  return entries;
}

ports::AuditVerdict AuditTable::verify(AuditMark known) {
  // One transaction, so that what is appended meanwhile is not half seen.
  Transaction transaction(connection_);
  ports::AuditChecker checker(begin(), std::move(known));
  Statement select(connection_,
                   "SELECT sequence, id, time_ms, object_id, json, hash FROM audit "
                   "ORDER BY sequence");
  while (select.step()) checker.add(entry_in(select));
  return checker.finish();
}

std::size_t AuditTable::prune(Timestamp oldest, const ports::AuditLog::PruneNote& note) {
  Statement last_old(connection_,
                     "SELECT sequence, hash FROM audit WHERE sequence < "
                     "min((SELECT coalesce(min(sequence), 9223372036854775807) FROM audit "
                     "WHERE time_ms >= ?1), (SELECT max(sequence) FROM audit)) "
                     "ORDER BY sequence DESC LIMIT 1");
  last_old.bind(1, oldest.unix_ms);
  if (!last_old.step()) return 0;
  const AuditMark cut{last_old.integer(0), std::string(last_old.bytes(1))};
  last_old.reset();
  const Durable durable(connection_);
  Transaction transaction(connection_);
  const auto before = begin();
  add(end(), note(cut));
  Statement(connection_, "DELETE FROM audit WHERE sequence <= ?").bind(1, cut.sequence).run();
  Statement(connection_, "UPDATE audit_begin SET sequence = ?, hash = ?")
      .bind(1, cut.sequence)
      .bind_text(2, cut.hash)
      .run();
  transaction.commit();
  return static_cast<std::size_t>(cut.sequence - before.sequence);
}

}  // namespace ruche::drivers::sqlite
