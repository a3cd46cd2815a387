// A server on a stepped loop, and raw clients that talk to it over socket pairs. For tests only.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "base/stepped_loop.hpp"
#include "net/http_parser.hpp"
#include "net/http_server.hpp"

namespace ruche::net {

class PairListener : public Listener {
 public:
  explicit PairListener(Executor executor) : executor_(std::move(executor)) {}
  std::unique_ptr<Stream> connect() {
    auto [client, server] = stream_pair(executor_);
    waiting_.push(std::move(server));
    return std::move(client);
  }
  Async<std::unique_ptr<Stream>> accept() override {
    auto next = co_await waiting_.pop();
    if (!next) throw Error(Reason::peer_gone, "closed");
    co_return std::move(*next);
  }
  void close() override { waiting_.close(); }
  std::string address() const override { return "pair"; }

 private:
  Executor executor_;
  Channel<std::unique_ptr<Stream>> waiting_;
};

class HttpServerTest : public testing::Test, public HttpHandler {
 public:
  HttpServerTest() : random_(seeded_random(7)) {}
  ~HttpServerTest() override {
    end();
    EXPECT_TRUE(log_.take_errors().empty());
  }

  void start() {
    server_ = std::make_unique<HttpServer>(loop_.executor(), loop_.clock(), *random_, log_, *this,
                                           options_);
    auto listener = std::make_unique<PairListener>(loop_.executor());
    listener_ = listener.get();
    server_->add_listener(std::move(listener));
    scope_.emplace(loop_.executor(), "test");
    scope_->spawn("server", server_->run());
  }
  // Shuts down; a test may start another server afterwards.
  void end() {
    if (!scope_) return;
    scope_->cancel(CancelReason::shutdown);
    loop_.run(scope_->join());
    scope_.reset();
  }
  std::unique_ptr<Stream> connect() { return listener_->connect(); }

  Async<void> handle(HttpExchange& exchange) override { co_await handler_(exchange); }

  void send(Stream& client, std::string text) { loop_.run(client.write_all(text)); }
  // Everything until the server closes.
  std::string rest(Stream& client) { return run_now(loop_, read_all(client)); }
  // One response; the rest stays for the next call.
  HttpResponse answer(Stream& client, std::string_view method = "GET") {
    return run_now(loop_, read_answer(client, pending_[&client], std::string(method)));
  }
  static Async<std::string> read_all(Stream& client) {
    std::string all;
    while (true) {
      std::array<char, 4096> piece;
      std::size_t count = 0;
      try {
        count = co_await client.read_some(piece);
      } catch (const Error&) {
        co_return all + "<reset>";
      }
      if (count == 0) co_return all;
      all.append(piece.data(), count);
    }
  }
  static Async<HttpResponse> read_answer(Stream& client, std::string& input, std::string method) {
    HttpParser parser(HttpParser::Kind::response, 65536);
    if (method == "HEAD") parser.expect_no_body();
    while (!parser.done()) {
      const std::size_t used = parser.put(input);
      input.erase(0, used);
      if (used > 0) continue;
      std::array<char, 4096> piece;
      const std::size_t count = co_await client.read_some(piece);
      if (count == 0) {
        parser.put_end();
        break;
      }
      input.append(piece.data(), count);
    }
    co_return HttpResponse{parser.status(), parser.headers(), parser.take_body()};
  }

  SteppedLoop loop_;
  std::unique_ptr<Random> random_;
  MemoryLog log_;
  HttpServerOptions options_;
  std::function<Async<void>(HttpExchange&)> handler_ = [](HttpExchange& exchange) -> Async<void> {
    HttpResponse response;
    response.body = exchange.request().path;
    co_await exchange.respond(std::move(response));
  };
  std::optional<Scope> scope_;
  std::unique_ptr<HttpServer> server_;
  PairListener* listener_ = nullptr;
  std::map<Stream*, std::string> pending_;
};

}  // namespace ruche::net
