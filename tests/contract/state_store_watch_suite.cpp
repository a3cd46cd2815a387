// Watches: one batch per revision, never split, in order, no gap, no repeat.
#include <gmock/gmock.h>

#include "contract/state_store_suite.hpp"

namespace ruche::contract {
namespace {

using namespace ports;  // NOLINT: the suite speaks of nothing else
using testing::ElementsAre;

TEST_F(StateStoreContract, a_watch_sees_what_comes) {
  run([this]() -> Async<void> {
    const Revision start = co_await put("w/before", "x");
    const auto watch = store().watch("w/", {start.number + 1});
    const Revision first = co_await put("w/a", "1");
    const Batch put_batch = co_await next(*watch);
    EXPECT_EQ(put_batch.revision, first);
    EXPECT_EQ(put_batch.changes.size(), 1u);
    EXPECT_EQ(put_batch.changes[0].key, "w/a");
    EXPECT_EQ(put_batch.changes[0].value, "1");
    const Revision second = co_await erase("w/a");
    const Batch delete_batch = co_await next(*watch);
    EXPECT_EQ(delete_batch.revision, second);
    EXPECT_EQ(delete_batch.changes[0].key, "w/a");
    EXPECT_FALSE(delete_batch.changes[0].value.has_value());
  });
}

TEST_F(StateStoreContract, a_watch_starts_in_the_past) {
  run([this]() -> Async<void> {
    const Revision first = co_await put("w/a", "1");
    co_await put("w/a", "2");
    co_await erase("w/a");
    const auto all = store().watch("w/", first);
    const auto from_second = store().watch("w/", {first.number + 1});
    for (int i = 0; i < 3; ++i) {
      const Batch batch = co_await next(*all);
      EXPECT_EQ(batch.revision.number, first.number + i);
      if (i < 2) EXPECT_EQ(batch.changes[0].value, std::to_string(i + 1));
    }
    const Batch second = co_await next(*from_second);
    EXPECT_EQ(second.revision.number, first.number + 1);
    EXPECT_EQ(second.changes[0].value, "2");
  });
}

TEST_F(StateStoreContract, a_watch_starts_in_the_future) {
  run([this]() -> Async<void> {
    const Revision now = co_await put("w/a", "1");
    const auto watch = store().watch("w/", {now.number + 3});
    co_await put("w/a", "2");
    co_await put("w/a", "3");
    const Revision third = co_await put("w/a", "4");
    const Batch batch = co_await next(*watch);
    EXPECT_EQ(batch.revision, third);
    EXPECT_EQ(batch.changes[0].value, "4");
  });
}

TEST_F(StateStoreContract, a_batch_holds_all_changes_of_its_commit_by_key) {
  run([this]() -> Async<void> {
    const Revision start = co_await put("w/b", "old");
    const auto watch = store().watch("w/", {start.number + 1});
    std::vector<Write> writes{Put{"w/c", "3"}, Put{"other", "x"}, Delete{"w/b"}, Put{"w/a", "1"},
                              Delete{"w/absent"}};
    co_await commit(writes);
    const Batch batch = co_await next(*watch);
    Keys keys;
    for (const auto& change : batch.changes) keys.push_back(change.key);
    EXPECT_THAT(keys, ElementsAre("w/a", "w/b", "w/c"));
    EXPECT_EQ(batch.changes[0].value, "1");
    EXPECT_FALSE(batch.changes[1].value.has_value());
    EXPECT_EQ(batch.changes[2].value, "3");
  });
}

TEST_F(StateStoreContract, a_batch_of_a_hundred_large_changes_is_not_split) {
  run([this]() -> Async<void> {
    const Revision start = co_await put("x", "");
    const auto watch = store().watch("w/", {start.number + 1});
    std::vector<Write> writes;
    for (int i = 0; i < 100; ++i) {
      writes.push_back(Put{"w/" + std::to_string(100 + i), std::string(10'000, 'v')});
    }
    const Revision revision = co_await commit(writes);
    const Batch live = co_await next(*watch);
    EXPECT_EQ(live.revision, revision);
    EXPECT_EQ(live.changes.size(), 100u);
    const auto late = store().watch("w/", {start.number + 1});
    const Batch past = co_await next(*late);
    EXPECT_EQ(past.changes.size(), 100u);
    EXPECT_EQ(past.changes[99].value, std::string(10'000, 'v'));
  });
}

TEST_F(StateStoreContract, a_watch_sees_only_its_prefix_and_nothing_that_did_not_change) {
  run([this]() -> Async<void> {
    const Revision start = co_await put("w/kept", "1");
    const auto watch = store().watch("w/", {start.number + 1});
    co_await put("v/a", "x");
    co_await put("w", "x");
    co_await put("w0", "x");
    co_await erase("w/absent");
    co_await commit({});
    Commit refused = commit_of({Put{"w/a", "x"}}, {{"w/a", start}});
    co_await conflict(refused);
    const Revision last = co_await put("w/end", "1");
    const Batch batch = co_await next(*watch);
    EXPECT_EQ(batch.revision, last);
    EXPECT_EQ(batch.changes.size(), 1u);
  });
}

TEST_F(StateStoreContract, the_empty_prefix_watches_everything) {
  run([this]() -> Async<void> {
    const Revision start = co_await put("a", "1");
    const auto watch = store().watch("", {start.number + 1});
    co_await put("\xff\xff", "1");
    co_await put(std::string("\0", 1), "1");
    const Batch first = co_await next(*watch);
    EXPECT_EQ(first.changes[0].key, "\xff\xff");
    const Batch second = co_await next(*watch);
    EXPECT_EQ(second.changes[0].key, std::string("\0", 1));
  });
}

TEST_F(StateStoreContract, a_watch_may_not_start_before_revision_one) {
  EXPECT_THROW(store().watch("w/", {0}), Error);
  EXPECT_THROW(store().watch("w/", {-5}), Error);
}

// Four writers write three keys each in every commit; what the watches deliver must be exactly the
// commits, whole and in order, whether a watch was there from the start or began in the middle.
TEST_F(StateStoreContract, no_gap_and_no_repeat_across_concurrent_commits) {
  constexpr int kWriters = 4;
  constexpr int kCommits = 25;
  run([this]() -> Async<void> {
    const Revision start = co_await put("x", "");
    const auto early = store().watch("w/", {start.number + 1});
    std::vector<Revision> committed;
    Scope writers(co_await current_executor(), "writers");
    const auto write = [this, &committed](int writer) -> Async<void> {
      for (int i = 0; i < kCommits; ++i) {
        const std::string value = std::to_string(writer) + ":" + std::to_string(i);
        std::vector<Write> writes{Put{"w/" + std::to_string(writer), value}, Put{"w/shared", value},
                                  Put{"w/zone/last", value}};
        const Revision revision = co_await commit(writes);
        committed.push_back(revision);
      }
    };
    for (int writer = 0; writer < kWriters; ++writer) writers.spawn("writer", write(writer));
    const auto read_all = [this](Watch& watch, Revision first) -> Async<void> {
      for (int i = 0; i < kWriters * kCommits; ++i) {
        const Batch batch = co_await next(watch);
        EXPECT_EQ(batch.revision.number, first.number + i);
        EXPECT_EQ(batch.changes.size(), 3u);
        if (batch.changes.size() != 3) continue;
        EXPECT_EQ(batch.changes[0].value, batch.changes[1].value);
        EXPECT_EQ(batch.changes[0].value, batch.changes[2].value);
      }
    };
    const Revision first{start.number + 1};
    const auto middle = store().watch("w/", first);
    co_await read_all(*early, first);
    co_await writers.join();
    co_await read_all(*middle, first);
    const auto late = store().watch("w/", first);
    co_await read_all(*late, first);
    EXPECT_EQ(committed.size(), std::size_t{kWriters * kCommits});
    std::sort(committed.begin(), committed.end());
    EXPECT_EQ(std::unique(committed.begin(), committed.end()), committed.end());
    const Revision end = co_await put("w/end", "");
    for (Watch* watch : {early.get(), middle.get(), late.get()}) {
      const Batch batch = co_await next(*watch);
      EXPECT_EQ(batch.revision, end);
    }
  });
}

TEST_F(StateStoreContract, watches_do_not_disturb_each_other) {
  run([this]() -> Async<void> {
    const Revision start = co_await put("x", "");
    std::vector<std::unique_ptr<Watch>> watches;
    for (int i = 0; i < 8; ++i) {
      watches.push_back(store().watch("w/" + std::to_string(i), {start.number + 1}));
    }
    auto never_read = store().watch("w/", {start.number + 1});
    std::vector<Write> writes;
    for (int i = 0; i < 8; ++i) writes.push_back(Put{"w/" + std::to_string(i), "1"});
    const Revision revision = co_await commit(writes);
    watches[3].reset();
    for (int i = 0; i < 8; ++i) {
      if (i == 3) continue;
      const Batch batch = co_await next(*watches[static_cast<std::size_t>(i)]);
      EXPECT_EQ(batch.revision, revision);
      EXPECT_EQ(batch.changes.size(), 1u);
      EXPECT_EQ(batch.changes[0].key, "w/" + std::to_string(i));
    }
  });
}

TEST_F(StateStoreContract, a_waiting_watch_can_be_cancelled) {
  run([this]() -> Async<void> {
    const Revision start = co_await put("x", "");
    const auto watch = store().watch("w/", {start.number + 1});
    Scope scope(co_await current_executor(), "waiter");
    scope.spawn("waiter", [](Watch& waited) -> Async<void> { co_await waited.next(); }(*watch));
    co_await put("x", "1");
    scope.cancel(CancelReason::user);
    co_await scope.join();
    const auto another = store().watch("w/", {start.number + 1});
    co_await put("w/a", "1");
    const Batch batch = co_await next(*another);
    EXPECT_EQ(batch.changes[0].key, "w/a");
  });
}

TEST_F(StateStoreContract, list_then_watch_loses_nothing) {
  run([this]() -> Async<void> {
    co_await put("w/a", "1");
    ListRequest request{.prefix = "w/", .after = {}};
    const ListPage page = co_await store().list(request);
    co_await put("w/b", "1");
    const auto watch = store().watch("w/", {page.revision.number + 1});
    co_await put("w/c", "1");
    const Batch first = co_await next(*watch);
    EXPECT_EQ(first.changes[0].key, "w/b");
    const Batch second = co_await next(*watch);
    EXPECT_EQ(second.changes[0].key, "w/c");
  });
}

TEST_F(StateStoreContract, a_watch_from_a_compacted_revision_ends) {
  run([this]() -> Async<void> {
    const Revision old = co_await put("w/a", "1");
    co_await put("w/a", "2");
    const Revision now = co_await put("w/a", "3");
    co_await harness_->compact(now);
    const auto watch = store().watch("w/", old);
    const auto item = co_await next_item(*watch);
    EXPECT_TRUE(std::holds_alternative<Compacted>(item));
    const Revision oldest = std::get<Compacted>(item).oldest;
    EXPECT_GT(oldest, old);
    const auto again = co_await next_item(*watch);
    EXPECT_TRUE(std::holds_alternative<Compacted>(again));

    const auto retained = store().watch("w/", oldest);
    const Revision last = co_await put("w/b", "1");
    Batch batch = co_await next(*retained);
    while (batch.revision < last) batch = co_await next(*retained);
    EXPECT_EQ(batch.revision, last);
  });
}

// A watch that nobody reads while history goes may still deliver what it had, but never with a gap.
TEST_F(StateStoreContract, a_watch_left_behind_is_compacted_and_never_has_a_gap) {
  run([this]() -> Async<void> {
    const Revision start = co_await put("x", "");
    const auto watch = store().watch("w/", {start.number + 1});
    Revision last;
    for (int i = 0; i < 5; ++i) last = co_await put("w/a", std::to_string(i));
    co_await harness_->compact(last);
    Revision expected{start.number + 1};
    while (expected <= last) {
      const auto item = co_await next_item(*watch);
      if (std::holds_alternative<Compacted>(item)) {
        EXPECT_GT(std::get<Compacted>(item).oldest, expected);
        break;
      }
      EXPECT_EQ(std::get<Batch>(item).revision, expected);
      expected = {expected.number + 1};
    }
  });
}

TEST_F(StateStoreContract, a_watch_can_be_resumed_after_a_restart) {
  Revision seen;
  run([this, &seen]() -> Async<void> {
    const Revision start = co_await put("w/a", "1");
    const auto watch = store().watch("w/", start);
    const Batch batch = co_await next(*watch);
    seen = batch.revision;
    co_await put("w/a", "2");
  });
  harness_->restart();
  run([this, &seen]() -> Async<void> {
    const auto watch = store().watch("w/", {seen.number + 1});
    const Batch second = co_await next(*watch);
    EXPECT_EQ(second.changes[0].value, "2");
    const Revision third = co_await put("w/a", "3");
    const Batch batch = co_await next(*watch);
    EXPECT_EQ(batch.revision, third);
    EXPECT_EQ(batch.changes[0].value, "3");
  });
}

}  // namespace
}  // namespace ruche::contract
