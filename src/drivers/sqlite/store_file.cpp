#include "drivers/sqlite/store_file.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace ruche::drivers::sqlite {

using ports::Batch;
using ports::Change;
using ports::Commit;
using ports::CommitResult;
using ports::Committed;
using ports::Conflict;
using ports::Delete;
using ports::Entry;
using ports::LeaseId;
using ports::ListPage;
using ports::ListRequest;
using ports::Put;
using ports::Revision;

namespace {

constexpr std::int64_t kApplicationId = 0x52554348;  // "RUCH", shown by file(1)
constexpr std::int64_t kSchemaVersion = 1;
constexpr std::int64_t kMarkEveryMs = 60'000;
constexpr int kForgetAtOnce = 400;  // rows that one commit removes beside its own work
constexpr std::size_t kHistoryRows = 4'000;
constexpr std::size_t kHistoryBytes = 4 << 20;

// The log's row id is revision << 20 | ordinal, so that its own order is the order of history.
constexpr int kOrdinalBits = 20;
std::int64_t first_row(Revision revision) { return revision.number << kOrdinalBits; }
Revision revision_of(std::int64_t row) { return {row >> kOrdinalBits}; }

// Every row of the log says what the key was before: walking back from now gives any retained
// snapshot, and forgetting history is removing rows from its start.
// A mark says that everything up to its revision (and commit row) had happened by its time.
constexpr const char* kSchema = R"sql(
CREATE TABLE meta (name TEXT PRIMARY KEY, value ANY NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE current (key BLOB NOT NULL UNIQUE, value BLOB NOT NULL, revision INTEGER NOT NULL,
                      lease INTEGER NOT NULL) STRICT;
CREATE INDEX current_by_lease ON current (lease, key) WHERE lease <> 0;
CREATE TABLE log (id INTEGER PRIMARY KEY, key BLOB NOT NULL, value BLOB, lease INTEGER NOT NULL,
                  old_value BLOB, old_revision INTEGER NOT NULL,
                  old_lease INTEGER NOT NULL) STRICT;
CREATE INDEX log_by_key ON log (key, id);
CREATE TABLE commits (id INTEGER PRIMARY KEY, nonce BLOB NOT NULL UNIQUE,
                      revision INTEGER NOT NULL) STRICT;
CREATE TABLE leases (id INTEGER PRIMARY KEY AUTOINCREMENT, ttl_ms INTEGER NOT NULL) STRICT;
CREATE TABLE marks (at INTEGER PRIMARY KEY, revision INTEGER NOT NULL,
                    commit_id INTEGER NOT NULL) STRICT;
)sql";

// Greater than every key, for ranges without an end.
const std::string& beyond_all_keys() {
  static const std::string key(ports::kMaxKeyBytes + 1, '\xff');
  return key;
}

}  // namespace

struct StoreFile::Prepared {
  explicit Prepared(Connection& c)
      : get(c, "SELECT value, revision, lease FROM current WHERE key = ?"),
        put(c,
            "INSERT INTO current (key, value, revision, lease) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (key) DO UPDATE SET value = excluded.value, "
            "revision = excluded.revision, lease = excluded.lease"),
        erase(c, "DELETE FROM current WHERE key = ?"),
        log(c, "INSERT INTO log VALUES (?, ?, ?, ?, ?, ?, ?)"),
        settled(c, "SELECT revision FROM commits WHERE nonce = ?"),
        note_commit(c, "INSERT INTO commits (nonce, revision) VALUES (?, ?)"),
        list_current(c,
                     "SELECT key, value, revision, lease FROM current "
                     "WHERE key >= ? AND key < ? AND revision <= ? ORDER BY key"),
        list_past(c,
                  "SELECT key, old_value, old_revision, old_lease, MIN(id) FROM log "
                  "WHERE key >= ? AND key < ? AND id >= ? GROUP BY key "
                  "HAVING old_revision > 0 ORDER BY key"),
        history(c, "SELECT id, key, value, lease FROM log WHERE id >= ? ORDER BY id"),
        has_lease(c, "SELECT 1 FROM leases WHERE id = ?"),
        grant(c, "INSERT INTO leases (ttl_ms) VALUES (?) RETURNING id"),
        end_lease(c, "DELETE FROM leases WHERE id = ?"),
        leased_keys(c, "SELECT key FROM current WHERE lease = ? ORDER BY key"),
        mark(c,
             "INSERT OR REPLACE INTO marks VALUES (?, ?, "
             "(SELECT COALESCE(MAX(id), 0) FROM commits))"),
        old_mark(c,
                 "SELECT at, revision, commit_id FROM marks WHERE at <= ? "
                 "ORDER BY at DESC LIMIT 1"),
        drop_marks(c, "DELETE FROM marks WHERE at <= ?"),
        set_meta(c, "INSERT OR REPLACE INTO meta VALUES (?, ?)"),
        drop_log(c,
                 "DELETE FROM log WHERE id IN "
                 "(SELECT id FROM log WHERE id < ? ORDER BY id LIMIT ?)"),
        drop_commits(c,
                     "DELETE FROM commits WHERE id IN (SELECT id FROM commits WHERE id <= "
                     "(SELECT value FROM meta WHERE name = 'forgotten_commits') "
                        // The newest stays, so that ids go on growing.
                     "AND id < (SELECT MAX(id) FROM commits) ORDER BY id LIMIT ?)") {}

