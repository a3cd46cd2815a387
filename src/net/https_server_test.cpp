// The HTTP server behind TLS: what slow, silent and greedy clients cost.
#include <gmock/gmock.h>

#include "net/handshake_gate.hpp"
#include "net/http_client.hpp"
#include "net/http_test_server.hpp"
#include "net/tls.hpp"

namespace ruche::net {
namespace {

class Https : public HttpServerTest {
 public:
  Https() {
    context_.use(make_self_signed({.common_name = "host1",
                                   .names = {"localhost"},
                                   .not_before = loop_.clock().wall(),
                                   .valid_for = std::chrono::hours(24)}));
    options_.fields = {{"Strict-Transport-Security", "max-age=60"}};
  }
  void start_tls() {
    server_ = std::make_unique<HttpServer>(loop_.executor(), loop_.clock(), *random_, log_, *this,
                                           options_);
    auto listener = std::make_unique<PairListener>(loop_.executor());
    listener_ = listener.get();
    server_->add_listener(listen_tls(std::move(listener), context_));
    scope_.emplace(loop_.executor(), "test");
    scope_->spawn("server", server_->run());
  }
  std::unique_ptr<HttpClient> client() {
    const Connector below = [this]() -> Async<std::unique_ptr<Stream>> { co_return connect(); };
    auto connector = tls_connector(below, {.fingerprint = context_.certificate()->fingerprint,
                                           .authorities = {},
                                           .server_name = "localhost"});
    return std::make_unique<HttpClient>(loop_.clock(), *random_, std::move(connector),
                                        HttpClientOptions());
  }
  HttpResponse get(HttpClient& from, std::string target = "/") {
    HttpRequest request;
    request.target = std::move(target);
    return run_now(loop_, from.request(std::move(request), Duration(5000)));
  }

