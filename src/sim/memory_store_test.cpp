#include "sim/memory_store.hpp"

#include <gtest/gtest.h>

#include "sim/sim_world.hpp"

namespace ruche::sim {
namespace {

using namespace ports;  // NOLINT: the test speaks of nothing else
using std::chrono::milliseconds;
using std::chrono::seconds;

class MemoryStoreTest : public testing::Test {
 protected:
  Commit commit_of(std::string key, std::string value, std::vector<Compare> compares = {}) {
    return {"nonce-" + std::to_string(++nonces_),
            std::move(compares),
            {Put{std::move(key), std::move(value)}}};
  }
  CommitResult commit(MemoryStore& store, Commit wanted) {
    return world_.run_now(store.commit(std::move(wanted)));
  }
  // The reason's name, or "" when nothing was thrown.
  template <class T>
  std::string reason_of(Async<T> work) {
    try {
      world_.run_now(std::move(work));
    } catch (const Error& error) {
      return std::string(error.reason_name());
    }
    return "";
  }
  // Starts work whose end is looked at later.
  struct Started {
    std::string reason = "(running)";
  };
  template <class T>
  std::shared_ptr<Started> start(Scope& scope, Async<T> work) {
    auto started = std::make_shared<Started>();
    scope.spawn("started", [](std::shared_ptr<Started> end, Async<T> inner) -> Async<void> {
      try {
        co_await std::move(inner);
        end->reason = "";
      } catch (const Error& error) {
        end->reason = std::string(error.reason_name());
      }
    }(started, std::move(work)));
    return started;
  }
  std::string value(const std::string& key) {
    const auto found = state_->current().find(key);
    return found == state_->current().end() ? "(absent)" : found->second.value;
  }

