// Leases. Times are the shortest that the contract allows, because one of the stores lives in real
// time.
#include <gmock/gmock.h>

#include "contract/state_store_suite.hpp"

namespace ruche::contract {
namespace {

using namespace ports;  // NOLINT: the suite speaks of nothing else
using std::chrono::seconds;
using testing::ElementsAre;

TEST_F(StateStoreContract, an_expired_lease_deletes_its_keys_as_one_revision) {
  run([this]() -> Async<void> {
    const LeaseId lease = co_await store().grant(seconds(5));
    EXPECT_NE(lease, LeaseId{});
    std::vector<Write> writes{Put{"w/b", "1", lease}, Put{"w/a", "1", lease}, Put{"w/kept", "1"}};
    const Revision written = co_await commit(writes);
    const auto entry = co_await store().get("w/a");
    EXPECT_EQ(entry->lease, lease);
    const auto watch = store().watch("w/", written);
    const Batch put_batch = co_await next(*watch);
    EXPECT_EQ(put_batch.changes[0].lease, lease);
    co_await pass(seconds(3));
    const auto alive = co_await keys_under("w/");
    EXPECT_THAT(alive, ElementsAre("w/a", "w/b", "w/kept"));
    co_await pass(seconds(4));
    const Batch end = co_await next(*watch);
    EXPECT_EQ(end.revision.number, written.number + 1);
    Keys deleted;
    for (const auto& change : end.changes) {
      deleted.push_back(change.key);
      EXPECT_FALSE(change.value.has_value());
    }
    EXPECT_THAT(deleted, ElementsAre("w/a", "w/b"));
    const auto left = co_await keys_under("w/");
    EXPECT_THAT(left, ElementsAre("w/kept"));
    ListRequest past{.prefix = "w/", .after = {}, .limit = 10, .at = written};
    const ListPage page = co_await store().list(past);
    EXPECT_EQ(page.entries.size(), 3u);
    EXPECT_EQ(page.entries[0].lease, lease);

    co_await expect_error(Reason::no_such_object, store().keep_alive(lease));
    Commit late = commit_of({Put{"w/c", "1", lease}, Put{"w/d", "1"}});
    co_await expect_error(Reason::no_such_object, store().commit(late));
    const auto settled = co_await store().settled(late.nonce);
    EXPECT_FALSE(settled.has_value());
    const auto unchanged = co_await keys_under("w/");
    EXPECT_THAT(unchanged, ElementsAre("w/kept"));
    co_await store().revoke(lease);  // ended already: not an error
  });
}

TEST_F(StateStoreContract, a_lease_that_is_kept_alive_lives) {
  run([this]() -> Async<void> {
    const LeaseId lease = co_await store().grant(seconds(5));
    co_await put("w/a", "1", lease);
    co_await pass(seconds(3));
    const LeaseStatus status = co_await store().keep_alive(lease);
    EXPECT_GE(status.ttl, seconds(5));
    EXPECT_LE(status.ttl, seconds(6));
    co_await pass(seconds(4));
    const std::string value = co_await value_of("w/a");
    EXPECT_EQ(value, "1");
  });
}

TEST_F(StateStoreContract, a_revoked_lease_deletes_its_keys_at_once) {
  run([this]() -> Async<void> {
    const LeaseId lease = co_await store().grant(seconds(60));
    const LeaseId other = co_await store().grant(seconds(60));
    EXPECT_NE(lease, other);
    std::vector<Write> writes{Put{"w/a", "1", lease}, Put{"w/b", "1", other},
                              Put{"w/c", "1", lease}};
    const Revision written = co_await commit(writes);
    const auto watch = store().watch("w/", {written.number + 1});
    co_await store().revoke(lease);
    const Batch batch = co_await next(*watch);
    EXPECT_EQ(batch.revision.number, written.number + 1);
    EXPECT_EQ(batch.changes.size(), 2u);
    const auto left = co_await keys_under("w/");
    EXPECT_THAT(left, ElementsAre("w/b"));
    co_await expect_error(Reason::no_such_object, store().keep_alive(lease));
    co_await store().revoke(other);
    const auto none = co_await keys_under("w/");
    EXPECT_TRUE(none.empty());
  });
}

TEST_F(StateStoreContract, the_last_put_decides_which_lease_a_key_has) {
  run([this]() -> Async<void> {
    const LeaseId first = co_await store().grant(seconds(60));
    const LeaseId second = co_await store().grant(seconds(60));
    std::vector<Write> writes{Put{"w/freed", "1", first}, Put{"w/moved", "1", first},
                              Put{"w/erased", "1", first}, Put{"w/stays", "1", first}};
    co_await commit(writes);
    co_await put("w/freed", "2");
    co_await put("w/moved", "2", second);
    co_await erase("w/erased");
    co_await put("w/erased", "2");
    co_await store().revoke(first);
    const auto left = co_await keys_under("w/");
    EXPECT_THAT(left, ElementsAre("w/erased", "w/freed", "w/moved"));
    co_await store().revoke(second);
    const auto rest = co_await keys_under("w/");
    EXPECT_THAT(rest, ElementsAre("w/erased", "w/freed"));
  });
}

TEST_F(StateStoreContract, a_lease_without_keys_ends_without_a_revision) {
  run([this]() -> Async<void> {
    const Revision before = co_await put("a", "1");
    const LeaseId lease = co_await store().grant(seconds(60));
    co_await store().revoke(lease);
    const Revision after = co_await put("a", "2");
    EXPECT_EQ(after.number, before.number + 1);
  });
}

TEST_F(StateStoreContract, a_lease_that_never_was_has_ended) {
  run([this]() -> Async<void> {
    const LeaseId unknown{4711};
    co_await expect_error(Reason::no_such_object, store().keep_alive(unknown));
    co_await store().revoke(unknown);
    Commit wanted = commit_of({Put{"w/a", "1", unknown}});
    co_await expect_error(Reason::no_such_object, store().commit(wanted));
  });
}

TEST_F(StateStoreContract, a_conflict_is_told_before_an_ended_lease) {
  run([this]() -> Async<void> {
    co_await put("a", "1");
    const LeaseId unknown{4711};
    const std::string key = co_await conflict(commit_of({Put{"b", "1", unknown}}, {{"a", {}}}));
    EXPECT_EQ(key, "a");
  });
}

TEST_F(StateStoreContract, a_lease_shorter_than_five_seconds_is_refused) {
  run([this]() -> Async<void> {
    co_await expect_error(Reason::bad_request, store().grant(Duration(4'999)));
  });
}

TEST_F(StateStoreContract, leases_regain_their_full_ttl_after_a_restart) {
  LeaseId lease;
  run([this, &lease]() -> Async<void> {
    lease = co_await store().grant(seconds(5));
    co_await put("w/a", "1", lease);
    co_await pass(seconds(4));
  });
  harness_->restart();
  run([this, &lease]() -> Async<void> {
    co_await pass(seconds(3));
    const std::string alive = co_await value_of("w/a");
    EXPECT_EQ(alive, "1");
    co_await store().keep_alive(lease);
    const auto entry = co_await store().get("w/a");
    const auto watch = store().watch("w/", {entry->revision.number + 1});
    co_await pass(seconds(7));
    const Batch batch = co_await next(*watch);
    EXPECT_FALSE(batch.changes[0].value.has_value());
    co_await expect_error(Reason::no_such_object, store().keep_alive(lease));
  });
}

}  // namespace
}  // namespace ruche::contract
