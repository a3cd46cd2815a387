// Two ends of a TLS connection over a socket pair, on a stepped loop. For tests only.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <optional>
#include <string>

#include "base/random.hpp"
#include "base/stepped_loop.hpp"
#include "net/tls.hpp"
#include "net/tls_stream.hpp"

namespace ruche::net {

class TlsTest : public testing::Test {
 protected:
  TlsTest() : random_(seeded_random(11)) { renew(); }

  // The server shows a new certificate from now on. OpenSSL judges its dates by the machine's
  // clock, so it is valid whatever that says.
  void renew() {
    identity_ = make_self_signed({.common_name = "host1",
                                  .names = {"localhost", "127.0.0.1"},
                                  .not_before = {946'684'800'000},
                                  .valid_for = std::chrono::hours(24 * 36525)});
    context_.use(identity_);
  }
  TlsTrust pinned() const {
    return {.fingerprint = context_.certificate()->fingerprint,
            .authorities = {},
            .server_name = "localhost"};
  }

  // Shakes hands over a new pair. What went wrong is in the reasons: "none" for a side that is
  // content.
  struct Connected {
    std::unique_ptr<Stream> client;
    std::unique_ptr<Stream> server;
    std::string client_failure = "none";
    std::string server_failure = "none";
  };
  Connected connect(const TlsTrust& trust) {
    return connect([&](std::unique_ptr<Stream> below) -> Async<std::unique_ptr<Stream>> {
      auto held = std::make_shared<std::unique_ptr<Stream>>(std::move(below));
      return tls_connector([held] { return hand_over(held); }, trust)();
    });
  }
  using Dial = std::function<Async<std::unique_ptr<Stream>>(std::unique_ptr<Stream>)>;
  Connected connect(const Dial& dial) {
    auto [near, far] = stream_pair(loop_.executor());
    Connected made;
    made.server = tls_server_stream(std::move(far), context_);
    std::vector<Async<void>> sides;
    sides.push_back(greet(made));
    sides.push_back(call(made, dial(std::move(near))));
    loop_.run(all(std::move(sides)));
    return made;
  }
  // A client with a context of its own, as an old or a rude one would have, and a way to reach
  // below its stream.
  struct Inside {
    SSL* session = nullptr;
    Stream* below = nullptr;
  };
  Dial rude(openssl::Context context, Inside* inside = nullptr) {
    return [=](std::unique_ptr<Stream> below) -> Async<std::unique_ptr<Stream>> {
      openssl::Session own(SSL_new(context.get()));
      SSL_set_connect_state(own.get());
      if (inside != nullptr) *inside = {own.get(), below.get()};
      return shake(std::make_unique<TlsStream>(std::move(below), std::move(own), nullptr));
    };
  }
  static openssl::Context client_context() {
    openssl::Context context(SSL_CTX_new(TLS_client_method()), SSL_CTX_free);
    SSL_CTX_set_security_level(context.get(), 0);
    return context;
  }

  static Async<std::string> read_all(Stream& stream) {
    std::string bytes;
    while (true) {
      std::array<char, 8192> piece;
      const std::size_t count = co_await stream.read_some(piece);
      if (count == 0) co_return bytes;
      bytes.append(piece.data(), count);
    }
  }
  std::string read(Stream& stream) {
    return run_now(loop_, [](Stream& from) -> Async<std::string> {
      std::array<char, 8192> piece;
      const std::size_t count = co_await from.read_some(piece);
      co_return std::string(piece.data(), count);
    }(stream));
  }
  template <class F>
  static std::string failure_of(F work) {
    try {
      work();
    } catch (const Error& error) {
      return std::string(error.reason_name()) + ": " + error.message();
    }
    return "none";
  }

  SteppedLoop loop_;
  std::unique_ptr<Random> random_;
  TlsIdentity identity_;
  TlsServerContext context_;

 private:
  static Async<std::unique_ptr<Stream>> hand_over(std::shared_ptr<std::unique_ptr<Stream>> held) {
    co_return std::move(*held);
  }
  static Async<std::unique_ptr<Stream>> shake(std::unique_ptr<Stream> stream) {
    co_await stream->handshake();
    co_return stream;
  }
  static Async<void> greet(Connected& made) {
    try {
      co_await made.server->handshake();
    } catch (const Error& error) {
      made.server_failure = std::string(error.reason_name()) + ": " + error.message();
      made.server->close();
    }
  }
  static Async<void> call(Connected& made, Async<std::unique_ptr<Stream>> dialling) {
    try {
      made.client = co_await std::move(dialling);
    } catch (const Error& error) {
      made.client_failure = std::string(error.reason_name()) + ": " + error.message();
    }
  }
};

}  // namespace ruche::net
