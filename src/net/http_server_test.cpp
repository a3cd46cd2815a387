#include "net/http_server.hpp"

#include "net/http_test_server.hpp"
#include "net/problem.hpp"

namespace ruche::net {
namespace {

using Server = HttpServerTest;

Error problem_of(const HttpResponse& response) {
  EXPECT_EQ(response.headers.get("Content-Type"), kProblemType);
  return error_of(response);
}

Async<void> echo(HttpExchange& exchange) {
  HttpResponse response;
  response.body = co_await exchange.read_body();
  co_await exchange.respond(std::move(response));
}

TEST_F(Server, AnswersAndKeepsTheConnection) {
  start();
  const auto client = connect();
  for (const char* path : {"/one", "/two"}) {
    send(*client, std::string("GET ") + path + "?q=1 HTTP/1.1\r\nHost: x\r\n\r\n");
    const HttpResponse response = answer(*client);
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.body, path);
    EXPECT_EQ(response.headers.get("Server"), "ruche");
    EXPECT_EQ(response.headers.get("Date"), http_date(loop_.clock().wall()));
    EXPECT_FALSE(response.headers.has("Connection"));
  }
  EXPECT_EQ(server_->statistics().accepted, 1U);
  EXPECT_EQ(server_->statistics().requests, 2U);
  send(*client, "GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(rest(*client).ends_with("/last"));
  EXPECT_EQ(server_->statistics().connections, 0U);
}

TEST_F(Server, PipelinedRequestsAreAnsweredInOrder) {
  handler_ = [this](HttpExchange& exchange) -> Async<void> {
    if (exchange.request().path == "/1") co_await sleep_for(loop_.clock(), Duration(50));
    co_await echo(exchange);
  };
  start();
  const auto client = connect();
  std::string text;
  for (const char* n : {"1", "2", "3"}) {
    text += std::string("\r\nPOST /") + n + " HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n" + n;
  }
  send(*client, text);
  for (const char* n : {"1", "2", "3"}) EXPECT_EQ(answer(*client).body, n);
}

TEST_F(Server, TakesRequestsByteByByte) {
  handler_ = echo;
  start();
  const auto client = connect();
  for (const char c : std::string("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                                  "2\r\nab\r\n1\r\nc\r\n0\r\n\r\n")) {
    send(*client, std::string(1, c));
    loop_.run_ready();
  }
  EXPECT_EQ(answer(*client).body, "abc");
}

TEST_F(Server, HeadAndOldClients) {
  start();
  const auto client = connect();
  send(*client, "HEAD /abc HTTP/1.1\r\nHost: x\r\n\r\n");
  const HttpResponse head = answer(*client, "HEAD");
  EXPECT_EQ(head.headers.get("Content-Length"), "4");
  EXPECT_EQ(head.body, "");
  send(*client, "GET /old HTTP/1.0\r\n\r\n");
  EXPECT_TRUE(rest(*client).ends_with("Connection: close\r\n\r\n/old"));
}

TEST_F(Server, BadRequestsBecomeProblems) {
  options_.max_header = 1024;
  int seen = 0;
  options_.on_error = [&](const HttpRequest*, int status, const std::exception&) { seen = status; };
  start();
  struct Case {
    std::string text;
    int status;
    Reason reason;
  };
  const std::vector<Case> cases{
      {"NONSENSE\r\n\r\n", 400, Reason::bad_request},
      {"GET / HTTP/1.1\r\n\r\n", 400, Reason::bad_request},
      {"GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n", 400, Reason::bad_request},
      {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400,
       Reason::bad_request},
      {"GET /../etc HTTP/1.1\r\nHost: a\r\n\r\n", 400, Reason::bad_request},
      {"GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(2000, 'x'), 431, Reason::header_too_large},
      {"GET /" + std::string(70000, 'x'), 431, Reason::header_too_large},
  };
  for (const auto& [text, status, reason] : cases) {
    const auto client = connect();
    Scope sending(loop_.executor());
    send(*client, text);
    const HttpResponse response = answer(*client);
    EXPECT_EQ(response.status, status) << text.substr(0, 80);
    EXPECT_EQ(problem_of(response).reason(), reason);
    EXPECT_EQ(seen, status);
  }
}

TEST_F(Server, AFailingHandlerEndsOnlyItsExchange) {
  handler_ = [](HttpExchange& exchange) -> Async<void> {
    const std::string& path = exchange.request().path;
    if (path == "/error") {
      throw Error(Reason::no_such_object, "no vm 'a'").at("/name").remedy("look at the list");
    }
    if (path == "/defect") throw std::runtime_error("secret detail");
    co_return;
  };
  start();
  const auto client = connect();
  send(*client, "GET /error HTTP/1.1\r\nHost: x\r\n\r\n");
  const HttpResponse first = answer(*client);
  EXPECT_EQ(first.status, 404);
  EXPECT_EQ(problem_of(first).field(), "/name");
  send(*client, "GET /defect HTTP/1.1\r\nHost: x\r\n\r\n");
  const HttpResponse second = answer(*client);
  EXPECT_EQ(second.status, 500);
  EXPECT_EQ(second.body.find("secret"), std::string::npos);
  EXPECT_EQ(log_.take_errors().size(), 1U);
  send(*client, "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(answer(*client).status, 500);
  EXPECT_EQ(server_->statistics().accepted, 1U);
}

TEST_F(Server, BodiesHaveALimit) {
  options_.max_body = 10;
  handler_ = echo;
  start();
  const auto whole = connect();
  send(*whole, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n1234567890");
  EXPECT_EQ(answer(*whole).body, "1234567890");
  send(*whole, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\n12345678901");
  EXPECT_EQ(answer(*whole).status, 413);
  EXPECT_EQ(rest(*whole), "");
  const auto chunked = connect();
  send(*chunked,
       "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n12345678901\r\n");
  EXPECT_EQ(problem_of(answer(*chunked)).reason(), Reason::body_too_large);
  const auto broken = connect();
  send(*broken, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n");
  EXPECT_EQ(answer(*broken).status, 400);
  EXPECT_EQ(rest(*broken), "");
}

TEST_F(Server, AnUnreadBodyDoesNotSpoilTheNextRequest) {
  start();
  const auto client = connect();
  send(*client,
       "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nGET /GET /b HTTP/1.1\r\n"
       "Host: x\r\n\r\n");
  EXPECT_EQ(answer(*client).body, "/a");
  EXPECT_EQ(answer(*client).body, "/b");
  send(*client, "POST /c HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999\r\n\r\n");
  const HttpResponse last = answer(*client);
  EXPECT_EQ(last.body, "/c");
  EXPECT_EQ(last.headers.get("Connection"), "close");
  EXPECT_EQ(rest(*client), "");
}

TEST_F(Server, AnEarlyAnswerSurvivesAClientThatStillSends) {
  handler_ = [](HttpExchange&) -> Async<void> {
    throw Error(Reason::not_permitted, "no");
    co_return;
  };
  start();
  const auto client = connect();
  send(*client, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n");
  loop_.run_ready();
  send(*client, std::string(1000000, 'x'));
  EXPECT_EQ(answer(*client).status, 403);
  EXPECT_EQ(rest(*client), "");
}

TEST_F(Server, SaysContinueOnlyWhenItWantsTheBody) {
  handler_ = [](HttpExchange& exchange) -> Async<void> {
    if (exchange.request().path == "/no") throw Error(Reason::not_permitted, "no");
    co_await echo(exchange);
  };
  start();
  const auto yes = connect();
  send(*yes, "PUT / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  EXPECT_EQ(answer(*yes).status, 100);
  send(*yes, "ok");
  EXPECT_EQ(answer(*yes).body, "ok");
  const auto no = connect();
  send(*no, "PUT /no HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  const HttpResponse refused = answer(*no);
  EXPECT_EQ(refused.status, 403);
  EXPECT_EQ(refused.headers.get("Connection"), "close");
}

// --- time -----------------------------------------------------------------------------------

TEST_F(Server, ASlowHeadIsCutOff) {
  start();
  const auto client = connect();
  const Instant begin = loop_.clock().now();
  // A byte each second would go on forever if every byte bought time.
  Scope dripping(loop_.executor());
  dripping.spawn("drip", [](Stream& stream, Clock& clock) -> Async<void> {
    co_await stream.write_all("GET / HTTP/1.1\r\nX: ");
    try {
      while (true) {
        co_await sleep_for(clock, Duration(1000));
        co_await stream.write_all("x");
      }
    } catch (const Error&) {
    }
  }(*client, loop_.clock()));
  const HttpResponse response = answer(*client);
  EXPECT_EQ(response.status, 408);
  EXPECT_EQ(problem_of(response).reason(), Reason::deadline);
  EXPECT_EQ(loop_.clock().now() - begin, options_.header_timeout);
  dripping.cancel(CancelReason::user);
  loop_.run(dripping.join());
}

TEST_F(Server, ASilentClientIsDroppedWithoutAWord) {
  start();
  const auto client = connect();
  const Instant begin = loop_.clock().now();
  EXPECT_EQ(rest(*client), "");
  EXPECT_EQ(loop_.clock().now() - begin, options_.header_timeout);

  const auto idle = connect();
  send(*idle, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(answer(*idle).body, "/a");
  const Instant answered = loop_.clock().now();
  EXPECT_EQ(rest(*idle), "");
  EXPECT_EQ(loop_.clock().now() - answered, options_.idle_timeout);
}

TEST_F(Server, ASlowBodyIsCutOffButASteadyOneIsNot) {
  handler_ = echo;
  start();
  const auto slow = connect();
  send(*slow, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc");
  EXPECT_EQ(answer(*slow).status, 408);

  const auto steady = connect();
  send(*steady, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 400000\r\n\r\n");
  for (int i = 0; i < 40; ++i) {
    loop_.run_for(Duration(2000));  // 80 s in all: 5 kB/s
    send(*steady, std::string(10000, 'x'));
  }
  EXPECT_EQ(answer(*steady).body.size(), 400000U);
}

TEST_F(Server, AReaderThatTakesNothingIsCutOff) {
  bool cut = false;
  handler_ = [&](HttpExchange& exchange) -> Async<void> {
    Headers headers{{"Content-Type", "text/event-stream"}};
    const auto stream = co_await exchange.start_stream(200, headers);
    try {
      while (true) co_await stream->write(std::string(10000, 'x'));
    } catch (const Error&) {
      cut = true;
      throw;
    }
  };
  start();
  const auto client = connect();
  send(*client, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  const Instant begin = loop_.clock().now();
  EXPECT_TRUE(loop_.run_until([&] { return cut; }, Duration(100'000)));
  EXPECT_EQ(loop_.clock().now() - begin, options_.write_timeout);
  loop_.run_ready();
  EXPECT_EQ(server_->statistics().connections, 0U);
}

// --- peers that go away ---------------------------------------------------------------------

TEST_F(Server, ADisconnectCancelsTheHandler) {
  bool cancelled = false;
  handler_ = [&](HttpExchange& exchange) -> Async<void> {
    try {
      co_await sleep_for(loop_.clock(), Duration(3'600'000));
    } catch (const Cancelled&) {
      cancelled = true;
      throw;
    }
    co_await exchange.respond({});
  };
  start();
  auto client = connect();
  send(*client, "GET /?wait=1h HTTP/1.1\r\nHost: x\r\n\r\n");
  loop_.run_ready();
  EXPECT_FALSE(cancelled);
  const Instant before = loop_.clock().now();
  client.reset();
  EXPECT_TRUE(loop_.run_until([&] { return cancelled; }, Duration(1000)));
  EXPECT_EQ(loop_.clock().now(), before);
  loop_.run_ready();
  EXPECT_EQ(server_->statistics().connections, 0U);
}

TEST_F(Server, AHalfClosedPeerStillGetsItsAnswers) {
  handler_ = [&](HttpExchange& exchange) -> Async<void> {
    co_await sleep_for(loop_.clock(), Duration(1000));
    co_await echo(exchange);
  };
  start();
  const auto client = connect();
  send(*client,
       "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n1"
       "POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n2");
  client->shutdown_write();
  EXPECT_EQ(answer(*client).body, "1");
  EXPECT_EQ(answer(*client).body, "2");
  EXPECT_EQ(rest(*client), "");
}

TEST_F(Server, AHalfClosedPeerThatLeavesCancelsTheHandler) {
  bool ended = false;
  handler_ = [&](HttpExchange&) -> Async<void> {
    try {
      co_await sleep_for(loop_.clock(), Duration(1'000'000));
    } catch (const Cancelled&) {
      ended = true;
      throw;
    }
  };
  start();
  auto client = connect();
  send(*client, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  client->shutdown_write();
  loop_.run_ready();
  EXPECT_FALSE(ended);
  client.reset();
  EXPECT_TRUE(loop_.run_until([&] { return ended; }, Duration(1000)));
}

// --- limits and the end ---------------------------------------------------------------------

TEST_F(Server, ConnectionsHaveALimit) {
  options_.max_connections_per_user = 2;
  start();
  const auto first = connect();
  auto second = connect();
  loop_.run_ready();
  const auto third = connect();
  const HttpResponse refused = answer(*third);
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(problem_of(refused).reason(), Reason::too_many_connections);
  EXPECT_EQ(rest(*third), "");
  EXPECT_EQ(server_->statistics().refused, 1U);
  second.reset();
  loop_.run_ready();
  const auto fourth = connect();
  send(*fourth, "GET /ok HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(answer(*fourth).body, "/ok");
}

TEST_F(Server, AFloodOfConnectionsIsSurvived) {
  options_.max_connections = 10;
  options_.max_connections_per_user = 1000;
  start();
  std::vector<std::unique_ptr<Stream>> clients;
  for (int i = 0; i < 200; ++i) clients.push_back(connect());
  loop_.run_ready();
  EXPECT_EQ(server_->statistics().accepted, 10U);
  EXPECT_EQ(server_->statistics().refused, 190U);
  clients.clear();
  loop_.run_ready();
  const auto client = connect();
  send(*client, "GET /ok HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(answer(*client).body, "/ok");
}

TEST_F(Server, StreamsHaveChunks) {
  handler_ = [&](HttpExchange& exchange) -> Async<void> {
    Headers headers{{"Content-Type", "text/event-stream"}};
    const auto stream = co_await exchange.start_stream(200, headers);
    co_await stream->write("data: 1\n\n");
    co_await sleep_for(loop_.clock(), Duration(500'000));  // longer than any other limit
    co_await stream->write("data: 2\n\n");
    co_await stream->finish();
  };
  start();
  const auto client = connect();
  send(*client, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(answer(*client).body, "data: 1\n\ndata: 2\n\n");
  send(*client, "GET / HTTP/1.0\r\n\r\n");
  EXPECT_TRUE(rest(*client).ends_with("\r\n\r\ndata: 1\n\ndata: 2\n\n"));
}

TEST_F(Server, AnUnfinishedStreamLooksBroken) {
  handler_ = [](HttpExchange& exchange) -> Async<void> {
    const auto stream = co_await exchange.start_stream(200, {});
    co_await stream->write("half");
    throw Error(Reason::io_failed, "the disk went away");
  };
  start();
  const auto client = connect();
  send(*client, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THROW(answer(*client), Error);
}

TEST_F(Server, ShutdownEndsIdleAndEndlessConnectionsAtOnce) {
  handler_ = [&](HttpExchange& exchange) -> Async<void> {
    const auto stream = co_await exchange.start_stream(200, {});
    co_await stream->write("first");
    co_await sleep_for(loop_.clock(), Duration(3'600'000));
  };
  start();
  const auto idle = connect();
  const auto open = connect();
  send(*open, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  loop_.run_ready();
  const Instant begin = loop_.clock().now();
  end();
  EXPECT_EQ(loop_.clock().now(), begin);
  EXPECT_EQ(rest(*idle), "");
}

TEST_F(Server, ShutdownLetsAShortHandlerEndAndCancelsALongOne) {
  bool cancelled = false;
  handler_ = [&](HttpExchange& exchange) -> Async<void> {
    const bool is_long = exchange.request().path == "/long";
    try {
      co_await sleep_for(loop_.clock(), Duration(is_long ? 3'600'000 : 1000));
    } catch (const Cancelled&) {
      cancelled = true;
      throw;
    }
    co_await exchange.respond({});
  };
  start();
  const auto brief = connect();
  const auto lengthy = connect();
  send(*brief, "GET /short HTTP/1.1\r\nHost: x\r\n\r\n");
  send(*lengthy, "GET /long HTTP/1.1\r\nHost: x\r\n\r\n");
  loop_.run_ready();
  const Instant begin = loop_.clock().now();
  end();
  EXPECT_EQ(loop_.clock().now() - begin, options_.shutdown_grace);
  EXPECT_TRUE(cancelled);
  const HttpResponse last = answer(*brief);
  EXPECT_EQ(last.status, 200);
  EXPECT_EQ(last.headers.get("Connection"), "close");
  EXPECT_EQ(rest(*lengthy), "");
}

}  // namespace
}  // namespace ruche::net
