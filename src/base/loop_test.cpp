#include "base/loop.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>
#include <csignal>
#include <semaphore>

namespace ruche {
namespace {

using std::chrono::milliseconds;

struct SocketPair {
  int ends[2] = {-1, -1};
  SocketPair() { EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0); }
  ~SocketPair() {
    ::close(ends[0]);
    ::close(ends[1]);
  }
};

Async<int> seven() { co_return 7; }
Async<void> fail() {
  throw Error(Reason::wrong_state, "no");
  co_return;
}

TEST(LoopTest, RunsWorkAndReturnsItsValueSeveralTimes) {
  Loop loop;
  EXPECT_EQ(run_now(loop, seven()), 7);
  EXPECT_EQ(run_now(loop, seven()), 7);
  EXPECT_THROW(loop.run(fail()), Error);
}

TEST(LoopTest, TimersFireInOrderOfDeadlineThenArming) {
  Loop loop;
  std::string order;
  loop.run([](Loop& l, std::string& out) -> Async<void> {
    Clock& clock = l.clock();
    const Instant soon = clock.now() + milliseconds(2);
    clock.arm(soon + milliseconds(1), [&out] { out += 'c'; });
    clock.arm(soon, [&out] { out += 'a'; });
    clock.arm(soon, [&out] { out += 'b'; });
    const auto never = clock.arm(soon, [&out] { out += 'x'; });
    clock.disarm(never);
    clock.disarm(never);
    clock.disarm(12345);
    co_await sleep_until(clock, soon + milliseconds(2));
    EXPECT_GE(clock.now(), soon + milliseconds(2));
  }(loop, order));
  EXPECT_EQ(order, "abc");
}

TEST(LoopTest, ATimerMayArmAndDisarmOthersAndThePastFires) {
  Loop loop;
  loop.run([](Clock& clock) -> Async<void> {
    Signal done;
    Clock::TimerId other = 0;
    bool chained = false, disarmed_fired = false;
    clock.arm(Instant{}, [&] {
      clock.disarm(other);
      clock.arm(Instant{milliseconds(-5)}, [&] {
        chained = true;
        done.notify();
      });
    });
    other = clock.arm(Instant{std::chrono::microseconds(1)}, [&] { disarmed_fired = true; });
    while (!chained) co_await done.wait();
    EXPECT_FALSE(disarmed_fired);
  }(loop.clock()));
}

TEST(LoopTest, SigtermCancelsTheWork) {
  Loop loop;
  std::string seen;
  const auto work = [](Clock& clock, std::string& out) -> Async<void> {
    ::raise(SIGTERM);
    try {
      co_await sleep_for(clock, std::chrono::hours(1));
    } catch (const Cancelled& cancelled) {
      out = to_string(cancelled.reason());
    }
  };
  loop.run(work(loop.clock(), seen), {.stop_on_signals = true});
  EXPECT_EQ(seen, "shutdown");
}

TEST(LoopTest, SigintEndsTheRunWithCancelled) {
  Loop loop;
  const auto work = [](Clock& clock) -> Async<void> {
    ::raise(SIGINT);
    co_await sleep_for(clock, std::chrono::hours(1));
  };
  try {
    loop.run(work(loop.clock()), {.stop_on_signals = true});
    FAIL();
  } catch (const Cancelled& cancelled) {
    EXPECT_EQ(cancelled.reason(), CancelReason::shutdown);
  }
}

TEST(LoopTest, AnEndByAsiosOwnErrorAfterASignalReadsAsCancelledToo) {
  Loop loop;
  const auto work = [](Clock& clock) -> Async<void> {
    ::raise(SIGTERM);
    bool stopped = false;
    try {
      co_await sleep_for(clock, std::chrono::hours(1));
    } catch (const Cancelled&) {
      stopped = true;
    }
    if (stopped) throw boost::system::system_error(boost::asio::error::operation_aborted);
  };
  EXPECT_THROW(loop.run(work(loop.clock()), {.stop_on_signals = true}), Cancelled);
}

TEST(LoopTest, WorstLagMeasuresTheLongestHandlerAndStartsAgain) {
  Loop loop;
  loop.run([](Clock& clock) -> Async<void> {
    co_await sleep_for(clock, milliseconds(1));
    const Instant end = clock.now() + milliseconds(30);
    while (clock.now() < end) {
    }
    co_await sleep_for(clock, milliseconds(1));
  }(loop.clock()));
  EXPECT_GE(loop.worst_lag(), milliseconds(30));
  EXPECT_EQ(loop.worst_lag(), milliseconds(0));
}

// --- descriptors ---------------------------------------------------------------------------------

TEST(DescriptorTest, ReadableAndWritableOfTheSameDescriptor) {
  Loop loop;
  SocketPair pair;
  loop.run([](SocketPair& p, Executor executor, Clock& clock) -> Async<void> {
    co_await wait_writable(p.ends[0]);
    Scope scope(executor);
    bool readable = false;
    scope.spawn("reader", [](int end, bool& out) -> Async<void> {
      co_await wait_readable(end);
      out = true;
    }(p.ends[0], readable));
    co_await sleep_for(clock, milliseconds(1));
    co_await wait_writable(p.ends[0]);
    EXPECT_FALSE(readable);
    EXPECT_EQ(::write(p.ends[1], "x", 1), 1);
    co_await scope.join();
    EXPECT_TRUE(readable);
  }(pair, loop.executor(), loop.clock()));
  EXPECT_EQ(::fcntl(pair.ends[0], F_GETFL) & O_NONBLOCK, 0) << "left as it was";
}

TEST(DescriptorTest, AWaitCanBeCancelled) {
  Loop loop;
  SocketPair pair;
  loop.run([](SocketPair& p, Executor executor, Clock& clock) -> Async<void> {
    Scope scope(executor);
    std::string seen;
    scope.spawn("reader", [](int end, std::string& out) -> Async<void> {
      try {
        co_await wait_readable(end);
      } catch (const Cancelled& cancelled) {
        out = to_string(cancelled.reason());
        throw;
      }
    }(p.ends[0], seen));
    co_await sleep_for(clock, milliseconds(1));
    scope.cancel(CancelReason::lost_leadership);
    co_await scope.join();
    EXPECT_EQ(seen, "lost-leadership");
  }(pair, loop.executor(), loop.clock()));
}

TEST(DescriptorTest, ABadDescriptorIsAnError) {
  Loop loop;
  EXPECT_THROW(loop.run(wait_readable(-1)), Error);
}

TEST(DescriptorTest, AClosedPeerIsReadable) {
  Loop loop;
  SocketPair pair;
  ::shutdown(pair.ends[1], SHUT_RDWR);
  loop.run(wait_readable(pair.ends[0]));
}

// --- Lane ----------------------------------------------------------------------------------------

TEST(LaneTest, ReturnsValuesAndErrors) {
  Loop loop;
  loop.run([]() -> Async<void> {
    Lane lane("lane-test");
    const int value = co_await lane.run([] { return 6 * 7; });
    EXPECT_EQ(value, 42);
    const auto text = co_await lane.run([] { return std::make_unique<std::string>("moved"); });
    EXPECT_EQ(*text, "moved");
    int touched = 0;
    co_await lane.run([&touched] { touched = 1; });
    EXPECT_EQ(touched, 1);
    std::string seen;
    try {
      co_await lane.run([] { throw Error(Reason::io_failed, "disk"); });
    } catch (const Error& error) {
      seen = error.message();
    }
    EXPECT_EQ(seen, "disk");
    EXPECT_EQ(lane.waiting(), 0u);
  }());
}

Async<void> append(Lane& lane, std::vector<int>& order, int number) {
  co_await lane.run([&order, number] { order.push_back(number); });
}

TEST(LaneTest, RunsInOrder) {
  Loop loop;
  std::vector<int> order;  // touched on the lane's thread only
  loop.run([](Executor executor, std::vector<int>& out) -> Async<void> {
    Lane lane("lane-test");
    Scope scope(executor);
    for (int i = 0; i < 500; ++i) scope.spawn("x", append(lane, out, i));
    co_await scope.join();
  }(loop.executor(), order));
  ASSERT_EQ(order.size(), 500u);
  for (int i = 0; i < 500; ++i) EXPECT_EQ(order[static_cast<std::size_t>(i)], i);
}

TEST(LaneTest, TheLoopGoesOnMeanwhileAndWaitingCounts) {
  Loop loop;
  loop.run([](Executor executor, Clock& clock) -> Async<void> {
    Lane lane("lane-test");
    std::binary_semaphore gate(0);
    std::atomic<bool> started = false;
    Scope scope(executor);
    scope.spawn("blocked",
                [](Lane& l, std::binary_semaphore& g, std::atomic<bool>& s) -> Async<void> {
                  co_await l.run([&] {
                    s = true;
                    g.acquire();
                  });
                }(lane, gate, started));
    std::vector<int> order;
    scope.spawn("queued", append(lane, order, 1));
    while (!started) co_await sleep_for(clock, milliseconds(1));
    EXPECT_EQ(lane.waiting(), 1u);
    gate.release();
    co_await scope.join();
    EXPECT_EQ(order, std::vector<int>{1});
  }(loop.executor(), loop.clock()));
}

TEST(LaneTest, ACancelledCallerWaitsForItsFunctionAndLearnsAfterwards) {
  Loop loop;
  std::string trace;
  loop.run([](Executor executor, Clock& clock, std::string& out) -> Async<void> {
    Lane lane("lane-test");
    std::binary_semaphore gate(0);
    std::atomic<bool> started = false;
    Scope scope(executor);
    scope.spawn("a",
                [](Lane& l, Clock& c, std::binary_semaphore& g, std::atomic<bool>& s,
                   std::string& o) -> Async<void> {
                  int local = 0;
                  co_await l.run([&] {
                    s = true;
                    g.acquire();
                    local = 1;
                  });
                  o += "returned " + std::to_string(local);
                  co_await sleep_for(c, milliseconds(1));
                  o += " not reached";
                }(lane, clock, gate, started, out));
    while (!started) co_await sleep_for(clock, milliseconds(1));
    scope.cancel(CancelReason::user);
    co_await sleep_for(clock, milliseconds(2));
    EXPECT_EQ(out, "");
    gate.release();
    co_await scope.join();
  }(loop.executor(), loop.clock(), trace));
  EXPECT_EQ(trace, "returned 1");
}

TEST(LaneTest, ACallerCancelledBeforehandDoesNotStart) {
  Loop loop;
  loop.run([](Executor executor) -> Async<void> {
    Lane lane("lane-test");
    bool ran = false;
    Scope scope(executor);
    scope.spawn("a", [](Lane& l, Scope& s, bool& r) -> Async<void> {
      s.cancel(CancelReason::user);
      co_await l.run([&r] { r = true; });
    }(lane, scope, ran));
    co_await scope.join();
    EXPECT_FALSE(ran);
  }(loop.executor()));
}

TEST(LaneTest, ManyLanesAtOnce) {
  Loop loop;
  std::atomic<int> sum = 0;
  loop.run([](Executor executor, std::atomic<int>& total) -> Async<void> {
    Lane first("first"), second("second"), third("third");
    Scope scope(executor);
    for (int i = 0; i < 100; ++i) {
      for (Lane* lane : {&first, &second, &third}) {
        scope.spawn("x", [](Lane& l, std::atomic<int>& t) -> Async<void> {
          const int one = co_await l.run([] { return 1; });
          t += one;
        }(*lane, total));
      }
    }
    co_await scope.join();
  }(loop.executor(), sum));
  EXPECT_EQ(sum, 300);
}

}  // namespace
}  // namespace ruche
