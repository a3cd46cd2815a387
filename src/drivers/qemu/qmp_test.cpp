#include <gtest/gtest.h>

#include "base/loop.hpp"
#include "drivers/qemu/machine.hpp"
#include "drivers/qemu/qmp_session.hpp"

namespace ruche::drivers::qemu {
namespace {

constexpr std::string_view kGreeting =
    R"({"QMP":{"version":{"qemu":{"micro":2,"minor":0,"major":10}},"capabilities":[]}})";

TEST(ParseQmp, knows_the_four_kinds) {
  const auto greeting = parse_qmp(kGreeting);
  ASSERT_TRUE(greeting);
  EXPECT_EQ(std::get<QmpGreeting>(*greeting).version, "10.0.2");
  const auto reply = parse_qmp(R"({"return": {"status": "running"}, "id": 7})");
  ASSERT_TRUE(reply);
  EXPECT_EQ(std::get<QmpReply>(*reply).id, 7U);
  const auto failure = parse_qmp(R"({"error": {"class": "GenericError", "desc": "no"}, "id": 8})");
  ASSERT_TRUE(failure);
  EXPECT_EQ(std::get<QmpFailure>(*failure).description, "no");
  const auto event =
      parse_qmp(R"({"timestamp": {"seconds": 1, "microseconds": 2}, "event": "STOP"})");
  ASSERT_TRUE(event);
  EXPECT_EQ(std::get<QmpEvent>(*event).name, "STOP");
}

TEST(ParseQmp, refuses_everything_else) {
  for (const auto* line :
       {"", "x", "[]", "7", "{}", R"({"return":{}})", R"({"return":{},"id":"7"})",
        R"({"return":{},"id":-1})", R"({"error":{"class":"A"},"id":1})",
        R"({"error":{"class":"A","desc":"b"}})", R"({"event":"STOP"})", R"({"QMP":{}})",
        R"({"event":7,"timestamp":{}})", R"({"event":"A","timestamp":{},"data":[]})",
        R"({"QMP":{"version":{"qemu":{"micro":"a","minor":0,"major":10}}}})"}) {
    const auto message = parse_qmp(line);
    ASSERT_FALSE(message) << line;
    EXPECT_EQ(message.error().reason(), Reason::protocol_violation);
  }
}

TEST(QmpCommand, is_one_line) {
  EXPECT_EQ(qmp_command(3, "cont", {}), "{\"execute\":\"cont\",\"id\":3}\n");
  EXPECT_EQ(qmp_command(4, "a", {{"b", "c\n"}}),
            "{\"execute\":\"a\",\"arguments\":{\"b\":\"c\\n\"},\"id\":4}\n");
}

// A peer that says what a test tells it to.
class Qmp : public testing::Test {
 protected:
  using Script = std::function<Async<void>(net::Stream&)>;

  // Runs `peer` against `client`; the events heard are kept.
  void run(Script peer, std::function<Async<void>(QmpSession&)> client) {
    loop.run(both(std::move(peer), std::move(client)));
  }

  Async<void> both(Script peer, std::function<Async<void>(QmpSession&)> client) {
    auto [ours, theirs] = net::stream_pair(loop.executor());
    const auto session = std::make_shared<QmpSession>(std::move(ours), loop.clock());
    Scope scope(loop.executor(), "test");
    scope.spawn("reader",
                session->run([this](const QmpEvent& event) { events.push_back(event.name); }));
    scope.spawn("peer", guarded(peer, *theirs));
    std::exception_ptr failure;
    try {
      co_await client(*session);
    } catch (const std::exception&) {
      failure = std::current_exception();
    }
    session->close();
    scope.cancel(CancelReason::shutdown);
    co_await scope.join();
    if (failure) std::rethrow_exception(failure);
  }

  static Async<void> guarded(Script& peer, net::Stream& stream) {
    try {
      co_await peer(stream);
    } catch (const Error&) {
      co_return;  // the client left
    }
  }

  static Async<void> say(net::Stream& stream, std::string text) {
    co_await stream.write_all(text + "\n");
  }

  static std::string failure_of(const std::exception_ptr& thrown) {
    try {
      std::rethrow_exception(thrown);
    } catch (const Error& error) {
      EXPECT_EQ(error.reason(), Reason::hypervisor_failed);
      return error.full_message();
    }
  }

