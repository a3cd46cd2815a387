// Commits, compares, limits, reads and snapshots.
#include <gmock/gmock.h>

#include "contract/state_store_suite.hpp"

namespace ruche::contract {
namespace {

using namespace ports;  // NOLINT: the suite speaks of nothing else
using namespace std::string_literals;
using testing::ElementsAre;
using testing::IsEmpty;

TEST_F(StateStoreContract, a_new_store_is_empty_and_has_an_id) {
  run([this]() -> Async<void> {
    EXPECT_FALSE(store().store_id().empty());
    const auto keys = co_await keys_under("");
    EXPECT_THAT(keys, IsEmpty());
    const auto entry = co_await store().get("absent");
    EXPECT_FALSE(entry.has_value());
  });
}

TEST_F(StateStoreContract, a_put_is_read_back_with_its_revision) {
  run([this]() -> Async<void> {
    const Revision revision = co_await put("guests/1", "web1");
    const auto entry = co_await store().get("guests/1");
    EXPECT_TRUE(entry.has_value());
    EXPECT_EQ(entry->key, "guests/1");
    EXPECT_EQ(entry->value, "web1");
    EXPECT_EQ(entry->revision, revision);
    EXPECT_EQ(entry->lease, LeaseId{});
    const auto neighbour = co_await store().get("guests/");
    EXPECT_FALSE(neighbour.has_value());
  });
}

TEST_F(StateStoreContract, the_revision_grows_by_one_per_changing_commit) {
  run([this]() -> Async<void> {
    const Revision first = co_await put("a", "1");
    const Revision second = co_await put("a", "1");  // the same value is a change too
    EXPECT_EQ(second.number, first.number + 1);
    std::vector<Write> many{Put{"b", "2"}, Put{"c", "3"}, Delete{"a"}};
    const Revision third = co_await commit(many);
    EXPECT_EQ(third.number, second.number + 1);
    const auto b = co_await store().get("b");
    const auto c = co_await store().get("c");
    EXPECT_EQ(b->revision, third);
    EXPECT_EQ(c->revision, third);
  });
}

TEST_F(StateStoreContract, a_commit_that_changes_nothing_answers_the_current_revision) {
  run([this]() -> Async<void> {
    const Revision before = co_await put("a", "1");
    const Revision nothing = co_await erase("absent");
    EXPECT_GE(nothing, before);
    const Revision empty = co_await commit({});
    EXPECT_GE(empty, nothing);
    const auto a = co_await store().get("a");
    EXPECT_EQ(a->revision, before);
    const Revision after = co_await put("a", "2");
    EXPECT_GT(after, empty);
  });
}

TEST_F(StateStoreContract, a_compare_holds_only_for_the_exact_revision) {
  run([this]() -> Async<void> {
    const Revision first = co_await put("a", "1");
    const Revision second = co_await put("a", "2");
    const std::string stale = co_await conflict(commit_of({Put{"a", "x"}}, {{"a", first}}));
    EXPECT_EQ(stale, "a");
    const Revision later{second.number + 1};
    const std::string future = co_await conflict(commit_of({Put{"a", "x"}}, {{"a", later}}));
    EXPECT_EQ(future, "a");
    const std::string absent = co_await conflict(commit_of({Put{"a", "x"}}, {{"a", {}}}));
    EXPECT_EQ(absent, "a");
    const std::string value = co_await value_of("a");
    EXPECT_EQ(value, "2");
    co_await commit({Put{"a", "3"}}, {{"a", second}});
    const std::string changed = co_await value_of("a");
    EXPECT_EQ(changed, "3");
  });
}

TEST_F(StateStoreContract, revision_zero_means_absent) {
  run([this]() -> Async<void> {
    co_await commit({Put{"a", "1"}}, {{"a", {}}});
    const std::string twice = co_await conflict(commit_of({Put{"a", "2"}}, {{"a", {}}}));
    EXPECT_EQ(twice, "a");
    co_await erase("a");
    co_await commit({Put{"a", "3"}}, {{"a", {}}});
    const std::string value = co_await value_of("a");
    EXPECT_EQ(value, "3");
  });
}

TEST_F(StateStoreContract, a_conflict_names_the_key_and_changes_nothing) {
  run([this]() -> Async<void> {
    const Revision a = co_await put("a", "1");
    const Revision b = co_await put("b", "1");
    std::vector<Write> writes{Put{"a", "x"}, Delete{"b"}, Put{"new", "x"}};
    std::vector<Compare> compares{{"a", a}, {"b", a}, {"new", {}}};
    Commit wanted = commit_of(writes, compares);
    const std::string key = co_await conflict(wanted);
    EXPECT_EQ(key, "b");
    const auto settled = co_await store().settled(wanted.nonce);
    EXPECT_FALSE(settled.has_value());
    const auto keys = co_await keys_under("");
    EXPECT_THAT(keys, ElementsAre("a", "b"));
    const auto entry = co_await store().get("a");
    EXPECT_EQ(entry->revision, a);
    const Revision next = co_await put("c", "1");
    EXPECT_EQ(next.number, b.number + 1);
  });
}

TEST_F(StateStoreContract, a_commit_may_compare_without_writing_what_it_compares) {
  run([this]() -> Async<void> {
    const Revision leader = co_await put("leader", "host-1");
    co_await commit({Put{"work", "1"}}, {{"leader", leader}});
    co_await put("leader", "host-2");
    const std::string lost = co_await conflict(commit_of({Put{"work", "2"}}, {{"leader", leader}}));
    EXPECT_EQ(lost, "leader");
    const std::string only = co_await conflict(commit_of({}, {{"leader", leader}}));
    EXPECT_EQ(only, "leader");
  });
}

TEST_F(StateStoreContract, settled_knows_the_commits_that_happened) {
  run([this]() -> Async<void> {
    Commit wanted = commit_of({Put{"a", "1"}});
    const auto before = co_await store().settled(wanted.nonce);
    EXPECT_FALSE(before.has_value());
    const CommitResult result = co_await store().commit(wanted);
    const auto after = co_await store().settled(wanted.nonce);
    EXPECT_TRUE(after.has_value());
    EXPECT_EQ(after->number, std::get<Committed>(result).revision.number);
    Commit nothing = commit_of({Delete{"absent"}});
    co_await store().commit(nothing);
    const auto settled_nothing = co_await store().settled(nothing.nonce);
    EXPECT_TRUE(settled_nothing.has_value());
  });
}

TEST_F(StateStoreContract, a_nonce_commits_at_most_once) {
  run([this]() -> Async<void> {
    Commit wanted = commit_of({Put{"a", "1"}}, {{"a", {}}});
    const CommitResult first = co_await store().commit(wanted);
    co_await put("a", "2");
    const CommitResult again = co_await store().commit(wanted);  // its compare fails by now
    EXPECT_TRUE(std::holds_alternative<Committed>(again));
    EXPECT_EQ(std::get<Committed>(again).revision, std::get<Committed>(first).revision);
    const std::string value = co_await value_of("a");
    EXPECT_EQ(value, "2");
  });
}

TEST_F(StateStoreContract, keys_and_values_are_bytes) {
  run([this]() -> Async<void> {
    std::string every_byte;
    for (int byte = 0; byte < 256; ++byte) every_byte.push_back(static_cast<char>(byte));
    const Keys keys{"\0"s, "\0\0"s, "a"s, "a\0b"s, "a\x7f"s, "a\x80"s, "\xff"s, "\xff\xff"s};
    std::vector<Write> writes;
    for (const auto& key : keys) writes.push_back(Put{key, key + every_byte});
    co_await commit(writes);
    for (const auto& key : keys) {
      const std::string value = co_await value_of(key);
      EXPECT_EQ(value, key + every_byte);
    }
    const auto listed = co_await keys_under("");
    EXPECT_EQ(listed, keys);  // in the order of unsigned bytes
    co_await put("empty", "");
    const auto empty = co_await store().get("empty");
    EXPECT_TRUE(empty.has_value());
    EXPECT_EQ(empty->value, "");
  });
}

TEST_F(StateStoreContract, a_prefix_selects_exactly_its_keys) {
  run([this]() -> Async<void> {
    co_await commit({Put{"a", ""}, Put{"a/", ""}, Put{"a/1", ""}, Put{"a0", ""}, Put{"b", ""},
                     Put{"a/\xff", ""}, Put{"a/\xff\xff", ""}, Put{"\xff\xff", ""},
                     Put{"\xff", ""}});
    const auto slash = co_await keys_under("a/");
    EXPECT_THAT(slash, ElementsAre("a/", "a/1", "a/\xff", "a/\xff\xff"));
    const auto a = co_await keys_under("a");
    EXPECT_THAT(a, ElementsAre("a", "a/", "a/1", "a/\xff", "a/\xff\xff", "a0"));
    const auto high = co_await keys_under("\xff");
    EXPECT_THAT(high, ElementsAre("\xff", "\xff\xff"));
    const auto higher = co_await keys_under("\xff\xff");
    EXPECT_THAT(higher, ElementsAre("\xff\xff"));
    const auto inner = co_await keys_under("a/\xff");
    EXPECT_THAT(inner, ElementsAre("a/\xff", "a/\xff\xff"));
    const auto none = co_await keys_under("c");
    EXPECT_THAT(none, IsEmpty());
    const auto all = co_await keys_under("");
    EXPECT_EQ(all.size(), 9u);
  });
}

TEST_F(StateStoreContract, after_continues_behind_a_key_whether_it_exists_or_not) {
  run([this]() -> Async<void> {
    co_await commit({Put{"p/1", ""}, Put{"p/3", ""}, Put{"p/5", ""}, Put{"q", ""}});
    const auto keys_after = [this](std::string after) -> Async<Keys> {
      ListRequest request{.prefix = "p/", .after = std::move(after)};
      const ListPage page = co_await store().list(request);
      EXPECT_FALSE(page.more);
      Keys keys;
      for (const auto& entry : page.entries) keys.push_back(entry.key);
      co_return keys;
    };
    const Keys existing = co_await keys_after("p/3");
    EXPECT_THAT(existing, ElementsAre("p/5"));
    const Keys missing = co_await keys_after("p/2");
    EXPECT_THAT(missing, ElementsAre("p/3", "p/5"));
    const Keys before = co_await keys_after("a");
    EXPECT_THAT(before, ElementsAre("p/1", "p/3", "p/5"));
    const Keys last = co_await keys_after("p/5");
    EXPECT_THAT(last, IsEmpty());
    const Keys beyond = co_await keys_after("z");
    EXPECT_THAT(beyond, IsEmpty());
  });
}

TEST_F(StateStoreContract, more_is_true_exactly_when_there_is_more) {
  run([this]() -> Async<void> {
    co_await commit({Put{"k1", ""}, Put{"k2", ""}, Put{"k3", ""}});
    ListRequest two{.prefix = "k", .after = {}, .limit = 2};
    const ListPage first = co_await store().list(two);
    EXPECT_EQ(first.entries.size(), 2u);
    EXPECT_TRUE(first.more);
    ListRequest three{.prefix = "k", .after = {}, .limit = 3};
    const ListPage whole = co_await store().list(three);
    EXPECT_EQ(whole.entries.size(), 3u);
    EXPECT_FALSE(whole.more);
  });
}

TEST_F(StateStoreContract, later_pages_show_the_snapshot_of_the_first) {
  run([this]() -> Async<void> {
    std::vector<Write> writes;
    for (int i = 10; i < 40; ++i) writes.push_back(Put{"k" + std::to_string(i), "old"});
    const Revision written = co_await commit(writes);
    ListRequest request{.prefix = "k", .after = {}, .limit = 10};
    const ListPage first = co_await store().list(request);
    EXPECT_EQ(first.revision, written);

    co_await commit({Put{"k05", "new"}, Put{"k25", "new"}, Delete{"k26"}, Put{"k275", "new"}});
    co_await commit({Put{"k25", "newer"}, Put{"k26", "back"}, Delete{"k39"}, Put{"k4", "new"}});
    co_await erase("k30");

    request.after = first.entries.back().key;
    request.at = first.revision;
    const auto rest = co_await list_all(request);
    EXPECT_EQ(rest.size(), 20u);
    for (std::size_t i = 0; i < rest.size(); ++i) {
      EXPECT_EQ(rest[i].key, "k" + std::to_string(20 + i));
      EXPECT_EQ(rest[i].value, "old");
      EXPECT_EQ(rest[i].revision, written);
    }
    const auto now = co_await keys_under("k");
    EXPECT_EQ(now.size(), 31u);
  });
}

TEST_F(StateStoreContract, every_retained_revision_can_be_listed) {
  run([this]() -> Async<void> {
    const Revision start = co_await put("n", "0");
    for (int i = 1; i <= 10; ++i) co_await put("n", std::to_string(i));
    co_await erase("n");
    for (int i = 0; i <= 11; ++i) {
      ListRequest request{.prefix = "n", .after = {}, .limit = 10, .at = {start.number + i}};
      const ListPage page = co_await store().list(request);
      EXPECT_EQ(page.entries.size(), i == 11 ? 0u : 1u);
      if (!page.entries.empty()) {
        EXPECT_EQ(page.entries[0].value, std::to_string(i));
        EXPECT_EQ(page.entries[0].revision.number, start.number + i);
      }
    }
  });
}

TEST_F(StateStoreContract, a_future_revision_cannot_be_listed) {
  run([this]() -> Async<void> {
    const Revision now = co_await put("a", "1");
    ListRequest request{.prefix = "", .after = {}, .limit = 10, .at = {now.number + 1000}};
    co_await expect_error(Reason::bad_request, store().list(request));
  });
}

TEST_F(StateStoreContract, a_compacted_revision_cannot_be_listed) {
  run([this]() -> Async<void> {
    const Revision old = co_await put("a", "1");
    co_await put("a", "2");
    const Revision now = co_await put("b", "1");
    co_await harness_->compact(now);
    ListRequest request{.prefix = "", .after = {}, .limit = 10, .at = old};
    co_await expect_error(Reason::history_compacted, store().list(request));
    const std::string a = co_await value_of("a");
    EXPECT_EQ(a, "2");
    const std::string b = co_await value_of("b");
    EXPECT_EQ(b, "1");
  });
}

TEST_F(StateStoreContract, the_limits_of_a_commit_are_accepted) {
  run([this]() -> Async<void> {
    std::vector<Write> hundred;
    std::vector<Compare> absent;
    for (int i = 0; i < 100; ++i) {
      const std::string key = "n/" + std::to_string(i);
      hundred.push_back(Put{key, "x"});
      absent.push_back({key, {}});
    }
    co_await commit(hundred, absent);
    const auto listed = co_await keys_under("n/");
    EXPECT_EQ(listed.size(), 100u);

    const std::string long_key(kMaxKeyBytes, 'k');
    const std::string large(kMaxValueBytes, 'v');
    co_await put(long_key, large);
    const std::string read = co_await value_of(long_key);
    EXPECT_EQ(read, large);

    std::vector<Write> full;
    for (const char* key : {"f1", "f2", "f3"}) full.push_back(Put{key, large});
    full.push_back(Put{"f4", large.substr(8)});  // the keys' bytes count too
    co_await commit(full);
    const std::string last = co_await value_of("f4");
    EXPECT_EQ(last.size(), large.size() - 8);
  });
}

TEST_F(StateStoreContract, beyond_the_limits_is_refused_and_changes_nothing) {
  run([this]() -> Async<void> {
    const std::string large(kMaxValueBytes, 'v');
    std::vector<Write> too_many, too_heavy;
    std::vector<Compare> compares;
    for (int i = 0; i < 101; ++i) {
      too_many.push_back(Put{"n/" + std::to_string(i), "x"});
      compares.push_back({"n/" + std::to_string(i), {}});
    }
    for (const char* key : {"f1", "f2", "f3", "f4"}) too_heavy.push_back(Put{key, large});
    const std::vector<Commit> refused{
        commit_of(too_many),
        commit_of({}, compares),
        commit_of(too_heavy),
        commit_of({Put{"twice", "1"}, Delete{"twice"}}),
        commit_of({Put{"", "x"}}),
        commit_of({}, {{"", {}}}),
        commit_of({Put{std::string(kMaxKeyBytes + 1, 'k'), "x"}}),
        commit_of({Put{"a", large + "x"}}),
        Commit{"", {}, {Put{"a", "x"}}},
        Commit{std::string(kMaxKeyBytes + 1, 'n'), {}, {Put{"a", "x"}}},
    };
    for (const Commit& each : refused) {
      co_await expect_error(Reason::bad_request, store().commit(each));
    }
    ListRequest none{.prefix = "", .after = {}, .limit = 0};
    co_await expect_error(Reason::bad_request, store().list(none));
    ListRequest too_long{.prefix = "", .after = {}, .limit = 1001};
    co_await expect_error(Reason::bad_request, store().list(too_long));
    const auto keys = co_await keys_under("");
    EXPECT_THAT(keys, IsEmpty());
  });
}

TEST_F(StateStoreContract, large_values_are_paged) {
  run([this]() -> Async<void> {
    const std::string large(kMaxValueBytes, 'v');
    for (int i = 0; i < 48; ++i) co_await put("big/" + std::to_string(100 + i), large);
    ListRequest request{.prefix = "big/", .after = {}};
    const auto entries = co_await list_all(request);
    EXPECT_EQ(entries.size(), 48u);
    for (const auto& entry : entries) EXPECT_EQ(entry.value.size(), large.size());
  });
}

TEST_F(StateStoreContract, concurrent_compares_let_exactly_one_win) {
  run([this]() -> Async<void> {
    const Revision start = co_await put("counter", "0");
    int won = 0;
    Scope scope(co_await current_executor(), "racers");
    for (int i = 0; i < 8; ++i) {
      scope.spawn("racer", [](StateStore& store, Commit wanted, int& wins) -> Async<void> {
        const CommitResult result = co_await store.commit(std::move(wanted));
        if (std::holds_alternative<Committed>(result)) ++wins;
      }(store(), commit_of({Put{"counter", std::to_string(i)}}, {{"counter", start}}), won));
    }
    co_await scope.join();
    EXPECT_EQ(won, 1);
  });
}

TEST_F(StateStoreContract, a_restart_keeps_everything) {
  Commit before;
  Revision revision;
  const std::string id = store().store_id();
  run([this, &before, &revision]() -> Async<void> {
    before = commit_of({Put{"a", "1"}, Put{"b", "1"}});
    co_await store().commit(before);
    revision = co_await put("a", "2");
  });
  harness_->restart();
  EXPECT_EQ(store().store_id(), id);
  run([this, &before, &revision]() -> Async<void> {
    const auto a = co_await store().get("a");
    EXPECT_EQ(a->value, "2");
    EXPECT_EQ(a->revision, revision);
    const auto settled = co_await store().settled(before.nonce);
    EXPECT_EQ(settled->number, revision.number - 1);
    ListRequest past{.prefix = "", .after = {}, .limit = 10, .at = *settled};
    const ListPage page = co_await store().list(past);
    EXPECT_EQ(page.entries.size(), 2u);
    EXPECT_EQ(page.entries[0].value, "1");
    const Revision next = co_await put("c", "1");
    EXPECT_EQ(next.number, revision.number + 1);
  });
}

}  // namespace
}  // namespace ruche::contract
