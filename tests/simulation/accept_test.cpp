#include "core/tasks/accept.hpp"

#include "core_fixture.hpp"

namespace ruche::core {
namespace {

using keys::DocumentKind;
using model::Facet;

class AcceptTest : public CoreTest {
 protected:
  AcceptTest() {
    put_guest(1, "web1", self_);
    here_ = node();
  }
  std::function<Proposal(Draft&)> propose(std::vector<Facet> claims, bool force = false) {
    return [this, claims, force](Draft&) {
      Proposal proposal{"vm.stop", "Stop web1", {model::ObjectKind::guest, id(1), "web1"},
                        claims,    self_,       {model::StopMachine{{id(1)}}}};
      proposal.cancel_holders = force;
      return proposal;
    };
  }
  Accepted ask(const Caller& caller, std::function<Proposal(Draft&)> proposal) {
    return world_.run_now(accept(here_->writer, caller, std::move(proposal)));
  }
  Reason refused(const Caller& caller, std::function<Proposal(Draft&)> proposal) {
    try {
      ask(caller, std::move(proposal));
    } catch (const Error& error) {
      return error.reason();
    }
    return Reason::internal_error;
  }
  Caller keyed(std::string key, std::string fingerprint = "f") {
    Caller caller;
    caller.idempotency_key = std::move(key);
    caller.request_fingerprint = std::move(fingerprint);
    return caller;
  }
  const model::Task& task(model::TaskId id) { return here_->inventory.tasks().at(id.value)->value; }
  std::size_t tasks() { return here_->inventory.tasks().size(); }

  model::HostId self_{id(901)};
  std::unique_ptr<CoreNode> here_;
};

TEST_F(AcceptTest, OneCommitWritesTheTaskAndItsClaims) {
  const auto before = state_->commits();
  const auto accepted = ask({}, propose({Facet::power}));
  EXPECT_EQ(state_->commits() - before, 1u);
  EXPECT_EQ(task(accepted.task.id).state, model::TaskState::waiting);
  const auto& claims = here_->inventory.find_guest("web1")->placement->value.claims;
  ASSERT_EQ(claims.size(), 1u);
  EXPECT_EQ(claims[0].task, accepted.task.id);
  EXPECT_EQ(here_->inventory.revision(), accepted.revision);
}

TEST_F(AcceptTest, ClaimsExcludeEachOther) {
  EXPECT_TRUE(conflicts(Facet::power, Facet::power));
  EXPECT_FALSE(conflicts(Facet::power, Facet::configuration));
  for (const auto facet : {Facet::power, Facet::configuration, Facet::storage, Facet::memory}) {
    EXPECT_TRUE(conflicts(facet, Facet::existence));
    EXPECT_TRUE(conflicts(Facet::existence, facet));
  }
}

TEST_F(AcceptTest, AConflictNamesTheTaskThatHoldsTheClaim) {
  const auto first = ask({}, propose({Facet::power}));
  try {
    ask({}, propose({Facet::power}));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.reason(), Reason::claimed);
    EXPECT_NE(error.message().find(to_text(first.task.id)), std::string::npos);
    EXPECT_NE(error.remedy_text().find("ruche task cancel"), std::string::npos);
  }
  EXPECT_EQ(tasks(), 1u);
  // Another part of the guest is free.
  ask({}, propose({Facet::configuration}));
  EXPECT_EQ(refused({}, propose({Facet::existence})), Reason::claimed);
}

TEST_F(AcceptTest, ForceAsksTheHolderToEndAndQueuesBehindIt) {
  const auto first = ask({}, propose({Facet::power}));
  const auto second = ask({}, propose({Facet::power}, true));
  EXPECT_EQ(task(first.task.id).cancel_requested, model::CancelKind::user);
  const auto& claims = here_->inventory.find_guest("web1")->placement->value.claims;
  ASSERT_EQ(claims.size(), 2u);
  EXPECT_EQ(claims[0].task, first.task.id);
  EXPECT_EQ(claims[1].task, second.task.id);
}

TEST_F(AcceptTest, ADryRunChangesNothingAndIsRefusedLikeTheRealThing) {
  Caller dry;
  dry.dry_run = true;
  const auto before = state_->revision();
  const auto accepted = ask(dry, propose({Facet::power}));
  EXPECT_TRUE(accepted.dry_run);
  EXPECT_EQ(accepted.task.plan.size(), 1u);
  EXPECT_EQ(state_->revision(), before);
  ask({}, propose({Facet::power}));
  EXPECT_EQ(refused(dry, propose({Facet::power})), Reason::claimed);
}

TEST_F(AcceptTest, TheSameKeyIsAnsweredWithTheSameTask) {
  const auto first = ask(keyed("k"), propose({Facet::power}));
  const auto again = ask(keyed("k"), propose({Facet::power}));
  EXPECT_TRUE(again.replayed);
  EXPECT_EQ(again.task.id, first.task.id);
  EXPECT_EQ(tasks(), 1u);
  EXPECT_EQ(refused(keyed("k", "another request"), propose({Facet::power})),
            Reason::idempotency_key_reused);
  // Another user's key is another key.
  auto other = keyed("k");
  other.user = "other";
  EXPECT_EQ(refused(other, propose({Facet::power})), Reason::claimed);
}

TEST_F(AcceptTest, AKeyMayHaveSlashes) {
  const auto first = ask(keyed("a/b/c"), propose({Facet::power}));
  EXPECT_EQ(ask(keyed("a/b/c"), propose({Facet::power})).task.id, first.task.id);
}

TEST_F(AcceptTest, TwoOfTheSameAtTheSameTimeMakeOneTask) {
  const auto there = node("beta");
  std::vector<Accepted> answers;
  auto one = [&](Writer& writer) -> Async<void> {
    auto accepted = co_await accept(writer, keyed("k"), propose({Facet::power}));
    answers.push_back(std::move(accepted));
  };
  here_->scope.spawn("one", one(here_->writer));
  there->scope.spawn("two", one(there->writer));
  settle();
  ASSERT_EQ(answers.size(), 2u);
  EXPECT_EQ(answers[0].task.id, answers[1].task.id);
  EXPECT_EQ(tasks(), 1u);
  EXPECT_EQ(answers[0].replayed + answers[1].replayed, 1);
}

TEST_F(AcceptTest, AnAnswerWaitsUntilItsTaskIsSeen) {
  const auto there = node("beta");
  const auto first = ask(keyed("k"), propose({Facet::power}));
  // Beta hears of it late.
  sim::StoreFaults slow;
  slow.min_latency = slow.max_latency = std::chrono::milliseconds(1);
  there->store->set_faults(slow, world_.random());
  const auto again = world_.run_now(accept(there->writer, keyed("k"), propose({Facet::power})));
  EXPECT_EQ(again.task.id, first.task.id);
  EXPECT_EQ(again.task.state, model::TaskState::waiting);
}

TEST_F(AcceptTest, IfMatchIsTheRevisionThatWasSeen) {
  Caller caller;
  EXPECT_NO_THROW(check_if_match(caller, {7}));
  caller.if_match = ports::Revision{7};
  EXPECT_NO_THROW(check_if_match(caller, {7}));
  EXPECT_THROW(check_if_match(caller, {8}), Error);
}

}  // namespace
}  // namespace ruche::core
