// The conversation with an agent, kind and hostile.
#include "drivers/qemu/agent.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/base64.hpp"
#include "base/loop.hpp"
#include "drivers/qemu/seed.hpp"

namespace ruche::drivers::qemu {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(AgentReply, is_a_return_or_a_refusal) {
  const auto reply = parse_agent_reply(R"({"return": {"pid": 7}})");
  ASSERT_TRUE(reply);
  EXPECT_EQ(text_of(*reply, "pid"), "");
  const auto refusal = parse_agent_reply(R"({"error": {"class": "A", "desc": "not allowed"}})");
  ASSERT_FALSE(refusal);
  EXPECT_EQ(refusal.error().reason(), Reason::agent_failed);
  EXPECT_THAT(refusal.error().message(), HasSubstr("not allowed"));
  for (const std::string& line : {std::string(), std::string("x"), std::string("[]"),
                                  std::string("{}"), std::string(100'000, '[')}) {
    const auto nonsense = parse_agent_reply(line);
    ASSERT_FALSE(nonsense);
    EXPECT_EQ(nonsense.error().reason(), Reason::agent_failed);
  }
}

TEST(AgentSync, drops_everything_before_its_answer) {
  AgentSync sync(42);
  EXPECT_FALSE(sync.feed("{\"return\": {}}\n{\"return\": 42}\n"));
  EXPECT_FALSE(sync.feed("\xff{\"return\": 41}\n"));
  EXPECT_FALSE(sync.feed("\xff" + std::string(10'000, 'x') + "{\"return\": 42}\n"));
  EXPECT_FALSE(sync.feed("\xff{\"retu\xff{\"return\": 4"));
  EXPECT_TRUE(sync.feed("2}\n"));
}

TEST(AgentText, is_cleaned_and_cut_at_characters) {
  EXPECT_EQ(plain_text("a\x1b[31mb\n\tc", 100), "a[31mbc");
  EXPECT_EQ(plain_text("ééé", 3), "é");
  EXPECT_EQ(plain_text("", 3), "");
}

TEST(AgentAddresses, are_real_and_useful) {
  const auto answer = parse_agent_reply(R"({"return": [
    {"name": "lo", "ip-addresses": [{"ip-address": "127.0.0.1"}, {"ip-address": "::1"}]},
    {"name": "eth0", "ip-addresses": [{"ip-address": "fe80::1"}, {"ip-address": "2001:db8::5"},
      {"ip-address": "10.0.2.15"}, {"ip-address": "10.0.2.15"}, {"ip-address": "evil; rm -rf"},
      {"ip-address": "169.254.1.1"}, {"ip-address": 7}, 7]},
    7, {"name": "eth1"}]})");
  ASSERT_TRUE(answer);
  EXPECT_THAT(addresses_of(*answer), ElementsAre("10.0.2.15", "2001:db8::5"));
  EXPECT_THAT(addresses_of(json::Value("x")), IsEmpty());
}

TEST(AgentKeys, are_a_type_and_a_key) {
  EXPECT_EQ(ssh_key_of("ssh-ed25519 AAAA root@web1\n"), "ssh-ed25519 AAAA");
  for (const auto* wrong : {"", "ssh-ed25519", "ssh-ed25519 \n", "ssh-ed25519 A*A", "x AAAA",
                            "ssh-\x1b AAAA", "@cert-authority * ssh-ed25519 AAAA"}) {
    EXPECT_EQ(ssh_key_of(wrong), "") << wrong;
  }
}

TEST(Seed, is_an_iso_image_that_cloud_init_finds) {
  const auto image = make_seed_image({{"meta-data", "instance-id: x\n"}, {"user-data", "#!\n"}});
  ASSERT_GT(image.size(), 0x8028u);
  EXPECT_EQ(image.substr(0x8001, 5), "CD001");
  EXPECT_THAT(image.substr(0x8028, 6), testing::StrCaseEq("cidata"));
  EXPECT_NE(image.find("instance-id: x"), std::string::npos);
  const auto seed = make_seed({{"meta-data", "x"}});
  char byte = 0;
  EXPECT_LT(::write(seed.get(), &byte, 1), 0);
}

// A guest's end of the channel, as a test tells it.
class Agent : public testing::Test {
 protected:
  using Script = std::function<Async<void>(net::Stream&)>;

  void run(Script guest, std::function<Async<void>(QemuAgent&)> test) {
    loop.run(both(std::move(guest), std::move(test)));
  }

  Async<void> both(Script guest, std::function<Async<void>(QemuAgent&)> test) {
    Scope scope(loop.executor(), "test");
    QemuAgent agent(
        [this, &scope, &guest](this auto) -> Async<std::unique_ptr<net::Stream>> {
          auto [ours, theirs] = net::stream_pair(loop.executor());
          scope.spawn("guest", guarded(guest, std::move(theirs)));
          ++connections;
          co_return std::move(ours);
        },
        loop.clock());
    std::exception_ptr failure;
    try {
      co_await test(agent);
    } catch (const std::exception&) {
      failure = std::current_exception();
    }
    agent.close();
    scope.cancel(CancelReason::shutdown);
    co_await uninterrupted(drain(scope));
    if (failure) std::rethrow_exception(failure);
  }

  static Async<void> guarded(Script& guest, std::unique_ptr<net::Stream> stream) {
    try {
      co_await guest(*stream);
    } catch (const Error&) {
      co_return;  // we left
    }
  }

  // Answers a synchronisation as it must be; everything else by `answer`, "" being silence.
  static Async<void> serve(net::Stream& stream, std::function<std::string(std::string)> answer) {
    net::LineReader lines(stream, 1 << 20);
    while (true) {
      auto line = co_await lines.next();
      if (!line) co_return;
      if (line->starts_with('\xff')) line->erase(0, 1);
      const auto asked = json::parse(*line);
      const auto name = std::string(asked.as_object().at("execute").as_string());
      if (name == "guest-sync-delimited") {
        const auto id = asked.as_object().at("arguments").as_object().at("id");
        co_await stream.write_all("\xff{\"return\": " + boost::json::serialize(id) + "}\n");
        continue;
      }
      const auto text = answer(*line);
      if (!text.empty()) co_await stream.write_all(text + "\n");
    }
  }

  static Async<void> ask_frozen(QemuAgent& agent) { co_await agent.frozen(); }
  static Async<void> ask_facts(QemuAgent& agent) { co_await agent.facts(); }
  static Async<void> run_command(QemuAgent& agent, ports::AgentCommand command) {
    co_await agent.run(std::move(command));
  }
  static Async<Reason> reason_of(Async<void> work) {
    Reason reason = Reason::internal_error;
    try {
      co_await std::move(work);
    } catch (const Error& error) {
      reason = error.reason();
    }
    co_return reason;
  }

  Loop loop;
  int connections = 0;
};

TEST_F(Agent, a_refusal_is_said_and_the_next_request_works) {
  run(
      [](net::Stream& stream) {
        return serve(stream, [](const std::string& line) {
          return line.find("freeze-freeze") != line.npos
                     ? R"({"error": {"class": "CommandNotFound", "desc": "disabled"}})"
                     : R"({"return": "thawed"})";
        });
      },
      [](QemuAgent& agent) -> Async<void> {
        const auto reason = co_await reason_of(agent.freeze());
        EXPECT_EQ(reason, Reason::agent_failed);
        const bool frozen = co_await agent.frozen();
        EXPECT_FALSE(frozen);
      });
  EXPECT_EQ(connections, 1);
}

// The answer to a request that was given up comes later; it is never taken for another's.
TEST_F(Agent, a_late_answer_is_dropped) {
  int asked = 0;
  run(
      [&asked](net::Stream& stream) {
        return serve(stream, [&asked](const std::string&) {
          ++asked;
          if (asked == 1) return std::string();
          return std::string(asked == 2 ? "{\"return\": \"frozen\"}\n{\"return\": \"frozen\"}"
                                        : "{\"return\": \"thawed\"}");
        });
      },
      [this](this auto, QemuAgent& agent) -> Async<void> {
        const auto first = co_await reason_of(with_deadline(
            loop.clock(), std::chrono::milliseconds(50), "asking", ask_frozen(agent)));
        EXPECT_EQ(first, Reason::deadline);
        const bool second = co_await agent.frozen();
        EXPECT_TRUE(second);
        const bool third = co_await agent.frozen();
        EXPECT_FALSE(third);
      });
}

// Never in step: it repeats a wrong answer, or floods, or says nothing.
TEST_F(Agent, one_that_lies_floods_or_is_silent_costs_its_own_answer_alone) {
  const std::vector<std::string> noises = {
      std::string(64 * 1024, 'x'),
      "\xff{\"return\": 1}\n",
      "\xff" + std::string(64 * 1024, '['),
      "{\"return\": {}}\n",
  };
  for (const auto& noise : noises) {
    run(
        [&noise](this auto, net::Stream& stream) -> Async<void> {
          while (true) co_await stream.write_all(noise);
        },
        [this](this auto, QemuAgent& agent) -> Async<void> {
          const auto reason = co_await reason_of(
              with_deadline(loop.clock(), std::chrono::seconds(20), "asking", ask_frozen(agent)));
          EXPECT_TRUE(reason == Reason::no_agent || reason == Reason::agent_failed);
        });
  }
}

TEST_F(Agent, an_answer_without_end_is_refused) {
  run(
      [](this auto, net::Stream& stream) -> Async<void> {
        co_await serve(stream, [](const std::string&) { return std::string(1 << 20, '{'); });
      },
      [](this auto, QemuAgent& agent) -> Async<void> {
        const auto reason = co_await reason_of(ask_frozen(agent));
        EXPECT_EQ(reason, Reason::agent_answer_too_large);
      });
}

TEST_F(Agent, facts_are_what_is_known) {
  run(
      [](net::Stream& stream) {
        return serve(stream, [](const std::string& line) -> std::string {
          if (line.find("guest-info") != line.npos) return R"({"return": {"version": "7.2"}})";
          if (line.find("host-name") != line.npos) return R"({"return": {"host-name": "db1"}})";
          return R"({"error": {"class": "CommandNotFound", "desc": "unknown"}})";
        });
      },
      [](this auto, QemuAgent& agent) -> Async<void> {
        const auto facts = co_await agent.facts();
        EXPECT_EQ(facts.version, "7.2");
        EXPECT_EQ(facts.host_name, "db1");
        EXPECT_EQ(facts.os, "");
        EXPECT_FALSE(facts.initialized);
      });
}

TEST_F(Agent, a_command_is_waited_for_and_its_end_is_told) {
  int looks = 0;
  run(
      [&looks](net::Stream& stream) {
        return serve(stream, [&looks](const std::string& line) -> std::string {
          if (line.find("guest-exec-status") == line.npos) {
            EXPECT_NE(line.find("PATH="), line.npos);
            return R"({"return": {"pid": 77}})";
          }
          EXPECT_NE(line.find("77"), line.npos);
          if (++looks < 3) return R"({"return": {"exited": false}})";
          return R"({"return": {"exited": true, "exitcode": 3, "out-data": "aGkK",)"
                 R"( "out-truncated": true}})";
        });
      },
      [](this auto, QemuAgent& agent) -> Async<void> {
        const auto result = co_await agent.run({{"sh", "-c", "exit 3"}, {"A=1"}, "in"});
        EXPECT_EQ(result.exit_code, 3);
        EXPECT_EQ(result.output, "hi\n");
        EXPECT_TRUE(result.output_cut);
        EXPECT_FALSE(result.error_output_cut);
      });
  EXPECT_EQ(looks, 3);
}

TEST_F(Agent, a_command_that_goes_on_is_said_to) {
  run(
      [](net::Stream& stream) {
        return serve(stream, [](const std::string& line) -> std::string {
          return line.find("guest-exec-status") == line.npos ? R"({"return": {"pid": 77}})"
                                                             : R"({"return": {"exited": false}})";
        });
      },
      [](this auto, QemuAgent& agent) -> Async<void> {
        const auto reason = co_await reason_of(
            run_command(agent, {{"sleep", "9"}, {}, {}, std::chrono::milliseconds(100)}));
        EXPECT_EQ(reason, Reason::command_still_runs);
      });
}

}  // namespace
}  // namespace ruche::drivers::qemu