  TlsServerContext context_;
};

TEST_F(Https, AnswersWithTheFieldsOfTheServer) {
  handler_ = [](HttpExchange& exchange) -> Async<void> {
    EXPECT_FALSE(exchange.request().peer.credentials);
    HttpResponse response;
    response.body = std::string(100'000, 'x');
    co_await exchange.respond(std::move(response));
  };
  start_tls();
  const auto asking = client();
  for (int i = 0; i < 3; ++i) {
    const auto response = get(*asking);
    EXPECT_EQ(response.body.size(), 100'000U);
    EXPECT_EQ(response.headers.get("Strict-Transport-Security"), "max-age=60");
  }
  EXPECT_EQ(server_->statistics().accepted, 1U) << "the connection is kept";
}

TEST_F(Https, WebSocketsAndStreamsWorkAsWithoutTls) {
  handler_ = [](HttpExchange& exchange) -> Async<void> {
    WebSocket* socket = co_await exchange.accept_websocket({});
    const auto message = co_await socket->receive();
    co_await socket->send_text(message->data + message->data);
  };
  start_tls();
  const auto asking = client();
  const auto socket =
      run_now(loop_, asking->websocket(HttpRequest(), WebSocketOptions(), Duration(5000)));
  loop_.run(socket->socket().send_text("ab"));
  EXPECT_EQ(run_now(loop_, socket->socket().receive())->data, "abab");
}

TEST_F(Https, TwoHundredSlowHandshakesHoldUpNobody) {
  start_tls();
  std::vector<std::unique_ptr<Stream>> slow;
  for (int i = 0; i < 200; ++i) {
    slow.push_back(connect());
    if (i % 2 == 0) send(*slow.back(), "\x16\x03\x01");  // begins, and goes no further
  }
  loop_.run_ready();
  const Instant begun = loop_.clock().now();
  const auto asking = client();
  EXPECT_EQ(get(*asking, "/quick").body, "/quick");
  EXPECT_EQ(loop_.clock().now(), begun) << "it waited for nobody";
  // Those beyond the bound went at once, the others at their deadline.
  EXPECT_EQ(server_->statistics().failed_handshakes, 200 - options_.max_handshakes + 1);
  EXPECT_EQ(server_->statistics().connections, 1U);
  loop_.run_for(options_.handshake_timeout + Duration(1));
  EXPECT_EQ(server_->statistics().failed_handshakes, 200U);
  for (const auto& stream : slow) {
    std::array<char, 8> piece;
    EXPECT_EQ(run_now(loop_, stream->read_some(piece)), 0U);
  }
}

TEST_F(Https, ShutdownDoesNotWaitForHandshakes) {
  start_tls();
  std::vector<std::unique_ptr<Stream>> slow;
  for (int i = 0; i < 20; ++i) slow.push_back(connect());
  loop_.run_ready();
  const Instant begun = loop_.clock().now();
  end();
  EXPECT_EQ(loop_.clock().now(), begun);
}

TEST_F(Https, TooManyConnectionsAreToldSo) {
  options_.max_connections_per_user = 2;
  start_tls();
  std::vector<std::unique_ptr<HttpClient>> clients;
  for (int i = 0; i < 3; ++i) clients.push_back(client());
  EXPECT_EQ(get(*clients[0]).status, 200);
  EXPECT_EQ(get(*clients[1]).status, 200);
  EXPECT_EQ(get(*clients[2]).status, 503);
}

TEST_F(Https, RudeClientsLeaveNothingBehind) {
  start_tls();
  for (int round = 0; round < 300; ++round) {
    const auto rude = connect();
    std::string noise(random_->below(400), '\0');
    for (char& c : noise) c = static_cast<char>(random_->next());
    if (random_->chance(0.6)) noise = "\x16\x03\x01\x01" + noise;
    if (random_->chance(0.2)) noise = "GET / HTTP/1.1\r\n\r\n";
    send(*rude, noise);
    if (random_->chance(0.3)) rude->shutdown_write();
    if (random_->chance(0.5)) loop_.run_for(Duration(random_->below(3000)));
  }
  const auto asking = client();
  EXPECT_EQ(get(*asking).status, 200);
  loop_.run_for(options_.handshake_timeout);
  EXPECT_EQ(server_->statistics().connections, 1U);
  EXPECT_EQ(server_->statistics().failed_handshakes, 300U);
}

TEST(HandshakeGate, TheGreediestMakeWay) {
  SteppedLoop loop;
  HandshakeGate gate(4);
  std::vector<std::unique_ptr<Stream>> streams;
  std::vector<std::unique_ptr<HandshakeGate::Place>> places;
  const auto enter = [&](const std::string& user) {
    auto [near, far] = stream_pair(loop.executor());
    streams.push_back(std::move(near));
    places.push_back(std::make_unique<HandshakeGate::Place>(gate, user, *streams.back()));
    streams.push_back(std::move(far));
  };
  for (const char* user : {"modest", "greedy", "greedy", "greedy", "greedy", "modest"}) enter(user);
  EXPECT_EQ(gate.waiting(), 4U);
  const auto open = [&](std::size_t nth) { return streams[nth * 2]->idle(); };
  EXPECT_TRUE(open(0));
  EXPECT_FALSE(open(1)) << "the oldest of the greediest";
  EXPECT_FALSE(open(2));
  EXPECT_TRUE(open(3));
  EXPECT_TRUE(open(5));
  places.clear();
  EXPECT_EQ(gate.waiting(), 0U);
}

TEST(HandshakeGate, WhoCountsTogether) {
  const auto user = [](std::string address) { return user_of({std::nullopt, std::move(address)}); };
  EXPECT_EQ(user_of({PeerCredentials{7, 7, 1}, "unix"}), "uid 7");
  EXPECT_EQ(user("192.0.2.1:4711"), "192.0.2.1");
  EXPECT_EQ(user("[2001:db8:1:2::3]:1"), user("[2001:db8:1:2:ffff::4]:2"));
  EXPECT_NE(user("[2001:db8:1:2::3]:1"), user("[2001:db8:1:3::3]:1"));
}

}  // namespace
}  // namespace ruche::net
