// SQLite's C interface as two owners: a connection and its prepared statements. Used by one thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.hpp"

struct sqlite3;
struct sqlite3_stmt;

namespace ruche::drivers::sqlite {

// A failure of SQLite, already an Error (store_unavailable) that says what to do.
class SqliteError : public Error {
 public:
  SqliteError(Error error, int code) : Error(std::move(error)), code_(code) {}
  // The operating system failed to read, write or flush. What the file holds is only certain after
  // it was opened again. A full disk is not one of these: then nothing was written.
  bool is_io() const;
  int code() const { return code_; }

 private:
  int code_;  // primary result code, sqlite3.h
};

class Connection {
 public:
  enum class Open { existing, create };  // created files are readable by their owner only
  Connection(std::string path, Open open);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void execute(const char* sql);  // any number of statements
  std::int64_t integer(const char* sql);  // the first column of the first row; 0 without one
  bool in_transaction() const;
  void rollback() noexcept;
  [[noreturn]] void fail(int code) const;
  sqlite3* handle() const { return handle_; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  sqlite3* handle_ = nullptr;
};

// A prepared statement. Bind, then step until false; it resets itself then, and when it is bound
// again. A reader that stops early should call reset(). Bound bytes must live until the reset.
class Statement {
 public:
  Statement(Connection& connection, const char* sql);
  ~Statement();
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  Statement& bind(int index, std::int64_t value);
  Statement& bind(int index, std::string_view bytes);
  Statement& bind_text(int index, std::string_view text);
  Statement& bind_null(int index);
  bool step();  // true: a row is there
  void run();  // steps to the end
  void reset();

  std::int64_t integer(int column) const;
  std::string_view bytes(int column) const;  // valid until the next step or reset
  bool is_null(int column) const;

 private:
  void check(int code);
  void make_bindable();
  Connection& connection_;
  sqlite3_stmt* statement_ = nullptr;
};

// One write transaction: rolled back unless it was committed.
class Transaction {
 public:
  explicit Transaction(Connection& connection);
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  void commit();

 private:
  Connection& connection_;
};

}  // namespace ruche::drivers::sqlite
