// The console and the event stream over a real HTTP server and socket pairs.
#include <gmock/gmock.h>

#include "api/api_fixture_test.hpp"
#include "model/event.hpp"
#include "model/serial_ports.hpp"
#include "net/http_client.hpp"
#include "net/http_test_server.hpp"

namespace ruche::api {
namespace {

// What a guest says and hears.
struct Line {
  Channel<ports::ConsoleOutput> output;
  std::string input;
  int open = 0;
  std::uint32_t port = 0;  // through which it was opened last
};

class LineSession : public ports::ConsoleSession {
 public:
  explicit LineSession(Line& line) : line_(line) { ++line_.open; }
  ~LineSession() override { --line_.open; }
  Async<std::optional<ports::ConsoleOutput>> read() override { return line_.output.pop(); }
  Async<void> write(std::string data) override {
    line_.input += data;
    co_return;
  }

 private:
  Line& line_;
};

class TalkingMachine : public ports::Machine, public ports::Consoles {
 public:
  explicit TalkingMachine(Line& line) : line_(line) {}
  Async<ports::MachineStatus> status() override { co_return ports::MachineStatus{}; }
  Async<void> power(ports::PowerAction action) override { co_return; }
  Async<ports::MachineEvent> next_event() override { co_return ports::MachineEvent{}; }
  ports::Consoles* consoles() override { return this; }
  Async<std::unique_ptr<ports::ConsoleSession>> open(std::uint32_t port) override {
    if (port > 1) throw model::no_serial_port(port, 2);
    line_.port = port;
    co_return std::make_unique<LineSession>(line_);
  }

 private:
  Line& line_;
};

class WebSocketTest : public ApiTest {
 protected:
  WebSocketTest()
      : http(world.executor(), world.clock(), world.random(), log, *server, {}),
        scope(world.executor(), "http") {
    auto made = std::make_unique<net::PairListener>(world.executor());
    listener = made.get();
    http.add_listener(std::move(made));
    scope.spawn("http", http.run());
    const auto connector = [this]() -> Async<std::unique_ptr<net::Stream>> {
      co_return listener->connect();
    };
    client = std::make_unique<net::HttpClient>(world.clock(), world.random(), connector,
                                               net::HttpClientOptions{});
  }
  ~WebSocketTest() override {
    client.reset();
    scope.cancel(CancelReason::shutdown);
    world.run(scope.join());
  }

  std::unique_ptr<net::ClientWebSocket> connect(std::string target) {
    net::HttpRequest request;
    request.target = std::move(target);
    return world.run_now(client->websocket(std::move(request), {}, Duration{5'000}));
  }
  std::optional<net::WebSocketMessage> receive(net::ClientWebSocket& socket) {
    return world.run_now(socket.socket().receive());
  }

  net::HttpServer http;
  Scope scope;
  net::PairListener* listener = nullptr;
  std::unique_ptr<net::HttpClient> client;
};

TEST_F(WebSocketTest, AConsoleCarriesBothDirectionsAndSaysGaps) {
  const auto id = add_vm("web1");
  Line line;
  live.put(id, std::make_shared<TalkingMachine>(line));
  {
    const auto socket = connect("/v1/vms/web1/console");
    line.output.push({"hello\r\n", 0});
    const auto first = receive(*socket);
    ASSERT_TRUE(first);
    EXPECT_TRUE(first->binary);
    EXPECT_EQ(first->data, "hello\r\n");
    line.output.push({"later", 512});
    const auto gap = receive(*socket);
    EXPECT_FALSE(gap->binary);
    EXPECT_EQ(gap->data, R"({"gap_bytes":512})");
    EXPECT_EQ(receive(*socket)->data, "later");
    world.run(socket->socket().send_text(R"({"resize":{"columns":80,"rows":24}})"));
    world.run(socket->socket().send_binary("ls\r"));
    world.run_until([&] { return line.input == "ls\r"; }, std::chrono::seconds(1));
    EXPECT_EQ(line.input, "ls\r");
    EXPECT_EQ(line.open, 1);
    world.run(socket->socket().close());
  }
  world.run_until([&] { return line.open == 0; }, std::chrono::seconds(5));
  EXPECT_EQ(line.open, 0);
}

TEST_F(WebSocketTest, AConsoleIsOfThePortThatIsAskedFor) {
  const auto id = add_vm("web1");
  Line line;
  live.put(id, std::make_shared<TalkingMachine>(line));
  const auto problem_of = [&](const std::string& target) {
    std::string text;
    try {
      connect(target);
    } catch (const Error& error) {
      text = fmt::format("{} {} {}", error.reason_name(), error.field(), error.message());
    }
    return text;
  };
  line.output.push({"hello\r\n", 0});
  {
    const auto socket = connect("/v1/vms/web1/console?port=1");
    EXPECT_EQ(receive(*socket)->data, "hello\r\n");
    EXPECT_EQ(line.port, 1u);
    world.run(socket->socket().close());
  }
  world.run_until([&] { return line.open == 0; }, std::chrono::seconds(5));
  EXPECT_EQ(problem_of("/v1/vms/web1/console?port=3"),
            "no-such-object /port the guest was started without a serial port 3; it has ports 0 "
            "to 1");
  EXPECT_THAT(problem_of("/v1/vms/web1/console?port=4"), testing::StartsWith("out-of-range /port"));
  EXPECT_THAT(problem_of("/v1/vms/web1/console?port=x"), testing::HasSubstr("/port"));
  EXPECT_EQ(line.open, 0);
}

TEST_F(WebSocketTest, AConsoleEndsWithItsGuest) {
  const auto id = add_vm("web1");
  Line line;
  live.put(id, std::make_shared<TalkingMachine>(line));
  const auto socket = connect("/v1/vms/web1/console");
  line.output.close();
  EXPECT_FALSE(receive(*socket));
  EXPECT_EQ(socket->socket().close_received()->code, net::close_code::going_away);
  world.run_until([&] { return line.open == 0; }, std::chrono::seconds(5));
  EXPECT_EQ(line.open, 0);
}

TEST_F(WebSocketTest, NonsenseOnAConsoleIsRefused) {
  const auto id = add_vm("web1");
  Line line;
  live.put(id, std::make_shared<TalkingMachine>(line));
  const auto socket = connect("/v1/vms/web1/console");
  world.run(socket->socket().send_text("resize!"));
  EXPECT_FALSE(receive(*socket));
  EXPECT_EQ(socket->socket().close_received()->code, net::close_code::policy);
}

TEST_F(WebSocketTest, AConsoleOfAStoppedVmIsAProblem) {
  add_vm("web1");
  try {
    connect("/v1/vms/web1/console");
    FAIL() << "it was opened";
  } catch (const Error& error) {
    EXPECT_EQ(error.reason(), Reason::wrong_state);
    EXPECT_FALSE(error.remedy_text().empty());
  }
}

TEST_F(WebSocketTest, EventsComeAsTextFrames) {
  const auto socket = connect("/v1/events?kind=vm");
  add_vm("web1");
  const auto message = receive(*socket);
  ASSERT_TRUE(message);
  const auto event = json::decode<model::Event>(message->data);
  EXPECT_EQ(event.object->name, "web1");
  EXPECT_EQ(event.resource.vm->name, "web1");
  world.run(socket->socket().close());
}

}  // namespace
}  // namespace ruche::api
