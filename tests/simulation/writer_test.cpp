#include "core_fixture.hpp"

namespace ruche::core {
namespace {

using keys::DocumentKind;
using sim::CommitFault;

class WriterTest : public CoreTest {
 protected:
  WriterTest() {
    put_guest(1, "web1", {id(901)});
    here_ = node();
  }
  std::function<void(Draft&)> describe(std::string text) {
    return [this, text](Draft& draft) {
      ++plans_;
      draft.guest({id(1)}).description += text;
    };
  }
  // At once, inside of a plan: another host is quicker. The inventory hears of it later.
  void put_now(const model::Guest& guest, int number = 1) {
    other_ = state_->open("quicker");
    ports::Commit commit;
    commit.nonce = "quicker";
    const auto key = keys::guest_spec({id(number)});
    commit.writes.push_back(
        ports::Put{key, documents::encode(DocumentKind::guest_spec, guest), {}});
    auto send = [](sim::MemoryStore& store, ports::Commit quick) -> Async<void> {
      co_await store.commit(std::move(quick));
    };
    here_->scope.spawn("quicker", send(*other_, std::move(commit)));
  }
  std::string description() { return read()->description; }
  std::expected<model::Guest, Error> read() {
    return documents::decode<model::Guest>(DocumentKind::guest_spec,
                                           state_->current().at(keys::guest_spec({id(1)})).value);
  }

  std::unique_ptr<sim::MemoryStore> other_;
  std::unique_ptr<CoreNode> here_;
  int plans_ = 0;
};

TEST_F(WriterTest, WhatWasWrittenIsSeenAtOnce) {
  const auto revision = world_.run_now(here_->writer.transact(describe("a")));
  EXPECT_EQ(here_->inventory.revision(), revision);
  EXPECT_EQ(here_->inventory.find_guest("web1")->spec->value.description, "a");
  EXPECT_EQ(here_->writer.commits(), 1u);
}

TEST_F(WriterTest, AnEmptyDraftCommitsNothing) {
  const auto before = state_->commits();
  world_.run_now(here_->writer.transact([](Draft&) {}));
  EXPECT_EQ(state_->commits(), before);
}

TEST_F(WriterTest, ARefusalWritesNothing) {
  const auto refuse = [this](Draft& draft) {
    draft.guest({id(1)}).description = "no";
    throw Error(Reason::wrong_state, "no");
  };
  EXPECT_THROW(world_.run_now(here_->writer.transact(refuse)), Error);
  EXPECT_EQ(description(), "");
}

TEST_F(WriterTest, AfterAConflictItPlansAgainOnTheNews) {
  // The watch is slow: the inventory does not know yet what another host wrote.
  auto theirs = *read();
  theirs.description = "theirs ";
  sim::StoreFaults slow;
  slow.min_latency = slow.max_latency = std::chrono::milliseconds(50);
  here_->store->set_faults(slow, world_.random());
  auto late = [&]() -> Async<void> {
    co_await here_->writer.transact([&](Draft& draft) {
      draft.guest({id(1)}).description += "ours";
      if (++plans_ == 1) put_now(theirs);
    });
  };
  world_.run(late());
  EXPECT_EQ(plans_, 2);
  EXPECT_EQ(description(), "theirs ours");
}

TEST_F(WriterTest, ASpuriousConflictIsTriedAgain) {
  here_->store->fail_next_commit(CommitFault::conflict);
  world_.run_now(here_->writer.transact(describe("a")));
  EXPECT_EQ(description(), "a");
}

TEST_F(WriterTest, UnknownThatHappenedHappensOnce) {
  here_->store->fail_next_commit(CommitFault::unknown_applied);
  world_.run_now(here_->writer.transact(describe("a")));
  EXPECT_EQ(plans_, 1);
  EXPECT_EQ(description(), "a");
}

TEST_F(WriterTest, UnknownThatWasLostIsSentAgain) {
  here_->store->fail_next_commit(CommitFault::unknown_lost);
  world_.run_now(here_->writer.transact(describe("a")));
  EXPECT_EQ(description(), "a");
}

TEST_F(WriterTest, ACopyThatArrivesLateChangesNothing) {
  here_->store->fail_next_commit(CommitFault::unknown_late);
  world_.run_now(here_->writer.transact(describe("a")));
  world_.run_now(here_->writer.transact(describe("b")));
  settle();
  EXPECT_EQ(description(), "ab");
}

TEST_F(WriterTest, AStoreThatIsAwayRefusesAndNothingHappened) {
  here_->store->fail_next_commit(CommitFault::unavailable);
  try {
    world_.run_now(here_->writer.transact(describe("a")));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.reason(), Reason::store_unavailable);
  }
  EXPECT_EQ(description(), "");
}

TEST_F(WriterTest, AStoreThatStaysAwayAfterAnUnknownOutcomeIsSaid) {
  here_->store->fail_next_commit(CommitFault::unknown_applied);
  auto cut = [](sim::SimWorld& world, sim::MemoryStore& store) -> Async<void> {
    co_await sleep_for(world.clock(), std::chrono::milliseconds(1));
    store.partition();
  };
  here_->scope.spawn("cut", cut(world_, *here_->store));
  try {
    world_.run_now(here_->writer.transact(describe("a")));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.reason(), Reason::store_outcome_unknown);
    EXPECT_FALSE(error.remedy_text().empty());
  }
}

