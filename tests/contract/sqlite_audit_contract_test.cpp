#include <sqlite3.h>

#include "base/loop.hpp"
#include "contract/audit_suite.hpp"
#include "contract/temporary_directory.hpp"
#include "drivers/sqlite/history_log.hpp"

namespace ruche::contract {
namespace {

class SqliteAuditHarness {
 public:
  SqliteAuditHarness() { open(); }
  ports::AuditLog& log() { return history_->audit(); }
  template <class T>
  T run(Async<T> work) {
    return run_now(loop_, std::move(work));
  }
  void change(std::int64_t sequence) {
    damage("UPDATE audit SET json = json || ' ' WHERE sequence = " + std::to_string(sequence));
  }
  void drop(std::int64_t sequence) {
    damage("DELETE FROM audit WHERE sequence = " + std::to_string(sequence));
  }
  std::string path() const { return directory_.file("history.db"); }
  void close() { history_.reset(); }
  void open() { history_ = drivers::sqlite::open_history(path(), loop_.executor(), log_); }
  ports::History& history() { return *history_; }
  void damage(const std::string& sql) {
    close();
    ::sqlite3* file = nullptr;
    ASSERT_EQ(::sqlite3_open(path().c_str(), &file), SQLITE_OK);
    EXPECT_EQ(::sqlite3_exec(file, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK);
    ::sqlite3_close(file);
    open();
  }

 private:
  TemporaryDirectory directory_;
  MemoryLog log_;
  Loop loop_;
  std::unique_ptr<ports::History> history_;
};
INSTANTIATE_TYPED_TEST_SUITE_P(Sqlite, AuditContract, SqliteAuditHarness);

ports::AuditItem any_item() {
  ports::AuditItem item;
  item.id.bytes[0] = 1;
  item.json = "{}";
  return item;
}

TEST(SqliteAudit, IsThereAfterANewStart) {
  SqliteAuditHarness harness;
  const auto mark = harness.run(harness.log().append({any_item()}));
  harness.close();
  harness.open();
  EXPECT_EQ(harness.run(harness.log().verify(mark)).problem, "");
  EXPECT_EQ(harness.run(harness.log().append({any_item()})), mark);
}

TEST(SqliteAudit, AHistoryWithoutAuditGainsOne) {
  SqliteAuditHarness harness;
  harness.history().append({"event", "vm1", {1}, {1000}, "{}"});
  EXPECT_EQ(harness.run(harness.history().query({.kind = {}, .object_id = {}})).size(), 1u);
  harness.damage("DROP TABLE audit; DROP TABLE audit_begin; PRAGMA user_version = 1;");
  EXPECT_EQ(harness.run(harness.log().append({any_item()})).sequence, 1);
  EXPECT_EQ(harness.run(harness.history().query({.kind = {}, .object_id = {}})).size(), 1u);
}

}  // namespace
}  // namespace ruche::contract
