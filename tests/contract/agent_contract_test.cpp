// What every GuestAgents must do: the simulated one, and the real one on a scripted agent behind a
// socket.
#include <gtest/gtest.h>

#include "base/base64.hpp"
#include "base/loop.hpp"
#include "drivers/qemu/agent.hpp"
#include "sim/fake_hypervisor.hpp"
#include "sim/sim_world.hpp"

namespace ruche::contract {
namespace {

class SimulatedGuest {
 public:
  void run(std::function<Async<void>(SimulatedGuest&)> test) { world_.run(live(std::move(test))); }
  ports::GuestAgents& agent() { return *machine_->agents(); }
  Clock& clock() { return world_.clock(); }
  void silence() { process_->agent.silent = true; }

 private:
  Async<void> live(std::function<Async<void>(SimulatedGuest&)> test) {
    machines_.with_agents = true;
    ports::MachineSpec spec;
    spec.guest = {make_uuid7(world_.clock().wall(), world_.random())};
    spec.name = "guest";
    machine_ = co_await engine_.launch(spec);
    co_await machine_->power(ports::PowerAction::resume);
    process_ = machines_.find(spec.guest);
    co_await test(*this);
    machine_.reset();
  }

  sim::SimWorld world_;
  sim::FakeStorage storage_;
  sim::MachineHooks hooks_;
  sim::SimMachines machines_{world_.clock(), storage_, hooks_, "host1"};
  sim::FakeHypervisor engine_{machines_, world_.clock()};
  std::shared_ptr<sim::SimProcess> process_;
  std::unique_ptr<ports::Machine> machine_;
};

// As much of qemu-ga as the suite needs.
class ScriptedGuest {
 public:
  void run(std::function<Async<void>(ScriptedGuest&)> test) { loop_.run(live(std::move(test))); }
  ports::GuestAgents& agent() { return *agent_; }
  Clock& clock() { return loop_.clock(); }
  void silence() { silent_ = true; }

 private:
  Async<void> live(std::function<Async<void>(ScriptedGuest&)> test) {
    Scope scope(loop_.executor(), "guest");
    agent_ = std::make_unique<drivers::qemu::QemuAgent>(
        [this, &scope](this auto) -> Async<std::unique_ptr<net::Stream>> {
          auto [ours, theirs] = net::stream_pair(loop_.executor());
          scope.spawn("agent", serve(std::move(theirs)));
          co_return std::move(ours);
        },
        loop_.clock());
    agent_->note_connected(true);
    std::exception_ptr failure;
    try {
      co_await test(*this);
    } catch (const std::exception&) {
      failure = std::current_exception();
    }
    agent_->close();
    scope.cancel(CancelReason::shutdown);
    co_await uninterrupted(drain(scope));
    if (failure) std::rethrow_exception(failure);
  }

  Async<void> serve(std::unique_ptr<net::Stream> stream) {
    net::LineReader lines(*stream, 1 << 20);
    try {
      while (true) {
        auto line = co_await lines.next();
        if (!line) co_return;
        if (line->starts_with('\xff')) line->erase(0, 1);
        if (silent_) continue;
        const auto request = json::parse(*line).as_object();
        const auto name = std::string(request.at("execute").as_string());
        const auto* arguments = request.if_contains("arguments");
        const auto answer =
            answer_to(name, arguments == nullptr ? json::Object{} : arguments->as_object());
        const std::string mark = name == "guest-sync-delimited" ? "\xff" : "";
        if (!answer.empty()) co_await stream->write_all(mark + answer + "\n");
      }
    } catch (const Error&) {
      co_return;  // they left
    }
  }

  std::string answer_to(const std::string& name, const json::Object& arguments) {
    const auto value = [](const json::Value& result) {
      return boost::json::serialize(json::Object{{"return", result}});
    };
    const std::string refusal = R"({"error": {"class": "GenericError", "desc": "no"}})";
    if (name == "guest-sync-delimited") return value(arguments.at("id"));
    if (name == "guest-fsfreeze-status") return value(frozen_ ? "frozen" : "thawed");
    if (name == "guest-fsfreeze-thaw") {
      frozen_ = false;
      return value(1);
    }
    if (frozen_) return refusal;
    if (name == "guest-fsfreeze-freeze") {
      frozen_ = true;
      return value(1);
    }
    if (name == "guest-ping") return value(json::Object{});
    if (name == "guest-shutdown") return "";
    if (name == "guest-info") return value(json::Object{{"version", "7.2.0"}});
    if (name == "guest-exec") return start(arguments, value, refusal);
    if (name == "guest-exec-status") return value(status_);
    return refusal;
  }

