#include "drivers/sqlite/history_log.hpp"

#include <fmt/format.h>

#include "drivers/sqlite/audit_table.hpp"
#include "drivers/sqlite/connection.hpp"

namespace ruche::drivers::sqlite {

using ports::History;
using ports::HistoryEntry;
using ports::HistoryLimits;
using ports::HistoryQuery;
using ports::HistoryRecord;

namespace {

constexpr std::int64_t kApplicationId = 0x52554848;  // "RUHH"
constexpr std::int64_t kSchemaVersion = 2;  // 1 had no audit
constexpr std::size_t kMaxPending = 10'000;  // records that wait for the thread; more are dropped
constexpr std::size_t kMaxQuery = 1'000;

constexpr const char* kSchema = R"sql(
CREATE TABLE history (sequence INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL,
                      object_id TEXT NOT NULL, revision INTEGER NOT NULL, time_ms INTEGER NOT NULL,
                      json TEXT NOT NULL) STRICT;
CREATE UNIQUE INDEX history_once ON history (kind, object_id, revision) WHERE revision > 0;
CREATE INDEX history_by_object ON history (object_id, sequence);
CREATE INDEX history_by_kind ON history (kind, sequence);
CREATE INDEX history_by_time ON history (time_ms);
)sql";

// The thread's side.
class HistoryFile {
 public:
  explicit HistoryFile(std::string path) : path_(std::move(path)) {}

  void append(const std::vector<HistoryRecord>& records) {
    guarded([&] {
      Transaction transaction(*connection_);
      Statement insert(*connection_,
                       "INSERT OR IGNORE INTO history (kind, object_id, revision, time_ms, json) "
                       "VALUES (?, ?, ?, ?, ?)");
      for (const auto& record : records) {
        insert.bind_text(1, record.kind)
            .bind_text(2, record.object_id)
            .bind(3, record.revision.number)
            .bind(4, record.time.unix_ms)
            .bind_text(5, record.json)
            .run();
      }
      transaction.commit();
      return 0;
    });
  }

  std::vector<HistoryEntry> query(const HistoryQuery& query) {
    return guarded([&] {
      std::string sql =
          "SELECT sequence, kind, object_id, revision, time_ms, json FROM history "
          "WHERE sequence ";
      sql += query.newest_first ? "< ?1" : "> ?1";
      if (!query.kind.empty()) sql += " AND kind = ?2";
      if (!query.object_id.empty()) sql += " AND object_id = ?3";
      sql += query.newest_first ? " ORDER BY sequence DESC" : " ORDER BY sequence";
      sql += " LIMIT ?4";
      Statement select(*connection_, sql.c_str());
      const bool from_newest = query.newest_first && query.after == 0;
      select.bind(1, from_newest ? INT64_MAX : query.after);
      if (!query.kind.empty()) select.bind_text(2, query.kind);
      if (!query.object_id.empty()) select.bind_text(3, query.object_id);
      select.bind(4, static_cast<std::int64_t>(std::min(query.limit, kMaxQuery)));
      std::vector<HistoryEntry> entries;
      while (select.step()) {
        entries.push_back({select.integer(0),
                           {std::string(select.bytes(1)),
                            std::string(select.bytes(2)),
                            {select.integer(3)},
                            {select.integer(4)},
                            std::string(select.bytes(5))}});
      }
      return entries;
    });
  }

  std::size_t prune(const HistoryLimits& limits) {
    return guarded([&] {
      Transaction transaction(*connection_);
      const auto before = connection_->integer("SELECT COUNT(*) FROM history");
      Statement old(*connection_, "DELETE FROM history WHERE time_ms < ?");
      old.bind(1, limits.oldest.unix_ms).run();
      Statement many(*connection_,
                     "DELETE FROM history WHERE sequence <= "
                     "(SELECT sequence FROM history ORDER BY sequence DESC LIMIT 1 OFFSET ?)");
      many.bind(1, static_cast<std::int64_t>(limits.entries)).run();
      const auto after = connection_->integer("SELECT COUNT(*) FROM history");
      transaction.commit();
      return static_cast<std::size_t>(before - after);
    });
  }

  // Work on the audit's tables: the same file, the same thread.
  template <class F>
  auto audit(F work) -> std::invoke_result_t<F, AuditTable&> {
    return guarded([&] {
      AuditTable table(*connection_);
      return work(table);
    });
  }

 private:
  template <class F>
  auto guarded(F work) -> std::invoke_result_t<F> {
    try {
      open();
      return work();
    } catch (const SqliteError& error) {
      connection_.reset();
      throw Error(Reason::io_failed, "the history could not be read or written").caused_by(error);
    }
  }

