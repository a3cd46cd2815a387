#include "net/websocket.hpp"

#include "net/http_client.hpp"
#include "net/http_test_server.hpp"

namespace ruche::net {
namespace {

// The server's end is that of HttpServer; the client's end is raw frames or our own client.
class Sockets : public HttpServerTest {
 protected:
  Sockets() {
    handler_ = [this](HttpExchange& exchange) -> Async<void> {
      WebSocket* socket = co_await exchange.accept_websocket(socket_options_);
      try {
        while (true) {
          const auto message = co_await socket->receive();
          if (!message) break;
          if (message->binary) {
            co_await socket->send_binary(message->data);
          } else {
            co_await socket->send_text(message->data);
          }
        }
        end_ = "closed " + std::to_string(socket->close_received()->code);
      } catch (const Error& error) {
        end_ = error.reason_name();
        throw;
      } catch (const Cancelled&) {
        end_ = "cancelled";
        throw;
      }
    };
  }

  static constexpr const char* kUpgrade =
      "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

  std::unique_ptr<Stream> upgraded() {
    auto client = connect();
    send(*client, kUpgrade);
    const HttpResponse response = answer(*client);
    EXPECT_EQ(response.status, 101);
    EXPECT_EQ(response.headers.get("Sec-WebSocket-Accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    decoder_ = WebSocketDecoder(WebSocketRole::client, 1 << 24);
    decoder_.put(pending_[client.get()]);
    return client;
  }
  void send_frame(Stream& client, WebSocketOpcode opcode, std::string_view payload) {
    send(client, encode_frame(opcode, payload, 0x12345678));
  }
  // The next item from the server: "opcode:payload"; "end" at the end.
  std::string next(Stream& client) {
    return run_now(loop_, [](Stream& stream, WebSocketDecoder& decoder) -> Async<std::string> {
      while (true) {
        const auto item = decoder.next();
        if (!item) co_return "violation";
        if (*item) {
          co_return std::to_string(static_cast<int>((*item)->opcode)) + ":" + (*item)->payload;
        }
        std::array<char, 4096> piece;
        const std::size_t count = co_await stream.read_some(piece);
        if (count == 0) co_return "end";
        decoder.put({piece.data(), count});
      }
    }(client, decoder_));
  }
  Connector connector() {
    return [this]() -> Async<std::unique_ptr<Stream>> { co_return connect(); };
  }

  WebSocketOptions socket_options_;
  WebSocketDecoder decoder_{WebSocketRole::client, 1 << 24};
  std::string end_;
};

TEST_F(Sockets, EchoWithFragmentsAndPings) {
  start();
  const auto client = upgraded();
  send_frame(*client, WebSocketOpcode::text, "héllo");
  EXPECT_EQ(next(*client), "1:héllo");
  std::string first = encode_frame(WebSocketOpcode::binary, "ab", 1);
  first[0] = 0x02;
  send(*client, first);
  send_frame(*client, WebSocketOpcode::ping, "are you there");
  EXPECT_EQ(next(*client), "10:are you there");
  send_frame(*client, WebSocketOpcode::continuation, "cd");
  EXPECT_EQ(next(*client), "2:abcd");
  send_frame(*client, WebSocketOpcode::close,
             "\x03\xe8"
             "bye");
  EXPECT_EQ(next(*client), "8:\x03\xe8");
  EXPECT_EQ(next(*client), "end");
  EXPECT_EQ(end_, "closed 1000");
}

TEST_F(Sockets, FramesBehindTheHandshakeAreNotLost) {
  start();
  const auto client = connect();
  send(*client, kUpgrade + encode_frame(WebSocketOpcode::text, "early", 5));
  EXPECT_EQ(answer(*client).status, 101);
  decoder_.put(pending_[client.get()]);  // like upgraded()
  EXPECT_EQ(next(*client), "1:early");
}

TEST_F(Sockets, ViolationsAreNamedToThePeer) {
  socket_options_.max_message = 100;
  start();
  const auto unmasked = upgraded();
  send(*unmasked, encode_frame(WebSocketOpcode::text, "x", std::nullopt));
  EXPECT_TRUE(next(*unmasked).starts_with("8:\x03\xea"));  // 1002
  EXPECT_EQ(next(*unmasked), "end");
  EXPECT_EQ(end_, "protocol-violation");
  const auto big = upgraded();
  send_frame(*big, WebSocketOpcode::text, std::string(101, 'x'));
  EXPECT_TRUE(next(*big).starts_with("8:\x03\xf1"));  // 1009
  const auto cut = upgraded();
  send(*cut, "\x81");
  cut->close();
  loop_.run_ready();
  EXPECT_EQ(end_, "peer-gone");
}

TEST_F(Sockets, AHalfCloseIsNoGoodbye) {
  start();
  const auto client = upgraded();
  client->shutdown_write();
  loop_.run_ready();
  EXPECT_EQ(end_, "peer-gone");
}

TEST_F(Sockets, BadHandshakesAreRefused) {
  start();
  const auto plain = connect();
  send(*plain, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(answer(*plain).status, 400);
  std::string old = kUpgrade;
  old.replace(old.find("13"), 2, "8");
  send(*plain, old);
  EXPECT_EQ(answer(*plain).status, 400);
  std::string post = kUpgrade;
  post.replace(0, 3, "PUT");
  send(*plain, post);
  EXPECT_EQ(answer(*plain).status, 400);
}

TEST_F(Sockets, PingsKeepItAliveAndFindTheDead) {
  start();
  const auto client = upgraded();
  const Instant begin = loop_.clock().now();
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(next(*client), "9:");
    send_frame(*client, WebSocketOpcode::pong, "");
  }
  loop_.run_ready();
  EXPECT_EQ(loop_.clock().now() - begin, 3 * socket_options_.ping_every);
  EXPECT_EQ(server_->statistics().connections, 1U);
  EXPECT_EQ(next(*client), "9:");
  EXPECT_EQ(next(*client), "end");  // no pong
  EXPECT_EQ(loop_.clock().now() - begin, 5 * socket_options_.ping_every);
}

TEST_F(Sockets, ShutdownSaysGoingAway) {
  start();
  const auto client = upgraded();
  const Instant begin = loop_.clock().now();
  end();
  EXPECT_EQ(next(*client), "8:\x03\xe9");  // 1001
  EXPECT_EQ(next(*client), "end");
  EXPECT_EQ(end_, "cancelled");
  EXPECT_EQ(loop_.clock().now(), begin);
}

TEST_F(Sockets, AHandlerThatReturnsClosesNormally) {
  handler_ = [this](HttpExchange& exchange) -> Async<void> {
    WebSocket* socket = co_await exchange.accept_websocket(socket_options_);
    co_await socket->send_text("once");
  };
  start();
  const auto client = upgraded();
  EXPECT_EQ(next(*client), "1:once");
  EXPECT_EQ(next(*client), "8:\x03\xe8");
  const Instant begin = loop_.clock().now();
  EXPECT_EQ(next(*client), "end");  // although this client never answers
  EXPECT_EQ(loop_.clock().now() - begin, socket_options_.close_timeout);
}

TEST_F(Sockets, OurClientTalksToOurServer) {
  start();
  HttpClient client(loop_.clock(), *random_, connector(), {});
  HttpRequest request;
  const auto upgraded_socket = run_now(loop_, client.websocket(request, {}, Duration(1000)));
  WebSocket& socket = upgraded_socket->socket();
  const std::string big(300'000, 'b');
  Scope scope(loop_.executor());
  scope.spawn("sender", socket.send_binary(big));
  scope.spawn("sender", socket.send_text("after"));
  auto message = run_now(loop_, socket.receive());
  ASSERT_TRUE(message);
  EXPECT_TRUE(message->binary);
  EXPECT_EQ(message->data, big);
  message = run_now(loop_, socket.receive());
  ASSERT_TRUE(message);
  EXPECT_EQ(message->data, "after");
  loop_.run(scope.join());
  const std::string_view reason = "done";
  loop_.run(socket.close(close_code::normal, reason));
  EXPECT_FALSE(socket.open());
  EXPECT_EQ(socket.close_received()->code, close_code::normal);
  EXPECT_EQ(end_, "closed 1000");
  const auto late = [&] { loop_.run(socket.send_text("late")); };
  EXPECT_THROW(late(), Error);
}

TEST_F(Sockets, ARefusedUpgradeIsTheServersError) {
  handler_ = [](HttpExchange&) -> Async<void> {
    throw Error(Reason::no_such_object, "no vm 'a'");
    co_return;
  };
  start();
  HttpClient client(loop_.clock(), *random_, connector(), {});
  HttpRequest request;
  try {
    run_now(loop_, client.websocket(request, {}, Duration(1000)));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.reason(), Reason::no_such_object);
    EXPECT_EQ(dynamic_cast<const RequestFailed*>(&error), nullptr);
  }
}

}  // namespace
}  // namespace ruche::net
