#include "base/async.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/stepped_loop.hpp"

namespace ruche {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Trace = std::vector<std::string>;

struct AsyncTest : ::testing::Test {
  SteppedLoop loop;
  Trace trace;

  Clock& clock() { return loop.clock(); }
  Scope make_scope() { return Scope(loop.executor(), "test"); }
};

Async<void> note(Trace& trace, std::string line) {
  trace.push_back(std::move(line));
  co_return;
}

// Says how it ended.
Async<void> sleeper(Clock& clock, Trace& trace, std::string name, milliseconds duration) {
  try {
    co_await sleep_for(clock, duration);
    trace.push_back(name + " slept");
  } catch (const Cancelled& cancelled) {
    trace.push_back(name + " cancelled by " + std::string(to_string(cancelled.reason())));
    throw;
  }
}

Async<void> fail_after(Clock& clock, milliseconds duration, std::string message) {
  co_await sleep_for(clock, duration);
  throw Error(Reason::io_failed, message);
}

template <class Work>
std::string failure_of(SteppedLoop& loop, Work work) {
  try {
    loop.run(std::move(work));
    return "none";
  } catch (const Error& error) {
    return error.full_message();
  } catch (const Cancelled& cancelled) {
    return "cancelled by " + std::string(to_string(cancelled.reason()));
  }
}

// --- Scope ---------------------------------------------------------------------------------------

TEST_F(AsyncTest, ChildrenStartInOrderAndNotInsideTheSpawner) {
  loop.run([](AsyncTest& t) -> Async<void> {
    Scope scope = t.make_scope();
    for (const char* name : {"a", "b", "c"}) scope.spawn(name, note(t.trace, name));
    t.trace.push_back("spawned");
    EXPECT_EQ(scope.running(), 3u);
    co_await scope.join();
    EXPECT_EQ(scope.running(), 0u);
    EXPECT_FALSE(scope.cancelled());
  }(*this));
  EXPECT_EQ(trace, (Trace{"spawned", "a", "b", "c"}));
}

TEST_F(AsyncTest, JoinOfAnEmptyScopeReturnsAtOnce) {
  loop.run([](AsyncTest& t) -> Async<void> {
    Scope scope = t.make_scope();
    co_await scope.join();
  }(*this));
}

TEST_F(AsyncTest, CancelReachesChildrenInOrderWithTheFirstReason) {
  loop.run([](AsyncTest& t) -> Async<void> {
    Scope scope = t.make_scope();
    scope.spawn("a", sleeper(t.clock(), t.trace, "a", seconds(10)));
    scope.spawn("b", sleeper(t.clock(), t.trace, "b", seconds(10)));
    co_await sleep_for(t.clock(), seconds(1));
    scope.cancel(CancelReason::lost_leadership);
    scope.cancel(CancelReason::user);
    co_await scope.join();
  }(*this));
  EXPECT_EQ(trace, (Trace{"a cancelled by lost-leadership", "b cancelled by lost-leadership"}));
  EXPECT_EQ(loop.clock().armed(), 0u);
  EXPECT_EQ(loop.clock().now().since_start, seconds(1));
}

TEST_F(AsyncTest, AChildSpawnedIntoACancelledScopeNeverRuns) {
  loop.run([](AsyncTest& t) -> Async<void> {
    Scope scope = t.make_scope();
    scope.spawn("before", note(t.trace, "before"));
    scope.cancel(CancelReason::user);
    scope.spawn("after", note(t.trace, "after"));
    co_await scope.join();
  }(*this));
  EXPECT_EQ(trace, Trace{});
}

TEST_F(AsyncTest, AFailureCancelsTheSiblingsAndIsRethrown) {
  const std::string failure = failure_of(loop, [](AsyncTest& t) -> Async<void> {
    Scope scope = t.make_scope();
    scope.spawn("a", sleeper(t.clock(), t.trace, "a", seconds(10)));
    scope.spawn("b", fail_after(t.clock(), seconds(1), "disk on fire"));
    scope.spawn("c", fail_after(t.clock(), seconds(2), "too late"));
    co_await scope.join();
  }(*this));
  EXPECT_EQ(failure, "disk on fire");
  EXPECT_EQ(trace, Trace{"a cancelled by shutdown"});
}

TEST_F(AsyncTest, AChildThatEndsByACancellationOfItsOwnIsNoFailure) {
  loop.run([](AsyncTest& t) -> Async<void> {
    Scope scope = t.make_scope();
    scope.spawn("a", [](AsyncTest& u) -> Async<void> {
      Scope inner = u.make_scope();
      inner.spawn("x", sleeper(u.clock(), u.trace, "x", seconds(1)));
      inner.cancel(CancelReason::user);
      co_await inner.join();
      throw Cancelled(CancelReason::user);
    }(t));
    scope.spawn("b", sleeper(t.clock(), t.trace, "b", seconds(1)));
    co_await scope.join();
    EXPECT_FALSE(scope.cancelled());
  }(*this));
  EXPECT_EQ(trace, Trace{"b slept"});
}

Async<void> join_and_tell(AsyncTest& t) {
  Scope inner = t.make_scope();
  inner.spawn("leaf", sleeper(t.clock(), t.trace, "leaf", seconds(10)));
  inner.spawn("tidy", with_undo(sleeper(t.clock(), t.trace, "tidy", seconds(10)),
                                [&t] { return sleeper(t.clock(), t.trace, "undo", seconds(5)); }));
  try {
    co_await inner.join();
  } catch (const Cancelled& cancelled) {
    t.trace.push_back("join: " + std::string(to_string(cancelled.reason())));
    throw;
  }
}

TEST_F(AsyncTest, ACancelledJoinerPassesItOnKeepsWaitingAndThenThrows) {
  loop.run([](AsyncTest& t) -> Async<void> {
    Scope outer = t.make_scope();
    outer.spawn("joiner", join_and_tell(t));
    co_await sleep_for(t.clock(), seconds(1));
    outer.cancel(CancelReason::user);
    co_await outer.join();
  }(*this));
  EXPECT_EQ(trace, (Trace{"leaf cancelled by user", "tidy cancelled by user", "undo slept",
                          "join: user"}));
  EXPECT_EQ(loop.clock().now().since_start, seconds(6));
}

TEST_F(AsyncTest, JoinMayBeCalledByACoroutineThatIsAlreadyCancelled) {
  loop.run([](AsyncTest& t) -> Async<void> {
    Scope outer = t.make_scope();
    outer.spawn("owner", [](AsyncTest& u) -> Async<void> {
      Scope inner = u.make_scope();
      inner.spawn("leaf", sleeper(u.clock(), u.trace, "leaf", seconds(10)));
      std::exception_ptr failure;
      try {
        co_await sleep_for(u.clock(), seconds(20));
      } catch (const Cancelled&) {
        failure = std::current_exception();
      }
      EXPECT_TRUE(is_cancellation(failure));
      co_await inner.join();
    }(t));
    co_await sleep_for(t.clock(), seconds(1));
    outer.cancel(CancelReason::shutdown);
    co_await outer.join();
  }(*this));
  EXPECT_EQ(trace, Trace{"leaf cancelled by shutdown"});
}

TEST_F(AsyncTest, AChildMayCancelItsOwnScopeAndSpawnIntoIt) {
  loop.run([](AsyncTest& t) -> Async<void> {
    Scope scope = t.make_scope();
    scope.spawn("a", [](AsyncTest& u, Scope& s) -> Async<void> {
      s.spawn("child", sleeper(u.clock(), u.trace, "child", seconds(9)));
      co_await sleep_for(u.clock(), seconds(1));
      s.cancel(CancelReason::user);
      co_await note(u.trace, "calling coroutines still works");
      co_await sleep_for(u.clock(), seconds(1));
      u.trace.push_back("not reached");
    }(t, scope));
    co_await scope.join();
  }(*this));
  EXPECT_EQ(trace, (Trace{"calling coroutines still works", "child cancelled by user"}));
}

TEST_F(AsyncTest, CancellationThatArrivesWithTheWakingIsSeenByTheNextWait) {
  loop.run([](AsyncTest& t) -> Async<void> {
    Scope scope = t.make_scope();
    scope.spawn("a", [](AsyncTest& u) -> Async<void> {
      co_await sleep_for(u.clock(), seconds(1));
      u.trace.push_back("woken");
      co_await sleep_for(u.clock(), seconds(1));
      u.trace.push_back("not reached");
    }(t));
    co_await sleep_for(t.clock(), seconds(0));
    // Fires after the child's timer, before the child goes on.
    t.clock().arm(Instant{seconds(1)}, [&] { scope.cancel(CancelReason::user); });
    co_await scope.join();
  }(*this));
  EXPECT_EQ(trace, Trace{"woken"});
}

TEST_F(AsyncTest, ThrowIfCancelledSeesItWithoutAWait) {
  loop.run([](AsyncTest& t) -> Async<void> {
    Scope scope = t.make_scope();
    scope.spawn("a", [](AsyncTest& u, Scope& s) -> Async<void> {
      co_await throw_if_cancelled();
      s.cancel(CancelReason::user);
      co_await throw_if_cancelled();
      u.trace.push_back("not reached");
    }(t, scope));
    co_await scope.join();
  }(*this));
  EXPECT_EQ(trace, Trace{});
}

TEST_F(AsyncTest, TheFrameOfAChildIsGoneWhenJoinReturns) {
  loop.run([](AsyncTest& t) -> Async<void> {
    const auto token = std::make_shared<int>(1);
    Scope scope = t.make_scope();
    scope.spawn("a", [](std::shared_ptr<int> held, Clock& clock) -> Async<void> {
      co_await sleep_for(clock, seconds(1));
      EXPECT_EQ(*held, 1);
    }(token, t.clock()));
    scope.spawn("never", [](std::shared_ptr<int> held) -> Async<void> {
      EXPECT_EQ(*held, 1);
      co_return;
    }(token));
    scope.cancel(CancelReason::user);
    co_await scope.join();
    EXPECT_EQ(token.use_count(), 1);
    Scope second = t.make_scope();
    second.spawn("b", [](std::shared_ptr<int> held, Clock& clock) -> Async<void> {
      co_await sleep_for(clock, seconds(1));
      EXPECT_EQ(*held, 1);
    }(token, t.clock()));
    co_await second.join();
    EXPECT_EQ(token.use_count(), 1);
  }(*this));
}

using AsyncDeathTest = AsyncTest;
TEST_F(AsyncDeathTest, AScopeWithLivingChildrenAborts) {
  EXPECT_DEATH(
      {
        Scope scope = make_scope();
        scope.spawn("forgotten", note(trace, "x"));
      },
      "scope \"test\" ended before its child \"forgotten\"");
}

TEST_F(AsyncTest, AThousandNestedScopesEndInOrder) {
  loop.run([](AsyncTest& t) -> Async<void> {
    Scope scope = t.make_scope();
    for (int i = 0; i < 1000; ++i) {
      scope.spawn("x", sleeper(t.clock(), t.trace, std::to_string(i), milliseconds(10)));
    }
    co_await scope.join();
  }(*this));
  ASSERT_EQ(trace.size(), 1000u);
  for (std::size_t i = 0; i < 1000; ++i) EXPECT_EQ(trace[i], std::to_string(i) + " slept");
}

// --- all -----------------------------------------------------------------------------------------

TEST_F(AsyncTest, AllRunsTogether) {
  loop.run([](AsyncTest& t) -> Async<void> {
    std::vector<Async<void>> works;
    works.push_back(sleeper(t.clock(), t.trace, "slow", seconds(3)));
    works.push_back(sleeper(t.clock(), t.trace, "fast", seconds(1)));
    co_await all(std::move(works));
  }(*this));
  EXPECT_EQ(trace, (Trace{"fast slept", "slow slept"}));
  EXPECT_EQ(loop.clock().now().since_start, seconds(3));
}

TEST_F(AsyncTest, AllRethrowsTheFirstFailureAfterTheOthersEnded) {
  const std::string failure = failure_of(loop, [](AsyncTest& t) -> Async<void> {
    std::vector<Async<void>> works;
    works.push_back(sleeper(t.clock(), t.trace, "slow", seconds(3)));
    works.push_back(fail_after(t.clock(), seconds(1), "no"));
    co_await all(std::move(works));
  }(*this));
  EXPECT_EQ(failure, "no");
  EXPECT_EQ(trace, Trace{"slow cancelled by shutdown"});
}

TEST_F(AsyncTest, AllOfNothing) { loop.run(all({})); }

// --- deadlines -----------------------------------------------------------------------------------

Async<int> answer_after(Clock& clock, milliseconds duration) {
  co_await sleep_for(clock, duration);
  co_return 42;
}

TEST_F(AsyncTest, WithDeadlineReturnsTheValueInTime) {
  EXPECT_EQ(run_now(loop, with_deadline(clock(), seconds(2), "the question",
                                        answer_after(clock(), seconds(1)))),
            42);
  EXPECT_EQ(loop.clock().armed(), 0u);
}

TEST_F(AsyncTest, WithDeadlineThrowsAfterTheWorkHasEnded) {
  const std::string failure = failure_of(
      loop,
      with_deadline(clock(), seconds(2), "the nap", sleeper(clock(), trace, "work", seconds(5))));
  EXPECT_EQ(failure, "the nap took longer than 2 s");
  EXPECT_EQ(trace, Trace{"work cancelled by deadline"});
}

TEST_F(AsyncTest, WithDeadlineOfAValueReportsTheReason) {
  try {
    run_now(loop,
            with_deadline(clock(), seconds(2), "the question", answer_after(clock(), seconds(5))));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.reason(), Reason::deadline);
    EXPECT_EQ(error.code(), ErrorCode::deadline_exceeded);
  }
}