  Statement get, put, erase, log, settled, note_commit, list_current, list_past, history, has_lease,
      grant, end_lease, leased_keys, mark, old_mark, drop_marks, set_meta, drop_log, drop_commits;
};

// What one transaction is about to do; becomes the file's state only when it has committed.
struct StoreFile::Progress {
  std::int64_t time = 0;  // of the store
  Batch batch;
  Revision compacted;
  std::int64_t last_mark = 0;
};

StoreFile::StoreFile(std::string path, CommitHook hook)
    : path_(std::move(path)), hook_(std::move(hook)) {}
StoreFile::~StoreFile() = default;

// A failing disk leaves the connection in doubt, so it is closed; the next call opens it again and
// recovers what the file really holds.
template <class F>
auto StoreFile::guarded(F work) {
  try {
    ensure_open();
    return work();
  } catch (const SqliteError& error) {
    if (error.is_io()) {
      prepared_.reset();
      connection_.reset();
    }
    throw;
  }
}

template <class F>
auto StoreFile::transact(F work) {
  return guarded([&] {
    Transaction transaction(*connection_);
    auto result = work();
    try {
      transaction.commit();
    } catch (const SqliteError& error) {
      if (!error.is_io()) throw;
      // The last write or the flush failed: the commit may be in the file or not.
      prepared_.reset();
      connection_->rollback();
      throw SqliteError(Error(Reason::store_outcome_unknown, "the disk failed during a commit")
                            .remedy("send the same commit again, with the same nonce")
                            .caused_by(error),
                        error.code());
    }
    return result;
  });
}

void StoreFile::ensure_open() {
  if (connection_ && prepared_) return;
  prepared_.reset();
  connection_.reset();
  connect(Connection::Open::existing);
  check_schema();
  const Revision before = revision_;
  read_positions();
  if (revision_ < before) {
    revision_ = before;
    throw Error(Reason::store_unavailable, path_ + " has lost commits that were acknowledged")
        .remedy("the disk or the file was exchanged; restore it and start ruched again");
  }
  prepared_ = std::make_unique<Prepared>(*connection_);
  // A commit whose outcome was unknown may have happened; now it is visible.
  Revision next{before.number + 1};
  while (next <= revision_) {
    History found = read_history("", next);
    for (auto& batch : found.batches) fresh_.push_back(std::move(batch));
    next = found.next;
  }
}

void StoreFile::open(Instant now, const std::string& new_store_id) {
  opened_at_ = now;
  connect(Connection::Open::create);
  create_schema(new_store_id);
  check_schema();
  read_positions();
  prepared_ = std::make_unique<Prepared>(*connection_);
}

// Exclusive locking keeps a second daemon out, and needs no shared memory beside the file.
void StoreFile::connect(Connection::Open open) {
  connection_ = std::make_unique<Connection>(path_, open);
  connection_->execute(
      "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; "
      "PRAGMA cell_size_check = ON; PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY; "
      "PRAGMA journal_size_limit = 67108864; PRAGMA cache_size = -8192;");
}

