#include "drivers/sqlite/connection.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace ruche::drivers::sqlite {

namespace {

Error describe(const std::string& path, int code, int system_error, const std::string& detail) {
  const auto unavailable = [&](const std::string& what, std::string remedy) {
    return Error(Reason::store_unavailable, fmt::format("{} ({}): {}", what, path, detail))
        .remedy(std::move(remedy));
  };
  switch (code) {
    case SQLITE_FULL:
      return unavailable("the file system of the state is full",
                         "free some space there; nothing was changed");
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return unavailable("the state file is damaged",
                         "stop ruched, keep a copy of the file and its -wal, and restore a backup; "
                         "running guests are not affected");
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return unavailable("another process uses the state file",
                         "end the other ruched of this data directory, or use another --data-dir");
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_READONLY:
      return unavailable(fmt::format("the state file cannot be opened for writing: {}",
                                     std::strerror(system_error)),
                         "check that its directory exists and belongs to ruched's user");
    case SQLITE_IOERR:
      return unavailable(
          fmt::format("the disk of the state failed: {}", std::strerror(system_error)),
          "look at the kernel's log (dmesg) for this disk");
    default:
      return unavailable("the state file could not be used", "report this; it is a defect");
  }
}

// SQLite would create the file readable by everyone. The lock that it takes later must not exist
// yet, because closing any descriptor of a file drops the process's locks on it (fcntl(2)).
void create_private(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file < 0) {
    if (errno == EEXIST) return;
    throw SqliteError(describe(path, SQLITE_CANTOPEN, errno, "open"), SQLITE_CANTOPEN);
  }
  ::close(file);
  const auto slash = path.rfind('/');
  const std::string directory = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const int parent = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (parent < 0) return;
  ::fsync(parent);
  ::close(parent);
}

}  // namespace

bool SqliteError::is_io() const { return code_ == SQLITE_IOERR; }

Connection::Connection(std::string path, Open open) : path_(std::move(path)) {
  if (open == Open::create) create_private(path_);
  const int code = sqlite3_open_v2(path_.c_str(), &handle_,
                                   SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr);
  if (code != SQLITE_OK) {
    const auto error = describe(path_, code & 0xff, sqlite3_system_errno(handle_), "open");
    sqlite3_close(handle_);
    throw SqliteError(error, code & 0xff);
  }
  // A daemon that is just being replaced may hold its lock for a moment.
  sqlite3_busy_timeout(handle_, 2'000);
}

Connection::~Connection() { sqlite3_close(handle_); }

void Connection::fail(int code) const {
  const int primary = code & 0xff;
  const auto* detail = sqlite3_errmsg(handle_);
  throw SqliteError(describe(path_, primary, sqlite3_system_errno(handle_), detail), primary);
}

void Connection::execute(const char* sql) {
  const int code = sqlite3_exec(handle_, sql, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) fail(code);
}

std::int64_t Connection::integer(const char* sql) {
  Statement statement(*this, sql);
  const std::int64_t result = statement.step() ? statement.integer(0) : 0;
  statement.reset();
  return result;
}

bool Connection::in_transaction() const { return sqlite3_get_autocommit(handle_) == 0; }

void Connection::rollback() noexcept {
  // SQLite has rolled back by itself after most failures, and a rollback that fails leaves the
  // transaction to the recovery at the next open.
  if (in_transaction()) sqlite3_exec(handle_, "ROLLBACK", nullptr, nullptr, nullptr);
}

Statement::Statement(Connection& connection, const char* sql) : connection_(connection) {
  check(sqlite3_prepare_v3(connection.handle(), sql, -1, SQLITE_PREPARE_PERSISTENT, &statement_,
                           nullptr));
}
Statement::~Statement() { sqlite3_finalize(statement_); }

void Statement::check(int code) {
  if (code != SQLITE_OK) connection_.fail(code);
}

// A statement that an exception left in the middle is still stepping.
void Statement::make_bindable() {
  if (sqlite3_stmt_busy(statement_) != 0) sqlite3_reset(statement_);
}

Statement& Statement::bind(int index, std::int64_t value) {
  make_bindable();
  check(sqlite3_bind_int64(statement_, index, value));
  return *this;
}
Statement& Statement::bind(int index, std::string_view bytes) {
  make_bindable();
  // A null pointer would bind NULL instead of no bytes.
  const char* data = bytes.data() == nullptr ? "" : bytes.data();
  check(sqlite3_bind_blob64(statement_, index, data, bytes.size(), SQLITE_STATIC));
  return *this;
}
Statement& Statement::bind_text(int index, std::string_view text) {
  make_bindable();
  const char* data = text.data() == nullptr ? "" : text.data();
  check(sqlite3_bind_text64(statement_, index, data, text.size(), SQLITE_STATIC, SQLITE_UTF8));
  return *this;
}
Statement& Statement::bind_null(int index) {
  make_bindable();
  check(sqlite3_bind_null(statement_, index));
  return *this;
}

bool Statement::step() {
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  sqlite3_reset(statement_);
  if (code != SQLITE_DONE) connection_.fail(code);
  return false;
}
void Statement::run() {
  while (step()) continue;
}
void Statement::reset() { sqlite3_reset(statement_); }

std::int64_t Statement::integer(int column) const {
  return sqlite3_column_int64(statement_, column);
}
std::string_view Statement::bytes(int column) const {
  const void* data = sqlite3_column_blob(statement_, column);
  const int size = sqlite3_column_bytes(statement_, column);
  return {static_cast<const char*>(data), static_cast<std::size_t>(size)};
}
bool Statement::is_null(int column) const {
  return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

Transaction::Transaction(Connection& connection) : connection_(connection) {
  connection_.execute("BEGIN IMMEDIATE");
}
Transaction::~Transaction() { connection_.rollback(); }
void Transaction::commit() { connection_.execute("COMMIT"); }

}  // namespace ruche::drivers::sqlite