TEST_F(AsyncTest, WithDeadlinePassesErrorsOn) {
  EXPECT_EQ(failure_of(loop, with_deadline(clock(), seconds(2), "x",
                                           fail_after(clock(), seconds(1), "broken"))),
            "broken");
}

TEST_F(AsyncTest, TheDeadlineOfAnUndoThatFailsAfterItReportsTheFailure) {
  EXPECT_EQ(failure_of(loop, with_deadline(clock(), seconds(1), "x",
                                           [](Clock& c) -> Async<void> {
                                             bool late = false;
                                             try {
                                               co_await sleep_for(c, seconds(5));
                                             } catch (const Cancelled&) {
                                               late = true;
                                             }
                                             if (late) throw Error(Reason::io_failed, "half done");
                                           }(clock()))),
            "half done");
}

TEST_F(AsyncTest, ACancellationFromOutsideIsNotALateness) {
  loop.run([](AsyncTest& t) -> Async<void> {
    Scope scope = t.make_scope();
    scope.spawn("a", [](AsyncTest& u) -> Async<void> {
      try {
        co_await with_deadline(u.clock(), seconds(10), "x",
                               sleeper(u.clock(), u.trace, "work", seconds(20)));
      } catch (const Cancelled& cancelled) {
        u.trace.push_back("outside: " + std::string(to_string(cancelled.reason())));
        throw;
      }
    }(t));
    co_await sleep_for(t.clock(), seconds(1));
    scope.cancel(CancelReason::user);
    co_await scope.join();
  }(*this));
  EXPECT_EQ(trace, (Trace{"work cancelled by user", "outside: user"}));
  EXPECT_EQ(loop.clock().armed(), 0u);
}