  SimWorld world_;
  std::shared_ptr<MemoryStoreState> state_ = MemoryStoreState::make(world_.clock());
  std::unique_ptr<MemoryStore> one_ = state_->open("one");
  std::unique_ptr<MemoryStore> two_ = state_->open("two");
  int nonces_ = 0;
};

TEST_F(MemoryStoreTest, a_commit_can_be_unavailable_and_then_nothing_happened) {
  one_->fail_next_commit(CommitFault::unavailable);
  EXPECT_EQ(reason_of(one_->commit(commit_of("a", "1"))), "store-unavailable");
  EXPECT_EQ(value("a"), "(absent)");
  EXPECT_EQ(reason_of(one_->commit(commit_of("a", "1"))), "");
}

TEST_F(MemoryStoreTest, an_unknown_commit_is_settled_by_sending_it_again) {
  for (const auto fault : {CommitFault::unknown_applied, CommitFault::unknown_lost}) {
    const Commit wanted = commit_of("a", std::to_string(nonces_));
    one_->fail_next_commit(fault);
    EXPECT_EQ(reason_of(one_->commit(wanted)), "store-outcome-unknown");
    const bool applied = fault == CommitFault::unknown_applied;
    EXPECT_EQ(world_.run_now(one_->settled(wanted.nonce)).has_value(), applied);
    const Revision before = state_->revision();
    const auto again = commit(*one_, wanted);
    EXPECT_EQ(std::get<Committed>(again).revision, state_->revision());
    EXPECT_EQ(state_->revision().number, before.number + (applied ? 0 : 1));
  }
}

TEST_F(MemoryStoreTest, a_commit_may_arrive_after_its_sender_gave_up_but_only_once) {
  const Commit wanted = commit_of("a", "late");
  one_->fail_next_commit(CommitFault::unknown_late);
  EXPECT_EQ(reason_of(one_->commit(wanted)), "store-outcome-unknown");
  EXPECT_EQ(value("a"), "(absent)");
  commit(*one_, wanted);
  commit(*two_, commit_of("a", "newer"));
  world_.run_for(seconds(10));
  EXPECT_EQ(value("a"), "newer");

  const Commit forgotten = commit_of("b", "late");
  one_->fail_next_commit(CommitFault::unknown_late);
  EXPECT_EQ(reason_of(one_->commit(forgotten)), "store-outcome-unknown");
  world_.run_for(seconds(10));
  EXPECT_EQ(value("b"), "late");
}

TEST_F(MemoryStoreTest, a_conflict_can_be_made_up) {
  one_->fail_next_commit(CommitFault::conflict);
  const auto result = commit(*one_, commit_of("a", "1", {{"a", {}}}));
  EXPECT_EQ(std::get<Conflict>(result).key, "a");
  EXPECT_EQ(value("a"), "(absent)");
}

TEST_F(MemoryStoreTest, the_hooks_count_commits_and_may_sever_the_host) {
  std::vector<std::string> seen;
  state_->before_commit = [&](const CommitEvent& event) {
    seen.push_back("before " + std::to_string(event.number) + " " + event.handle.host_name());
    if (event.number == 2) one_->sever();
  };
  state_->after_commit = [&](const CommitEvent& event) {
    seen.push_back("after " + std::to_string(event.number));
    if (event.number == 3) two_->sever();
  };
  EXPECT_EQ(reason_of(one_->commit(commit_of("a", "1"))), "");
  EXPECT_EQ(reason_of(one_->commit(commit_of("a", "2"))), "store-outcome-unknown");
  EXPECT_EQ(value("a"), "1");
  EXPECT_EQ(reason_of(two_->commit(commit_of("b", "1"))), "store-outcome-unknown");
  EXPECT_EQ(value("b"), "1");
  EXPECT_EQ(reason_of(two_->commit(commit_of("b", "2"))), "store-unavailable");
  EXPECT_EQ(seen, (std::vector<std::string>{"before 1 one", "after 1", "before 2 one",
                                            "before 3 two", "after 3"}));
  EXPECT_EQ(state_->commits(), 3u);
}

TEST_F(MemoryStoreTest, a_severed_host_has_no_effect_whatever_is_under_way) {
  StoreFaults slow;
  slow.min_latency = slow.max_latency = seconds(2);
  one_->set_faults(slow, world_.random());
  Scope scope(world_.executor(), "calls");
  const auto sent = start(scope, one_->commit(commit_of("a", "1")));
  const auto granted = start(scope, one_->grant(seconds(5)));
  const auto watch = one_->watch("", {1});
  const auto waiting = start(scope, watch->next());
  world_.run_for(milliseconds(500));
  one_->sever();
  world_.run_for(seconds(10));
  EXPECT_EQ(value("a"), "(absent)");
  EXPECT_EQ(sent->reason, "store-outcome-unknown");
  EXPECT_EQ(granted->reason, "store-unavailable");
  EXPECT_EQ(waiting->reason, "store-unavailable");
  world_.run(scope.join());
}

TEST_F(MemoryStoreTest, a_severed_host_leaves_nothing_that_arrives_late) {
  one_->fail_next_commit(CommitFault::unknown_late);
  EXPECT_EQ(reason_of(one_->commit(commit_of("a", "1"))), "store-outcome-unknown");
  one_->sever();
  world_.run_for(seconds(10));
  EXPECT_EQ(value("a"), "(absent)");
}

TEST_F(MemoryStoreTest, a_partitioned_host_loses_its_lease_and_misses_nothing_later) {
  const LeaseId lease = world_.run_now(one_->grant(seconds(5)));
  Commit wanted{"nonce", {}, {Put{"alive/one", "x", lease}}};
  commit(*one_, wanted);
  const auto watch = one_->watch("alive/", {1});
  EXPECT_EQ(world_.run_now(watch->next()).index(), 0u);
  one_->partition();
  EXPECT_EQ(reason_of(one_->keep_alive(lease)), "store-unavailable");
  EXPECT_EQ(reason_of(one_->get("alive/one")), "store-unavailable");
  Scope scope(world_.executor(), "watch");
  const auto waiting = start(scope, watch->next());
  world_.run_for(seconds(6));
  EXPECT_EQ(value("alive/one"), "(absent)");
  EXPECT_EQ(waiting->reason, "(running)");
  EXPECT_FALSE(world_.run_now(two_->get("alive/one")).has_value());
  one_->heal();
  world_.run(scope.join());
  EXPECT_EQ(waiting->reason, "");
  EXPECT_EQ(reason_of(one_->keep_alive(lease)), "no-such-object");
}

TEST_F(MemoryStoreTest, a_frozen_host_hears_the_answer_when_it_thaws) {
  StoreFaults slow;
  slow.min_latency = slow.max_latency = seconds(2);
  one_->set_faults(slow, world_.random());
  Scope scope(world_.executor(), "calls");
  const auto sent = start(scope, one_->commit(commit_of("a", "1")));
  world_.run_for(milliseconds(1'500));
  one_->freeze();
  world_.run_for(seconds(60));
  EXPECT_EQ(value("a"), "1");
  EXPECT_EQ(sent->reason, "(running)");
  one_->thaw();
  world_.run(scope.join());
  EXPECT_EQ(sent->reason, "");
}

TEST_F(MemoryStoreTest, a_restart_breaks_watches_and_keeps_data) {
  commit(*one_, commit_of("a", "1"));
  const auto watch = one_->watch("", {1});
  state_->restart();
  EXPECT_EQ(reason_of(watch->next()), "store-unavailable");
  EXPECT_EQ(value("a"), "1");
  const auto again = one_->watch("", {1});
  EXPECT_EQ(reason_of(again->next()), "");
  one_->break_watches();
  EXPECT_EQ(reason_of(again->next()), "store-unavailable");
  const auto other = two_->watch("", {1});
  EXPECT_EQ(reason_of(other->next()), "");
}

TEST_F(MemoryStoreTest, history_is_kept_for_an_hour) {
  commit(*one_, commit_of("a", "1"));
  world_.run_for(std::chrono::minutes(59));
  commit(*one_, commit_of("a", "2"));
  EXPECT_EQ(state_->compacted().number, 0);
  world_.run_for(std::chrono::minutes(2));
  commit(*one_, commit_of("a", "3"));
  EXPECT_EQ(state_->compacted().number, 1);
}

TEST_F(MemoryStoreTest, losing_a_lease_deletes_its_keys) {
  const LeaseId lease = world_.run_now(one_->grant(seconds(60)));
  Commit wanted{"nonce", {}, {Put{"a", "x", lease}}};
  commit(*one_, wanted);
  state_->lose_lease(lease);
  EXPECT_EQ(value("a"), "(absent)");
  EXPECT_EQ(reason_of(one_->keep_alive(lease)), "no-such-object");
}

// --- many hosts, every fault at once --------------------------------------------------------

StoreFaults everything_goes_wrong() {
  StoreFaults faults;
  faults.unavailable = 0.05;
  faults.unknown_applied = 0.05;
  faults.unknown_lost = 0.05;
  faults.unknown_late = 0.05;
  faults.conflict = 0.05;
  faults.compacted = 0.02;
  faults.min_latency = milliseconds(1);
  faults.max_latency = milliseconds(200);
  return faults;
}

// Adds one to the counter exactly once, whatever happens: the protocol that every user of the store
// follows.
Async<void> add_one(MemoryStore& store, Clock& clock, std::string nonce) {
  for (int attempt = 0;; ++attempt) {
    bool again = false;
    Commit wanted{nonce + "/" + std::to_string(attempt), {}, {}};
    while (true) {
      again = false;
      try {
        if (wanted.writes.empty()) {
          const auto entry = co_await store.get("counter");
          const int now = entry ? std::stoi(entry->value) : 0;
          wanted.compares = {{"counter", entry ? entry->revision : Revision{}}};
          wanted.writes = {Put{"counter", std::to_string(now + 1)}};
        }
        const CommitResult result = co_await store.commit(wanted);
        if (std::holds_alternative<Committed>(result)) co_return;
        break;  // a conflict: read again, under a new nonce
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::unavailable);
        again = true;
      }
      if (again) co_await sleep_for(clock, milliseconds(50));
    }
  }
}

struct ChaosResult {
  std::uint64_t trace;
  std::string counter;
  std::vector<std::string> seen;
};

Async<void> follow(MemoryStore& store, std::string last, std::vector<std::string>& seen) {
  Revision from{1};
  auto watch = store.watch("counter", from);
  while (seen.empty() || seen.back() != last) {
    try {
      const auto item = co_await watch->next();
      if (const auto* batch = std::get_if<Batch>(&item)) {
        from = {batch->revision.number + 1};
        seen.push_back(*batch->changes.at(0).value);
        continue;
      }
    } catch (const Error& error) {
      EXPECT_EQ(error.reason(), Reason::store_unavailable);
    }
    watch = store.watch("counter", from);  // nothing is really compacted here
  }
}

ChaosResult chaos(std::uint64_t seed) {
  constexpr int kHosts = 3;
  constexpr int kIncrements = 10;
  SimWorld world(seed);
  const auto state = MemoryStoreState::make(world.clock());
  state->before_commit = [&](const CommitEvent& event) { world.note(event.commit.nonce); };
  std::vector<std::unique_ptr<MemoryStore>> stores;
  Scope scope(world.executor(), "hosts");
  ChaosResult result;
  for (int host = 0; host < kHosts; ++host) {
    stores.push_back(state->open("host-" + std::to_string(host)));
    stores.back()->set_faults(everything_goes_wrong(), world.random());
    scope.spawn("host", [](MemoryStore& store, Clock& clock, int number) -> Async<void> {
      for (int i = 0; i < kIncrements; ++i) {
        co_await add_one(store, clock, std::to_string(number) + "/" + std::to_string(i));
      }
    }(*stores.back(), world.clock(), host));
  }
  scope.spawn("follower", follow(*stores[0], std::to_string(kHosts * kIncrements), result.seen));
  scope.spawn("troubles", [](SimWorld& within, MemoryStore& store) -> Async<void> {
    for (int i = 0; i < 5; ++i) {
      co_await sleep_for(within.clock(), milliseconds(300));
      store.partition();
      co_await sleep_for(within.clock(), milliseconds(200));
      store.heal();
      store.break_watches();
    }
  }(world, *stores[0]));
  world.run(scope.join());
  world.run_for(seconds(10));  // what is late arrives
  result.trace = world.trace_hash();
  result.counter = state->current().at("counter").value;
  return result;
}

TEST(MemoryStoreChaos, every_increment_happens_exactly_once) {
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    const auto result = chaos(seed);
    EXPECT_EQ(result.counter, "30") << "seed " << seed;
    ASSERT_EQ(result.seen.size(), 30u) << "seed " << seed;
    for (std::size_t i = 0; i < 30; ++i) {
      EXPECT_EQ(result.seen[i], std::to_string(i + 1)) << "seed " << seed;
    }
  }
}

TEST(MemoryStoreChaos, a_seed_replays_exactly) {
  EXPECT_EQ(chaos(7).trace, chaos(7).trace);
  EXPECT_NE(chaos(7).trace, chaos(8).trace);
}

}  // namespace
}  // namespace ruche::sim
