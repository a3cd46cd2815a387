#include <filesystem>

#include "base/log.hpp"
#include "base/loop.hpp"
#include "base/stepped_loop.hpp"
#include "contract/state_store_suite.hpp"
#include "contract/temporary_directory.hpp"
#include "drivers/sqlite/sqlite_store.hpp"

namespace ruche::contract {
namespace {

class SqliteHarness : public StoreHarness {
 public:
  ~SqliteHarness() override {
    const auto errors = log_.take_errors();
    EXPECT_TRUE(errors.empty());
  }
  ports::StateStore& store() override { return *store_; }
  Clock& loop_clock() override { return loop_.clock(); }
  void run(Async<void> work) override { loop_.run(std::move(work)); }
  Async<void> pass(Duration time) override {
    clock_.advance(time);
    co_return;
  }
  void restart() override {
    store_.reset();
    open();
  }
  // History goes an hour after the minute in which it was written, with the next commits.
  Async<void> compact(ports::Revision) override {
    for (int i = 0; i < 2; ++i) {
      clock_.advance(std::chrono::minutes(62));
      ports::Commit commit{
          "compact-" + std::to_string(++compactions_), {}, {ports::Put{"tick", "x"}}};
      co_await store_->commit(commit);
    }
  }

 private:
  std::unique_ptr<ports::StateStore> open_store() {
    return run_now(loop_, drivers::sqlite::open_store(directory_.file("state.db"), loop_.executor(),
                                                      clock_, log_));
  }
  void open() { store_ = open_store(); }

  TemporaryDirectory directory_;
  MemoryLog log_;
  ManualClock clock_;
  Loop loop_;
  int compactions_ = 0;
  std::unique_ptr<ports::StateStore> store_ = open_store();
};

}  // namespace

std::unique_ptr<StoreHarness> make_store_harness() { return std::make_unique<SqliteHarness>(); }

}  // namespace ruche::contract