TEST_F(AsyncTest, NestedDeadlinesTheInnerOneIsAnErrorForTheOuter) {
  EXPECT_EQ(
      failure_of(loop, with_deadline(clock(), seconds(5), "outer",
                                     with_deadline(clock(), seconds(1), "inner",
                                                   sleeper(clock(), trace, "w", seconds(9))))),
      "inner took longer than 1 s");
  EXPECT_EQ(
      failure_of(loop, with_deadline(clock(), seconds(1), "outer",
                                     with_deadline(clock(), seconds(5), "inner",
                                                   sleeper(clock(), trace, "w", seconds(9))))),
      "outer took longer than 1 s");
}

TEST_F(AsyncTest, WorkThatEndsByACancellationOfItsOwnIsNotLate) {
  EXPECT_EQ(failure_of(loop, with_deadline(clock(), seconds(5), "x",
                                           []() -> Async<void> {
                                             throw Cancelled(CancelReason::user);
                                             co_return;
                                           }())),
            "cancelled by user");
}

// --- undo ----------------------------------------------------------------------------------------

TEST_F(AsyncTest, UninterruptedRunsToItsEndAndTheCancellationComesAfterwards) {
  loop.run([](AsyncTest& t) -> Async<void> {
    Scope scope = t.make_scope();
    scope.spawn("a", [](AsyncTest& u) -> Async<void> {
      co_await uninterrupted(sleeper(u.clock(), u.trace, "undo", seconds(5)));
      u.trace.push_back("undone");
      co_await sleeper(u.clock(), u.trace, "more", seconds(5));
    }(t));
    co_await sleep_for(t.clock(), seconds(1));
    scope.cancel(CancelReason::user);
    co_await scope.join();
  }(*this));
  EXPECT_EQ(trace, (Trace{"undo slept", "undone", "more cancelled by user"}));
  EXPECT_EQ(loop.clock().now().since_start, seconds(5));
}