  Loop loop;
  std::vector<std::string> events;
};

Async<void> expect_failure(Async<void> work, std::string part) {
  std::string message;
  try {
    co_await std::move(work);
  } catch (const Error& error) {
    EXPECT_EQ(error.reason(), Reason::hypervisor_failed);
    message = error.full_message();
  }
  EXPECT_NE(message.find(part), std::string::npos) << message;
}

Async<void> discard(Async<json::Value> work) { co_await std::move(work); }

TEST_F(Qmp, talks_to_an_honest_peer) {
  run(
      [](net::Stream& stream) -> Async<void> {
        net::LineReader lines(stream, 1000);
        co_await say(stream, std::string(kGreeting));
        const auto capabilities = co_await lines.next();
        EXPECT_EQ(capabilities, R"({"execute":"qmp_capabilities","id":1})");
        co_await say(stream, R"({"return":{},"id":1})");
        co_await lines.next();
        co_await say(stream, R"({"timestamp":{},"event":"RESUME"})");
        co_await say(stream, R"({"return":{"status":"running"},"id":2})");
        co_await lines.next();
        co_await say(stream, R"({"error":{"class":"DeviceNotFound","desc":"no disk9"},"id":3})");
        co_await lines.next();
      },
      [](QmpSession& session) -> Async<void> {
        co_await session.negotiate(Duration(2000));
        EXPECT_EQ(session.version(), "10.0.2");
        const auto answer = co_await session.execute("query-status");
        EXPECT_EQ(text_member(as_object(answer), "status"), "running");
        co_await expect_failure(discard(session.execute("eject")), "no disk9 (DeviceNotFound)");
      });
  EXPECT_EQ(events, std::vector<std::string>{"RESUME"});
}

TEST_F(Qmp, does_not_wait_for_a_peer_that_hangs) {
  run(
      [](net::Stream& stream) -> Async<void> {
        net::LineReader lines(stream, 1000);
        co_await say(stream, std::string(kGreeting));
        for (int i = 0; i < 3; ++i) co_await lines.next();
        // The late answer to a command that was given up is no lie.
        co_await say(stream, R"({"return":{},"id":1})");
        co_await say(stream, R"({"return":{"late":true},"id":2})");
        co_await say(stream, R"({"return":{},"id":3})");
        co_await lines.next();
      },
      [](QmpSession& session) -> Async<void> {
        co_await expect_failure(session.negotiate(Duration(30)), "did not answer qmp_capabilities");
        co_await expect_failure(discard(session.execute("query-status", {}, Duration(10))),
                                "did not answer query-status within 10 ms");
        const auto answer = co_await session.execute("query-uuid", {}, Duration(10'000));
        (void)answer;
      });
}

TEST_F(Qmp, a_greeting_that_never_comes_has_a_deadline) {
  run([](net::Stream& stream) -> Async<void> { co_await stream.wait_hang_up(); },
      [](QmpSession& session) -> Async<void> {
        co_await expect_failure(session.negotiate(Duration(20)), "did not greet within 20 ms");
      });
}

TEST_F(Qmp, ends_on_garbage_and_lies) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"garbage", "not JSON"},
      {R"({"return":{},"id":99})", "which nobody asked"},
      {std::string(kGreeting), "greeted twice"},
      {R"({"event":"STOP"})", "no known form"},
      {std::string(5 << 20, 'x'), "line"},
  };
  for (const auto& [line, message] : cases) {
    run(
        [line](net::Stream& stream) -> Async<void> {
          co_await say(stream, std::string(kGreeting));
          co_await say(stream, line);
          char byte;
          co_await stream.read_some({&byte, 1});
          co_await stream.wait_hang_up();
        },
        [message](QmpSession& session) -> Async<void> {
          co_await expect_failure(discard(session.execute("query-status")), message);
          // From now on every command fails at once.
          co_await expect_failure(discard(session.execute("cont")), message);
        });
  }
}

TEST_F(Qmp, a_peer_that_leaves_ends_what_waits) {
  run(
      [](net::Stream& stream) -> Async<void> {
        co_await say(stream, std::string(kGreeting));
        stream.close();
      },
      [](QmpSession& session) -> Async<void> {
        co_await expect_failure(discard(session.execute("query-status")), "has ended");
      });
}

TEST(MachineEvents, keep_what_core_needs) {
  const auto kind = [](const char* name) { return machine_event({name, {}}); };
  EXPECT_EQ(kind("RESUME")->kind, ports::MachineEventKind::resumed);
  EXPECT_EQ(kind("SHUTDOWN")->kind, ports::MachineEventKind::shut_down);
  EXPECT_EQ(kind("GUEST_PANICKED")->kind, ports::MachineEventKind::panicked);
  EXPECT_FALSE(kind("RTC_CHANGE"));
  const auto error =
      machine_event({"BLOCK_IO_ERROR", {{"device", "d0l0"}, {"reason", "No space left"}}});
  EXPECT_EQ(error->detail, "d0l0: No space left");
}

TEST(MachineStates, are_closed) {
  EXPECT_EQ(machine_state("prelaunch"), ports::MachineState::prelaunch);
  EXPECT_EQ(machine_state("inmigrate"), ports::MachineState::prelaunch);
  EXPECT_EQ(machine_state("postmigrate"), ports::MachineState::paused);
  EXPECT_EQ(machine_state("io-error"), ports::MachineState::paused);
  EXPECT_EQ(machine_state("shutdown"), ports::MachineState::shut_down);
  EXPECT_THROW(machine_state("levitating"), Error);
}

TEST(DescribeEnd, is_printable_and_bounded) {
  EXPECT_EQ(describe_end({1}, "qemu: \x1b[31mno\xff\n"), "QEMU ended with status 1: qemu: [31mno?");
  EXPECT_EQ(describe_end({-9}, ""), "QEMU was ended by signal 9 (KILL)");
  EXPECT_LE(describe_end({1}, std::string(10000, 'x')).size(), 4096U);
}

}  // namespace
}  // namespace ruche::drivers::qemu