// Only an empty file becomes a store.
void StoreFile::create_schema(const std::string& new_store_id) {
  Transaction transaction(*connection_);
  if (connection_->integer("PRAGMA application_id") != 0 ||
      connection_->integer("SELECT COUNT(*) FROM sqlite_schema") != 0) {
    return;
  }
  connection_->execute(kSchema);
  {
    Statement set(*connection_, "INSERT INTO meta VALUES (?, ?)");
    set.bind_text(1, "store_id").bind_text(2, new_store_id).run();
    set.bind_text(1, "compacted").bind(2, std::int64_t{0}).run();
    set.bind_text(1, "forgotten_commits").bind(2, std::int64_t{0}).run();
  }
  connection_->execute(fmt::format("PRAGMA application_id = {}; PRAGMA user_version = {};",
                                   kApplicationId, kSchemaVersion)
                           .c_str());
  transaction.commit();
}

void StoreFile::check_schema() {
  if (connection_->integer("PRAGMA application_id") != kApplicationId) {
    throw Error(Reason::store_unavailable, path_ + " is not a state file of Ruche")
        .remedy("move it away, or use another --data-dir");
  }
  if (const auto version = connection_->integer("PRAGMA user_version"); version != kSchemaVersion) {
    throw Error(Reason::store_unavailable, fmt::format("{} has layout {}, and this ruched knows {}",
                                                       path_, version, kSchemaVersion))
        .remedy("use the newer ruched that wrote it");
  }
}

void StoreFile::read_positions() {
  Statement id(*connection_, "SELECT CAST(value AS BLOB) FROM meta WHERE name = 'store_id'");
  if (!id.step()) {
    throw Error(Reason::store_unavailable, path_ + " has no store id")
        .remedy("the file is damaged; restore a backup");
  }
  store_id_ = std::string(id.bytes(0));
  id.reset();
  compacted_ = {connection_->integer("SELECT value FROM meta WHERE name = 'compacted'")};
  revision_ = revision_of(connection_->integer("SELECT MAX(id) FROM log"));
  if (revision_ < compacted_) {
    throw Error(Reason::store_unavailable, path_ + " has lost the end of its history")
        .remedy("the file is damaged; restore a backup");
  }
  // Time that passed while the file was closed does not count: history is kept longer, not shorter.
  if (time_base_ == 0) time_base_ = connection_->integer("SELECT MAX(at) FROM marks");
  last_mark_ = connection_->integer("SELECT MAX(at) FROM marks");
}

std::vector<StoredLease> StoreFile::leases() {
  return guarded([this] {
    std::vector<StoredLease> result;
    Statement all(*connection_, "SELECT id, ttl_ms FROM leases ORDER BY id");
    while (all.step()) result.push_back({{all.integer(0)}, Duration(all.integer(1))});
    return result;
  });
}

CommitResult StoreFile::commit(const Commit& commit, Instant now) {
  const std::uint64_t number = ++commits_;
  if (hook_) hook_(number, false);
  Progress progress;
  progress.time = time_base_ + std::chrono::duration_cast<Duration>(now - opened_at_).count();
  auto result = transact([&] {
    progress.batch.revision = {revision_.number + 1};
    progress.compacted = compacted_;
    progress.last_mark = last_mark_;
    return apply(commit, progress);
  });
  finish(progress);
  if (hook_) hook_(number, true);
  return result;
}

CommitResult StoreFile::apply(const Commit& commit, Progress& progress) {
  auto& sql = *prepared_;
  if (sql.settled.bind(1, commit.nonce).step()) {
    const Revision before{sql.settled.integer(0)};
    sql.settled.reset();
    return Committed{before};
  }
  for (const auto& compare : commit.compares) {
    Revision actual;
    if (sql.get.bind(1, compare.key).step()) actual = {sql.get.integer(1)};
    sql.get.reset();
    if (actual != compare.revision) return Conflict{compare.key};
  }
  for (const auto& write : commit.writes) {
    const auto* put = std::get_if<Put>(&write);
    if (put == nullptr || put->lease == LeaseId{}) continue;
    const bool lives = sql.has_lease.bind(1, put->lease.number).step();
    sql.has_lease.reset();
    if (!lives) {
      throw Error(Reason::no_such_object, fmt::format("lease {} has ended", put->lease.number));
    }
  }
  std::vector<const ports::Write*> ordered;
  for (const auto& each : commit.writes) ordered.push_back(&each);
  std::ranges::sort(ordered, {},
                    [](const ports::Write* w) -> const std::string& { return ports::key_of(*w); });
  for (const auto* each : ordered) write(progress, ports::key_of(*each), std::get_if<Put>(each));

  const bool changed = !progress.batch.changes.empty();
  const Revision revision = changed ? progress.batch.revision : revision_;
  sql.note_commit.bind(1, commit.nonce).bind(2, revision.number).run();
  if (changed) forget_old(progress);
  return Committed{revision};
}