TEST_F(AsyncTest, UninterruptedWorksInACoroutineThatIsAlreadyCancelled) {
  loop.run([](AsyncTest& t) -> Async<void> {
    Scope scope = t.make_scope();
    scope.spawn("a", [](AsyncTest& u) -> Async<void> {
      std::exception_ptr failure;
      try {
        co_await sleeper(u.clock(), u.trace, "work", seconds(5));
      } catch (const Cancelled&) {
        failure = std::current_exception();
      }
      co_await uninterrupted(sleeper(u.clock(), u.trace, "undo 1", seconds(5)));
      co_await uninterrupted(sleeper(u.clock(), u.trace, "undo 2", seconds(5)));
      std::rethrow_exception(failure);
    }(t));
    co_await sleep_for(t.clock(), seconds(1));
    scope.cancel(CancelReason::user);
    co_await scope.join();
  }(*this));
  EXPECT_EQ(trace, (Trace{"work cancelled by user", "undo 1 slept", "undo 2 slept"}));
}

TEST_F(AsyncTest, UninterruptedThrowsWhatTheUndoThrows) {
  EXPECT_EQ(failure_of(loop, uninterrupted(fail_after(clock(), seconds(1), "stuck"))), "stuck");
}

TEST_F(AsyncTest, AnUndoMayHaveItsOwnDeadline) {
  loop.run([](AsyncTest& t) -> Async<void> {
    Scope scope = t.make_scope();
    scope.spawn("a", with_undo(sleeper(t.clock(), t.trace, "work", seconds(10)), [&t] {
                  return with_deadline(t.clock(), seconds(2), "the undo",
                                       sleeper(t.clock(), t.trace, "undo", seconds(60)));
                }));
    co_await sleep_for(t.clock(), seconds(1));
    scope.cancel(CancelReason::user);
    co_await scope.join();
  }(*this));
  EXPECT_EQ(trace, (Trace{"work cancelled by user", "undo cancelled by deadline"}));
}