  void open() {
    if (connection_) return;
    auto connection = std::make_unique<Connection>(path_, Connection::Open::create);
    connection->execute(
        "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; "
        "PRAGMA cell_size_check = ON; PRAGMA trusted_schema = OFF; "
        "PRAGMA journal_size_limit = 16777216; PRAGMA cache_size = -2048;");
    if (connection->integer("SELECT COUNT(*) FROM sqlite_schema") == 0) {
      Transaction transaction(*connection);
      connection->execute(kSchema);
      connection->execute(AuditTable::schema());
      connection->execute(fmt::format("PRAGMA application_id = {}; PRAGMA user_version = {};",
                                      kApplicationId, kSchemaVersion)
                              .c_str());
      transaction.commit();
    }
    if (connection->integer("PRAGMA application_id") == kApplicationId &&
        connection->integer("PRAGMA user_version") == 1) {
      Transaction transaction(*connection);
      connection->execute(AuditTable::schema());
      connection->execute("PRAGMA user_version = 2;");
      transaction.commit();
    }
    if (connection->integer("PRAGMA application_id") != kApplicationId ||
        connection->integer("PRAGMA user_version") != kSchemaVersion) {
      throw Error(Reason::io_failed, path_ + " is not a history of this version")
          .remedy("move it away; a new one is made");
    }
    connection_ = std::move(connection);
  }

  std::string path_;
  std::unique_ptr<Connection> connection_;
};

class HistoryLog : public History,
                   public ports::AuditLog,
                   public std::enable_shared_from_this<HistoryLog> {
 public:
  HistoryLog(std::string path, Executor executor, Log& log)
      : executor_(std::move(executor)), log_(log), file_(std::move(path)), lane_("history") {}

  void append(HistoryRecord record) override {
    if (pending_.size() >= kMaxPending) {
      ++dropped_;
      return;
    }
    pending_.push_back(std::move(record));
    if (!writing_) write_pending();
  }

  Async<std::vector<HistoryEntry>> query(HistoryQuery query) override {
    write_pending();
    co_return co_await lane_.run([this, query = std::move(query)] { return file_.query(query); });
  }

  Async<std::size_t> prune(HistoryLimits limits) override {
    write_pending();
    co_return co_await lane_.run([this, limits] { return file_.prune(limits); });
  }

  AuditLog& audit() override { return *this; }
  Async<ports::AuditMark> append(std::vector<ports::AuditItem> items) override {
    co_return co_await lane_.run([this, items = std::move(items)] {
      return file_.audit([&](AuditTable& table) { return table.append(items); });
    });
  }
  Async<std::vector<ports::AuditEntry>> query(ports::AuditQuery query) override {
    co_return co_await lane_.run([this, query = std::move(query)] {
      return file_.audit([&](AuditTable& table) { return table.query(query); });
    });
  }
  Async<ports::AuditVerdict> verify(ports::AuditMark known) override {
    co_return co_await lane_.run([this, known = std::move(known)] {
      return file_.audit([&](AuditTable& table) { return table.verify(known); });
    });
  }
  Async<std::size_t> prune(Timestamp oldest, PruneNote note) override {
    co_return co_await lane_.run([this, oldest, note = std::move(note)] {
      return file_.audit([&](AuditTable& table) { return table.prune(oldest, note); });
    });
  }

  // The last chance of what is gathered; the lane's end waits for it.
  void close() { write_pending(); }

 private:
  void write_pending() {
    if (pending_.empty()) return;
    writing_ = true;
    auto records = std::make_shared<std::vector<HistoryRecord>>(std::exchange(pending_, {}));
    auto failure = std::make_shared<std::string>();
    lane_.post(
        [this, records, failure] {
          try {
            file_.append(*records);
          } catch (const Error& error) {
            *failure = error.full_message();
          }
        },
        executor_,
        [weak = weak_from_this(), records, failure] {
          if (const auto self = weak.lock()) self->written(records->size(), *failure);
        });
  }

  void written(std::size_t count, const std::string& failure) {
    writing_ = false;
    const std::size_t lost = std::exchange(dropped_, 0) + (failure.empty() ? 0 : count);
    if (lost > 0) {
      log_.warning("sqlite", "history was lost",
                   {{"records", std::to_string(lost)}, {"cause", failure}});
    }
    write_pending();
  }

  Executor executor_;
  Log& log_;
  std::vector<HistoryRecord> pending_;
  bool writing_ = false;
  std::size_t dropped_ = 0;
  HistoryFile file_;  // the lane's thread only
  Lane lane_;  // the last: its end finishes what is queued
};

// The owner's handle: answers of the lane may outlive it by a moment, HistoryLog takes care of
// that.
class HistoryHandle : public History {
 public:
  explicit HistoryHandle(std::shared_ptr<HistoryLog> log) : log_(std::move(log)) {}
  ~HistoryHandle() override { log_->close(); }
  void append(HistoryRecord record) override { log_->append(std::move(record)); }
  Async<std::vector<HistoryEntry>> query(HistoryQuery query) override {
    co_return co_await log_->query(std::move(query));
  }
  Async<std::size_t> prune(HistoryLimits limits) override {
    co_return co_await log_->prune(limits);
  }
  ports::AuditLog& audit() override { return log_->audit(); }

 private:
  std::shared_ptr<HistoryLog> log_;
};

}  // namespace

std::unique_ptr<History> open_history(std::string path, Executor executor, Log& log) {
  return std::make_unique<HistoryHandle>(
      std::make_shared<HistoryLog>(std::move(path), std::move(executor), log));
}

}  // namespace ruche::drivers::sqlite