// A null put deletes. Writes arrive in the order of their keys.
void StoreFile::write(Progress& progress, const std::string& key, const Put* put) {
  auto& sql = *prepared_;
  const bool exists = sql.get.bind(1, key).step();
  if (!exists && put == nullptr) return;
  Batch& batch = progress.batch;
  const auto ordinal = static_cast<std::int64_t>(batch.changes.size());
  if (ordinal >= (std::int64_t{1} << kOrdinalBits)) {
    throw Error(Reason::store_unavailable, "a lease holds more keys than one revision can change");
  }
  sql.log.bind(1, first_row(batch.revision) | ordinal).bind(2, key);
  if (put != nullptr) {
    sql.log.bind(3, put->value).bind(4, put->lease.number);
    batch.changes.push_back(Change{key, put->value, put->lease});
  } else {
    sql.log.bind_null(3).bind(4, std::int64_t{0});
    batch.changes.push_back(Change{key, std::nullopt, {}});
  }
  if (exists) {
    sql.log.bind(5, sql.get.bytes(0)).bind(6, sql.get.integer(1)).bind(7, sql.get.integer(2));
  } else {
    sql.log.bind_null(5).bind(6, std::int64_t{0}).bind(7, std::int64_t{0});
  }
  sql.log.run();
  sql.get.reset();
  if (put != nullptr) {
    sql.put.bind(1, key)
        .bind(2, put->value)
        .bind(3, batch.revision.number)
        .bind(4, put->lease.number)
        .run();
  } else {
    sql.erase.bind(1, key).run();
  }
}

// Rides on a commit that changes something: once a minute a mark, and then a few rows of what is
// older than the retention, so that no commit waits long and none is made only for this.
void StoreFile::forget_old(Progress& progress) {
  auto& sql = *prepared_;
  if (progress.last_mark == 0 || progress.time - progress.last_mark >= kMarkEveryMs) {
    // Store time 0 would read as "no mark".
    progress.last_mark = std::max<std::int64_t>(progress.time, 1);
    sql.mark.bind(1, progress.last_mark).bind(2, progress.batch.revision.number).run();
  }
  if (sql.old_mark.bind(1, progress.time - ports::kHistoryRetention.count()).step()) {
    const auto at = sql.old_mark.integer(0);
    const Revision old{sql.old_mark.integer(1)};
    const auto commit_id = sql.old_mark.integer(2);
    sql.old_mark.reset();
    progress.compacted = std::max(progress.compacted, old);
    sql.drop_marks.bind(1, at).run();
    sql.set_meta.bind_text(1, "compacted").bind(2, progress.compacted.number).run();
    sql.set_meta.bind_text(1, "forgotten_commits").bind(2, commit_id).run();
  }
  if (progress.compacted.number > 0) {
    const Revision oldest{progress.compacted.number + 1};
    sql.drop_log.bind(1, first_row(oldest)).bind(2, std::int64_t{kForgetAtOnce}).run();
    sql.drop_commits.bind(1, std::int64_t{kForgetAtOnce}).run();
  }
}

// The transaction has committed (or changed nothing).
void StoreFile::finish(Progress& progress) {
  if (progress.batch.changes.empty()) return;
  revision_ = progress.batch.revision;
  compacted_ = progress.compacted;
  last_mark_ = progress.last_mark;
  fresh_.push_back(std::move(progress.batch));
}

std::optional<Revision> StoreFile::settled(const std::string& nonce) {
  return guarded([&]() -> std::optional<Revision> {
    auto& sql = prepared_->settled;
    if (!sql.bind(1, nonce).step()) return std::nullopt;
    const Revision revision{sql.integer(0)};
    sql.reset();
    return revision;
  });
}

std::optional<Entry> StoreFile::get(const std::string& key) {
  return guarded([&]() -> std::optional<Entry> {
    auto& sql = prepared_->get;
    if (!sql.bind(1, key).step()) return std::nullopt;
    Entry entry{key, std::string(sql.bytes(0)), {sql.integer(1)}, {sql.integer(2)}};
    sql.reset();
    return entry;
  });
}