TEST_F(WriterTest, InsistingOutlastsAnOutage) {
  here_->store->partition();
  auto heal = [](sim::SimWorld& world, sim::MemoryStore& store) -> Async<void> {
    co_await sleep_for(world.clock(), std::chrono::minutes(10));
    store.heal();
  };
  here_->scope.spawn("heal", heal(world_, *here_->store));
  world_.run_now(here_->writer.insist(describe("a")));
  EXPECT_EQ(description(), "a");
}

TEST_F(WriterTest, WritersTakeTurnsInOrder) {
  for (const char* text : {"a", "b", "c", "d"}) {
    auto write = [](Writer& writer, std::function<void(Draft&)> change) -> Async<void> {
      co_await writer.transact(std::move(change));
    };
    here_->scope.spawn(text, write(here_->writer, describe(text)));
  }
  settle();
  EXPECT_EQ(description(), "abcd");
  EXPECT_EQ(plans_, 4);  // no conflict among themselves
}

TEST_F(WriterTest, ACancelledWriterLetsTheNextOneIn) {
  sim::StoreFaults slow;
  slow.min_latency = slow.max_latency = std::chrono::seconds(1);
  here_->store->set_faults(slow, world_.random());
  auto write = [](Writer& writer, std::function<void(Draft&)> change) -> Async<void> {
    co_await writer.transact(std::move(change));
  };
  auto impatient = [&](std::string text) -> Async<void> {
    try {
      co_await with_deadline(world_.clock(), Duration{100}, "it",
                             write(here_->writer, describe(text)));
    } catch (const Error&) {
      // Its turn is over; whether it happened is unknown.
    }
  };
  here_->scope.spawn("first", impatient("a"));
  here_->scope.spawn("second", impatient("b"));
  here_->scope.spawn("third", write(here_->writer, describe("c")));
  world_.run_for(std::chrono::minutes(1));
  EXPECT_TRUE(description().ends_with("c")) << description();
}

TEST_F(WriterTest, WhatADecisionRestsOnIsCompared) {
  put_guest(2, "web2", {id(901)});
  settle();
  sim::StoreFaults slow;
  slow.min_latency = slow.max_latency = std::chrono::milliseconds(50);
  here_->store->set_faults(slow, world_.random());
  const auto other = keys::guest_spec({id(2)});
  world_.run_now(here_->writer.transact([&](Draft& draft) {
    draft.depend(other);
    draft.guest({id(1)}).description += "x";
    if (++plans_ == 1) put_now({}, 2);
  }));
  EXPECT_EQ(plans_, 2);
}

TEST_F(WriterTest, ANameIsTakenOnce) {
  const auto take = [this](Draft& draft) { draft.take_name("vm", "web1", id(2)); };
  try {
    world_.run_now(here_->writer.transact(take));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.reason(), Reason::name_in_use);
    EXPECT_EQ(error.field(), "/name");
  }
  world_.run_now(here_->writer.transact([this](Draft& draft) {
    draft.free_name("vm", "web1");
    draft.take_name("vm", "web1", id(2));
  }));
  EXPECT_EQ(here_->inventory.name_holder("vm", "web1"), id(2));
}

}  // namespace
}  // namespace ruche::core
