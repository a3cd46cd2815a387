#include "net/http_client.hpp"

#include "net/http_test_server.hpp"
#include "net/sse.hpp"

namespace ruche::net {
namespace {

class Client : public HttpServerTest {
 public:
  Client()
      : client_(
            loop_.clock(), *random_,
            [this]() -> Async<std::unique_ptr<Stream>> {
              if (refuse_) throw Error(Reason::host_unavailable, "nobody answers");
              if (silent_) co_return hold();
              co_return connect();
            },
            client_options()) {}

  static HttpClientOptions client_options() {
    HttpClientOptions options;
    options.max_body = 1000;
    return options;
  }
  // A connection that nobody serves; its other end is peer_.
  std::unique_ptr<Stream> hold() {
    auto [mine, other] = stream_pair(loop_.executor());
    peer_ = std::move(other);
    return std::move(mine);
  }
  static HttpRequest make(std::string method, std::string target, std::string body = {}) {
    HttpRequest request;
    request.method = std::move(method);
    request.target = std::move(target);
    request.body = std::move(body);
    return request;
  }
  HttpResponse request(HttpRequest text) {
    return run_now(loop_, client_.request(std::move(text), Duration(5000)));
  }
  // "reason sent" or "reason unsent".
  std::string failure(HttpRequest text) {
    try {
      request(std::move(text));
    } catch (const RequestFailed& failed) {
      return std::string(failed.reason_name()) + (failed.request_was_sent() ? " sent" : " unsent");
    }
    return "none";
  }
  // A server by hand: takes one request and says just that.
  std::string failure_with(std::string said, HttpRequest text) {
    silent_ = true;
    peer_.reset();
    Scope scope(loop_.executor());
    scope.spawn("by hand", [](Client& test, std::string answer) -> Async<void> {
      while (!test.peer_) co_await sleep_for(test.loop_.clock(), Duration(1));
      std::array<char, 4096> piece;
      co_await test.peer_->read_some(piece);
      co_await test.peer_->write_all(answer);
      test.peer_->close();
    }(*this, std::move(said)));
    const std::string seen = failure(std::move(text));
    loop_.run(scope.join());
    peer_.reset();
    silent_ = false;
    return seen;
  }