  template <class Value>
  std::string start(const json::Object& arguments, Value value, const std::string& refusal) {
    const auto path = std::string(arguments.at("path").as_string());
    if (path == "absent") return refusal;
    status_ = {{"exited", path != "sleep"}, {"exitcode", path == "false" ? 1 : 0}};
    if (const auto* input = arguments.if_contains("input-data")) status_["out-data"] = *input;
    if (path == "echo") {
      const auto& words = arguments.at("arg").as_array();
      status_["out-data"] = to_base64(std::string(words.at(0).as_string()) + "\n");
    }
    return value(json::Object{{"pid", 17}});
  }

  Loop loop_;
  std::unique_ptr<drivers::qemu::QemuAgent> agent_;
  json::Object status_;
  bool frozen_ = false;
  bool silent_ = false;
};

template <class Guest>
class AgentContract : public testing::Test {
 protected:
  using Test = std::function<Async<void>(Guest&)>;
  void run(Test test) { guest.run(std::move(test)); }
  Guest guest;
};
using Guests = testing::Types<SimulatedGuest, ScriptedGuest>;
TYPED_TEST_SUITE(AgentContract, Guests);

template <class T>
Async<void> dropped(Async<T> work) {
  co_await std::move(work);
}
Async<Reason> reason_of(Async<void> work) {
  Reason reason = Reason::internal_error;
  try {
    co_await std::move(work);
  } catch (const Error& error) {
    reason = error.reason();
  }
  co_return reason;
}

TYPED_TEST(AgentContract, says_what_it_knows) {
  this->run([](TypeParam& guest) -> Async<void> {
    EXPECT_TRUE(guest.agent().connected());
    const auto facts = co_await guest.agent().facts();
    EXPECT_FALSE(facts.version.empty());
  });
}

TYPED_TEST(AgentContract, freezes_and_thaws) {
  this->run([](TypeParam& guest) -> Async<void> {
    auto& agent = guest.agent();
    bool frozen = co_await agent.frozen();
    EXPECT_FALSE(frozen);
    co_await agent.freeze();
    frozen = co_await agent.frozen();
    EXPECT_TRUE(frozen);
    const auto again = co_await reason_of(agent.freeze());
    EXPECT_EQ(again, Reason::agent_failed);
    const auto asked = co_await reason_of(dropped(agent.facts()));
    EXPECT_EQ(asked, Reason::agent_failed);
    co_await agent.thaw();
    co_await agent.thaw();  // not frozen is not an error
    frozen = co_await agent.frozen();
    EXPECT_FALSE(frozen);
  });
}

TYPED_TEST(AgentContract, runs_commands) {
  this->run([](TypeParam& guest) -> Async<void> {
    auto& agent = guest.agent();
    ports::AgentCommand echo{{"echo", "hello"}, {}, {}};
    const auto said = co_await agent.run(std::move(echo));
    EXPECT_EQ(said.exit_code, 0);
    EXPECT_EQ(said.output, "hello\n");
    ports::AgentCommand cat{{"cat"}, {}, std::string("a\0b", 3)};
    const auto read = co_await agent.run(std::move(cat));
    EXPECT_EQ(read.output, std::string("a\0b", 3));
    ports::AgentCommand failing{{"false"}, {}, {}};
    const auto failed = co_await agent.run(std::move(failing));
    EXPECT_EQ(failed.exit_code, 1);
    ports::AgentCommand absent{{"absent"}, {}, {}};
    const auto refused = co_await reason_of(dropped(agent.run(std::move(absent))));
    EXPECT_EQ(refused, Reason::agent_failed);
    ports::AgentCommand sleep{{"sleep"}, {}, {}, std::chrono::milliseconds(200)};
    const auto late = co_await reason_of(dropped(agent.run(std::move(sleep))));
    EXPECT_EQ(late, Reason::command_still_runs);
  });
}

TYPED_TEST(AgentContract, one_that_is_silent_is_no_agent) {
  this->run([](TypeParam& guest) -> Async<void> {
    guest.silence();
    const auto started = guest.clock().now();
    const auto reason = co_await reason_of(dropped(guest.agent().frozen()));
    EXPECT_EQ(reason, Reason::no_agent);
    EXPECT_LT(guest.clock().now() - started, std::chrono::seconds(30));
  });
}

TYPED_TEST(AgentContract, is_told_to_shut_down) {
  this->run([](TypeParam& guest) -> Async<void> { co_await guest.agent().shut_down(); });
}

}  // namespace
}  // namespace ruche::contract