// A snapshot is what has not changed since, merged by key with what the changes since then
// replaced.
ListPage StoreFile::list(const ListRequest& request) {
  return guarded([&] {
    const Revision at = request.at == Revision{} ? revision_ : request.at;
    if (at > revision_) {
      throw Error(Reason::bad_request, fmt::format("revision {} is in the future", at.number));
    }
    if (at < compacted_) {
      throw Error(Reason::history_compacted, fmt::format("revision {} is gone", at.number))
          .remedy("list again from the start");
    }
    const std::string start =
        request.after < request.prefix ? request.prefix : request.after + '\0';
    std::string end = ports::prefix_end(request.prefix);
    if (end.empty()) end = beyond_all_keys();

    auto& unchanged = prepared_->list_current;
    auto& replaced = prepared_->list_past;
    unchanged.bind(1, start).bind(2, end).bind(3, at.number);
    replaced.bind(1, start).bind(2, end).bind(3, first_row({at.number + 1}));
    bool has_unchanged = unchanged.step();
    bool has_replaced = at < revision_ && replaced.step();
    ListPage page{{}, at, false};
    std::size_t bytes = 0;
    while (has_unchanged || has_replaced) {
      if (page.entries.size() == request.limit || bytes >= ports::kMaxPageBytes) {
        page.more = true;
        break;
      }
      const bool first = has_unchanged && (!has_replaced || unchanged.bytes(0) < replaced.bytes(0));
      auto& row = first ? unchanged : replaced;
      bytes += row.bytes(1).size();
      page.entries.push_back(Entry{std::string(row.bytes(0)),
                                   std::string(row.bytes(1)),
                                   {row.integer(2)},
                                   {row.integer(3)}});
      (first ? has_unchanged : has_replaced) = row.step();
    }
    unchanged.reset();
    replaced.reset();
    return page;
  });
}

LeaseId StoreFile::grant(Duration ttl) {
  return transact([&] {
    auto& sql = prepared_->grant;
    sql.bind(1, std::int64_t{ttl.count()}).step();
    const LeaseId id{sql.integer(0)};
    sql.run();
    return id;
  });
}

void StoreFile::end_lease(LeaseId lease, Instant now) {
  Progress progress;
  progress.time = time_base_ + std::chrono::duration_cast<Duration>(now - opened_at_).count();
  transact([&] {
    progress.batch.revision = {revision_.number + 1};
    progress.compacted = compacted_;
    progress.last_mark = last_mark_;
    auto& sql = *prepared_;
    sql.end_lease.bind(1, lease.number).run();
    std::vector<std::string> keys;
    sql.leased_keys.bind(1, lease.number);
    while (sql.leased_keys.step()) keys.emplace_back(sql.leased_keys.bytes(0));
    for (const auto& key : keys) write(progress, key, nullptr);
    if (!progress.batch.changes.empty()) forget_old(progress);
    return true;
  });
  finish(progress);
}

StoreFile::History StoreFile::history(const std::string& prefix, Revision from) {
  return guarded([&] { return read_history(prefix, from); });
}

StoreFile::History StoreFile::read_history(const std::string& prefix, Revision from) {
  History result{{}, from};
  auto& sql = prepared_->history;
  sql.bind(1, first_row(from));
  std::size_t rows = 0;
  std::size_t bytes = 0;
  while (sql.step()) {
    const Revision revision = revision_of(sql.integer(0));
    // A batch is never split: the next revision waits for the next call.
    if (revision >= result.next && (rows >= kHistoryRows || bytes >= kHistoryBytes)) break;
    result.next = {revision.number + 1};
    ++rows;
    const std::string_view key = sql.bytes(1);
    if (!key.starts_with(prefix)) continue;
    if (result.batches.empty() || result.batches.back().revision != revision) {
      result.batches.push_back(Batch{revision, {}});
    }
    Change change{std::string(key), std::nullopt, {sql.integer(3)}};
    if (!sql.is_null(2)) change.value = std::string(sql.bytes(2));
    bytes += change.key.size() + (change.value ? change.value->size() : 0);
    result.batches.back().changes.push_back(std::move(change));
  }
  sql.reset();
  return result;
}

}  // namespace ruche::drivers::sqlite