  bool refuse_ = false;
  bool silent_ = false;
  std::unique_ptr<Stream> peer_;
  HttpClient client_;
};

TEST_F(Client, ReusesItsConnection) {
  handler_ = [](HttpExchange& exchange) -> Async<void> {
    HttpResponse response;
    response.status = 201;
    response.headers.add("X-Method", exchange.request().method);
    response.body = co_await exchange.read_body();
    co_await exchange.respond(std::move(response));
  };
  start();
  for (const char* method : {"POST", "GET", "HEAD", "DELETE", "PATCH"}) {
    const std::string body = std::string(method) == "HEAD" ? "" : "hello";
    const HttpResponse response = request(make(method, "/a", body));
    EXPECT_EQ(response.status, 201);
    EXPECT_EQ(response.headers.get("X-Method"), method);
    EXPECT_EQ(response.body, body);
  }
  EXPECT_EQ(server_->statistics().accepted, 1U);
}

TEST_F(Client, AnIdleConnectionThatTheServerClosedIsNotUsed) {
  start();
  request(make("POST", "/a"));
  loop_.run_for(Duration(200'000));  // beyond the server's idle timeout
  EXPECT_EQ(request(make("POST", "/b")).body, "/b");
  EXPECT_EQ(server_->statistics().accepted, 2U);
}

TEST_F(Client, SaysWhetherTheRequestWasSent) {
  start();
  refuse_ = true;
  EXPECT_EQ(failure(make("POST", "/a")), "host-unavailable unsent");
  refuse_ = false;
  silent_ = true;
  EXPECT_EQ(failure(make("POST", "/a")), "deadline sent");
  silent_ = false;
  EXPECT_EQ(failure_with("", make("GET", "/a")), "peer-gone sent");
  EXPECT_EQ(failure_with("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", make("GET", "/a")),
            "peer-gone sent");
  EXPECT_EQ(failure_with("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
                         make("GET", "/a")),
            "peer-gone sent");
  EXPECT_EQ(failure_with("SSH-2.0-OpenSSH_9.2\r\n\r\n", make("GET", "/a")),
            "protocol-violation sent");
  EXPECT_EQ(failure_with("HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n" + std::string(1001, 'x'),
                         make("GET", "/a")),
            "body-too-large sent");
  EXPECT_EQ(failure_with("HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\n\r\ntail",
                         make("GET", "/a")),
            "none");
}

TEST_F(Client, RepeatsOnlyIdempotentRequests) {
  // By hand: answer once, keep the connection, then close it upon the next request.
  const auto scenario = [&](const char* method) {
    silent_ = true;
    Scope scope(loop_.executor());
    scope.spawn("by hand", [](Client& test) -> Async<void> {
      while (!test.peer_) co_await sleep_for(test.loop_.clock(), Duration(1));
      std::array<char, 4096> piece;
      co_await test.peer_->read_some(piece);
      co_await test.peer_->write_all("HTTP/1.1 204 No Content\r\n\r\n");
      co_await test.peer_->read_some(piece);
      test.peer_->close();
    }(*this));
    EXPECT_EQ(request(make("GET", "/first")).status, 204);
    silent_ = false;
    const std::string seen = failure(make(method, "/second"));
    loop_.run(scope.join());
    peer_.reset();
    client_.close_idle();
    return seen;
  };
  start();
  EXPECT_EQ(scenario("GET"), "none");
  EXPECT_EQ(scenario("POST"), "peer-gone sent");
}

TEST_F(Client, TakesAnAnswerThatComesBeforeItsRequestIsRead) {
  handler_ = [](HttpExchange&) -> Async<void> {
    throw Error(Reason::not_permitted, "no");
    co_return;
  };
  start();
  EXPECT_EQ(request(make("POST", "/a", std::string(5'000'000, 'x'))).status, 403);
}

TEST_F(Client, NeverSendsAnUnencodedTarget) {
  start();
  EXPECT_EQ(failure(make("GET", "/a b")), "internal-error unsent");
  EXPECT_EQ(failure(make("GET", "/a\r\nX: y")), "internal-error unsent");
}

TEST_F(Client, ManyRequestsAtOnce) {
  handler_ = [this](HttpExchange& exchange) -> Async<void> {
    co_await sleep_for(loop_.clock(), Duration(100));
    HttpResponse response;
    response.body = exchange.request().path;
    co_await exchange.respond(std::move(response));
  };
  start();
  std::vector<Async<void>> works;
  int good = 0;
  for (int i = 0; i < 50; ++i) {
    works.push_back([](Client& test, int number, int& count) -> Async<void> {
      const std::string path = "/" + std::to_string(number);
      const auto response = co_await test.client_.request(make("GET", path), Duration(5000));
      if (response.body == path) ++count;
    }(*this, i, good));
  }
  loop_.run(all(std::move(works)));
  EXPECT_EQ(good, 50);
}

TEST_F(Client, StreamsLinesAndEvents) {
  handler_ = [this](HttpExchange& exchange) -> Async<void> {
    const bool lines = exchange.request().path == "/lines";
    const auto stream = co_await exchange.start_stream(200, {});
    for (int i = 0; i < 3; ++i) {
      co_await sleep_for(loop_.clock(), Duration(60'000));
      const ServerSentEvent event{std::to_string(i), "tick", "n"};
      const std::string text = lines ? "{\"n\":" + std::to_string(i) + "}\n" : format_event(event);
      co_await stream->write(text.substr(0, 3));
      co_await stream->write(text.substr(3));
    }
    co_await stream->finish();
  };
  start();
  const auto lines = run_now(loop_, client_.open(make("POST", "/lines", "{}"), Duration(1000)));
  EXPECT_EQ(lines->status(), 200);
  HttpLines reader(*lines, 100);
  for (const char* line : {"{\"n\":0}", "{\"n\":1}", "{\"n\":2}"}) {
    EXPECT_EQ(run_now(loop_, reader.next()), line);
  }
  EXPECT_EQ(run_now(loop_, reader.next()), std::nullopt);

  const auto events = run_now(loop_, client_.open(make("GET", "/events"), Duration(1000)));
  SseReader sse(*events);
  const auto first = run_now(loop_, sse.next());
  EXPECT_EQ(first, (ServerSentEvent{"0", "tick", "n"}));
  end();  // the server goes away in the middle
  const auto more = [&] {
    while (run_now(loop_, sse.next())) {
    }
  };
  EXPECT_THROW(more(), RequestFailed);
  EXPECT_EQ(sse.parser().last_event_id(), "0");
}

}  // namespace
}  // namespace ruche::net
