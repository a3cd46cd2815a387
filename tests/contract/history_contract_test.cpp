#include <gmock/gmock.h>

#include <fstream>

#include "base/loop.hpp"
#include "contract/temporary_directory.hpp"
#include "drivers/sqlite/history_log.hpp"

namespace ruche::contract {
namespace {

using namespace ports;  // NOLINT: the test speaks of nothing else
using testing::ElementsAre;

class HistoryContract : public testing::Test {
 protected:
  std::unique_ptr<History> open() {
    return drivers::sqlite::open_history(directory_.file("history.db"), loop_.executor(), log_);
  }
  HistoryRecord record(std::string kind, std::string object, std::int64_t revision,
                       std::string json) {
    return {std::move(kind), std::move(object), {revision}, {1'000 * revision}, std::move(json)};
  }
  std::vector<std::string> query(HistoryQuery wanted) {
    const auto entries = run_now(loop_, history_->query(std::move(wanted)));
    std::vector<std::string> texts;
    for (const auto& entry : entries) texts.push_back(entry.record.json);
    return texts;
  }

  TemporaryDirectory directory_;
  MemoryLog log_;
  Loop loop_;
  std::unique_ptr<History> history_ = open();
};

TEST_F(HistoryContract, what_was_appended_is_found_by_kind_and_object_in_order) {
  history_->append(record("event", "vm1", 1, "a"));
  history_->append(record("task", "vm1", 2, "b"));
  history_->append(record("event", "vm2", 2, "c"));
  EXPECT_THAT(query({}), ElementsAre("a", "b", "c"));
  EXPECT_THAT(query({.kind = "event", .object_id = {}}), ElementsAre("a", "c"));
  EXPECT_THAT(query({.kind = {}, .object_id = "vm1"}), ElementsAre("a", "b"));
  EXPECT_THAT(query({.kind = "event", .object_id = "vm1"}), ElementsAre("a"));
  EXPECT_THAT(query({.kind = {}, .object_id = {}, .newest_first = true, .limit = 2}),
              ElementsAre("c", "b"));
}

TEST_F(HistoryContract, pages_continue_behind_a_sequence_both_ways) {
  for (int i = 1; i <= 5; ++i) history_->append(record("event", "vm1", i, std::to_string(i)));
  const auto first = run_now(loop_, history_->query({.kind = {}, .object_id = {}, .limit = 2}));
  EXPECT_EQ(first.size(), 2u);
  EXPECT_THAT(query({.kind = {}, .object_id = {}, .after = first[1].sequence, .limit = 2}),
              ElementsAre("3", "4"));
  EXPECT_THAT(
      query({.kind = {}, .object_id = {}, .after = first[1].sequence, .newest_first = true}),
      ElementsAre("1"));
}

TEST_F(HistoryContract, the_same_record_is_kept_once_and_records_about_no_commit_always) {
  for (int i = 0; i < 2; ++i) {
    history_->append(record("task", "t1", 7, "once"));
    history_->append(record("event", "host", 0, "always"));
  }
  EXPECT_THAT(query({}), ElementsAre("once", "always", "always"));
}

TEST_F(HistoryContract, it_survives_a_reopen_and_goes_on_counting) {
  history_->append(record("event", "vm1", 1, "a"));
  history_.reset();
  history_ = open();
  history_->append(record("event", "vm1", 2, "b"));
  const auto entries = run_now(loop_, history_->query({}));
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_LT(entries[0].sequence, entries[1].sequence);
  EXPECT_EQ(entries[1].record.time.unix_ms, 2'000);
}

TEST_F(HistoryContract, pruning_takes_what_is_old_and_what_is_too_much) {
  for (int i = 1; i <= 9; ++i) history_->append(record("event", "vm1", i, std::to_string(i)));
  EXPECT_EQ(run_now(loop_, history_->prune({.entries = 100, .oldest = {3'000}})), 2u);
  EXPECT_EQ(run_now(loop_, history_->prune({.entries = 3, .oldest = {}})), 4u);
  EXPECT_THAT(query({}), ElementsAre("7", "8", "9"));
}

TEST_F(HistoryContract, a_file_that_is_no_history_costs_a_warning_and_nothing_else) {
  history_.reset();
  std::ofstream(directory_.file("history.db")) << std::string(8192, 'x');
  history_ = open();
  history_->append(record("event", "vm1", 1, "a"));
  EXPECT_THROW(query({}), Error);
  ASSERT_FALSE(log_.lines().empty());
  EXPECT_EQ(log_.lines()[0].level, LogLevel::warning);
  std::filesystem::remove(directory_.file("history.db"));
  history_->append(record("event", "vm1", 2, "b"));
  EXPECT_THAT(query({}), ElementsAre("b"));
}

}  // namespace
}  // namespace ruche::contract