TEST_F(AsyncTest, WithUndoLeavesSuccessAlone) {
  loop.run(with_undo(note(trace, "done"), [this] { return note(trace, "undo"); }));
  EXPECT_EQ(trace, Trace{"done"});
}

TEST_F(AsyncTest, WithUndoRethrowsTheFirstErrorWithTheUndosAttached) {
  const std::string failure = failure_of(
      loop, with_undo(fail_after(clock(), seconds(1), "cannot attach"),
                      [this] { return fail_after(clock(), seconds(1), "cannot detach"); }));
  EXPECT_EQ(failure, "cannot attach; undoing it failed too: cannot detach");
}

TEST_F(AsyncTest, NestedUndosRunInsideOut) {
  const std::string failure =
      failure_of(loop, with_undo(with_undo(fail_after(clock(), seconds(1), "no"),
                                           [this] { return note(trace, "inner"); }),
                                 [this] { return note(trace, "outer"); }));
  EXPECT_EQ(failure, "no");
  EXPECT_EQ(trace, (Trace{"inner", "outer"}));
}

// --- Signal and Channel --------------------------------------------------------------------------

Async<void> wait_and_note(Signal& signal, Trace& trace, std::string name) {
  co_await signal.wait();
  trace.push_back(name);
}

TEST_F(AsyncTest, NotifyWakesAllWaitersInOrderThroughTheExecutor) {
  Signal signal;
  loop.run([](AsyncTest& t, Signal& s) -> Async<void> {
    Scope scope = t.make_scope();
    for (const char* name : {"a", "b", "c"}) scope.spawn(name, wait_and_note(s, t.trace, name));
    co_await sleep_for(t.clock(), seconds(1));
    s.notify();
    s.notify();
    t.trace.push_back("notified");
    co_await scope.join();
  }(*this, signal));
  EXPECT_EQ(trace, (Trace{"notified", "a", "b", "c"}));
}

