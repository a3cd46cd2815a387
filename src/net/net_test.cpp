// Clients that do everything wrong at random: whatever they do, the server goes on serving, forgets
// them, and shuts down in time.
#include "net/http_client.hpp"
#include "net/http_test_server.hpp"

namespace ruche::net {
namespace {

class Chaos : public HttpServerTest {
 public:
  void begin(std::uint64_t seed) {
    dice_ = seeded_random(seed);
    options_.max_connections = 12;
    options_.max_body = 3000;
    handler_ = [this](HttpExchange& exchange) { return serve(exchange); };
    start();
  }

  Async<void> serve(HttpExchange& exchange) {
    const std::string& path = exchange.request().path;
    if (path == "/wait") co_await sleep_for(loop_.clock(), Duration(dice_->below(60'000)));
    if (path == "/fail") throw Error(Reason::wrong_state, "as asked");
    if (path == "/stream") {
      const auto stream = co_await exchange.start_stream(200, {});
      while (!dice_->chance(0.02)) {
        co_await stream->write(std::string(dice_->below(30'000), 's'));
        co_await sleep_for(loop_.clock(), Duration(dice_->below(100)));
      }
      co_await stream->finish();
      co_return;
    }
    if (path == "/socket") {
      WebSocket* socket = co_await exchange.accept_websocket({});
      while (const auto message = co_await socket->receive()) {
        co_await socket->send_binary(message->data);
        if (dice_->chance(0.1)) co_return;
      }
      co_return;
    }
    HttpResponse response;
    if (dice_->chance(0.8)) response.body = co_await exchange.read_body();
    co_await exchange.respond(std::move(response));
  }

  std::string something_to_send() {
    static const std::vector<std::string> kTexts{
        "GET /wait HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /fail HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /stream HTTP/1.0\r\n\r\n",
        "GET /socket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n" +
            encode_frame(WebSocketOpcode::text, "hello", 77),
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
        "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\n" + std::string(9000, 'x'),
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        encode_frame(WebSocketOpcode::binary, std::string(500, 'b'), 3),
        encode_frame(WebSocketOpcode::close, "\x03\xe8", 3),
        "\r\n\r\nnonsense",
    };
    std::string text = kTexts[dice_->below(kTexts.size())];
    if (dice_->chance(0.1)) text.resize(dice_->below(text.size()));
    if (!text.empty() && dice_->chance(0.1))
      text[dice_->below(text.size())] = static_cast<char>(dice_->next());
    return text;
  }

  Async<void> misbehave() {
    const auto stream = connect();
    try {
      while (!dice_->chance(0.15)) {
        switch (dice_->below(6)) {
          case 0:
          case 1: {
            const std::string text = something_to_send();
            for (std::string_view rest = text; !rest.empty();) {
              const std::size_t step = std::min(rest.size(), 1 + dice_->below(2000));
              co_await stream->write_all(rest.substr(0, step));
              rest.remove_prefix(step);
            }
            break;
          }
          case 2:
          case 3: {
            std::array<char, 4096> piece;
            auto read = stream->read_some(piece);
            co_await with_deadline(loop_.clock(), Duration(500), "reading", std::move(read));
            break;
          }
          case 4:
            co_await sleep_for(loop_.clock(), Duration(dice_->below(20'000)));
            break;
          default:
            if (dice_->chance(0.2)) stream->shutdown_write();
        }
      }
    } catch (const Error&) {
      // The server cut this client off, as it should.
    }
  }

  std::unique_ptr<Random> dice_;
};

TEST_F(Chaos, TheServerSurvives) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(seed);
    begin(seed);
    std::vector<Async<void>> clients;
    for (int i = 0; i < 25; ++i) {
      clients.push_back([](Chaos& test) -> Async<void> {
        co_await sleep_for(test.loop_.clock(), Duration(test.dice_->below(10'000)));
        co_await test.misbehave();
      }(*this));
    }
    loop_.run(all(std::move(clients)));
    // Everybody is gone, so nothing may be left of them.
    const auto empty = [&] { return server_->statistics().connections == 0; };
    EXPECT_TRUE(loop_.run_until(empty, Duration(5000)));
    const auto last = connect();
    send(*last, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_EQ(answer(*last).status, 200);
    pending_.clear();
    end();
  }
}

TEST_F(Chaos, ShutdownInTheMiddleEndsInTime) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(seed);
    begin(seed);
    Scope clients(loop_.executor());
    for (int i = 0; i < 12; ++i) clients.spawn("client", misbehave());
    loop_.run_for(Duration(dice_->below(15'000)));
    const Instant begun = loop_.clock().now();
    end();
    EXPECT_LE(loop_.clock().now() - begun, options_.shutdown_grace + options_.linger);
    clients.cancel(CancelReason::user);
    loop_.run(clients.join());
  }
}

}  // namespace
}  // namespace ruche::net