TEST_F(AsyncTest, ACancelledWaiterLeavesTheOthersInOrder) {
  Signal signal;
  loop.run([](AsyncTest& t, Signal& s) -> Async<void> {
    Scope scope = t.make_scope(), doomed = t.make_scope();
    scope.spawn("a", wait_and_note(s, t.trace, "a"));
    doomed.spawn("x", wait_and_note(s, t.trace, "x"));
    scope.spawn("b", wait_and_note(s, t.trace, "b"));
    co_await sleep_for(t.clock(), seconds(1));
    doomed.cancel(CancelReason::user);
    co_await doomed.join();
    s.notify();
    co_await scope.join();
  }(*this, signal));
  EXPECT_EQ(trace, (Trace{"a", "b"}));
}

TEST_F(AsyncTest, WaitersOfADeadSignalCanStillBeCancelled) {
  loop.run([](AsyncTest& t) -> Async<void> {
    Scope scope = t.make_scope();
    auto signal = std::make_unique<Signal>();
    scope.spawn("a", wait_and_note(*signal, t.trace, "a"));
    co_await sleep_for(t.clock(), seconds(1));
    signal.reset();
    scope.cancel(CancelReason::user);
    co_await scope.join();
  }(*this));
  EXPECT_EQ(trace, Trace{});
}

Async<void> drain(Channel<int>& channel, Trace& trace) {
  while (true) {
    const std::optional<int> next = co_await channel.pop();
    if (!next) break;
    trace.push_back(std::to_string(*next));
  }
  trace.push_back("closed");
}

TEST_F(AsyncTest, ChannelKeepsOrderAndEndsWhenClosedAndEmpty) {
  Channel<int> channel;
  loop.run([](AsyncTest& t, Channel<int>& c) -> Async<void> {
    Scope scope = t.make_scope();
    scope.spawn("reader", drain(c, t.trace));
    c.push(1);
    co_await sleep_for(t.clock(), seconds(1));
    c.push(2);
    c.push(3);
    c.close();
    EXPECT_TRUE(c.closed());
    co_await scope.join();
  }(*this, channel));
  EXPECT_EQ(trace, (Trace{"1", "2", "3", "closed"}));
}

// --- time ----------------------------------------------------------------------------------------

TEST_F(AsyncTest, SleepersWakeByDeadlineThenByOrder) {
  loop.run([](AsyncTest& t) -> Async<void> {
    Scope scope = t.make_scope();
    scope.spawn("c", sleeper(t.clock(), t.trace, "c", seconds(2)));
    scope.spawn("a", sleeper(t.clock(), t.trace, "a", seconds(1)));
    scope.spawn("b", sleeper(t.clock(), t.trace, "b", seconds(1)));
    scope.spawn("now", sleeper(t.clock(), t.trace, "now", seconds(0)));
    co_await scope.join();
  }(*this));
  EXPECT_EQ(trace, (Trace{"now slept", "a slept", "b slept", "c slept"}));
}

TEST_F(AsyncTest, SleepUntilThePastReturns) {
  loop.clock().advance(seconds(5));
  loop.run(sleep_until(clock(), Instant{seconds(1)}));
  EXPECT_EQ(loop.clock().now().since_start, seconds(5));
}

TEST_F(AsyncTest, IsCancellationKnowsBothKinds) {
  EXPECT_FALSE(is_cancellation(nullptr));
  EXPECT_TRUE(is_cancellation(std::make_exception_ptr(Cancelled(CancelReason::user))));
  EXPECT_FALSE(is_cancellation(std::make_exception_ptr(Error(Reason::deadline, "x"))));
  EXPECT_FALSE(is_cancellation(std::make_exception_ptr(7)));
}

}  // namespace
}  // namespace ruche
