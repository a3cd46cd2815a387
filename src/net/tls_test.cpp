#include "net/tls.hpp"

#include <gmock/gmock.h>

#include "net/tls_test_pair.hpp"

namespace ruche::net {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

using Tls = TlsTest;

TEST_F(Tls, CarriesBytesBothWaysAndEndsEachAlone) {
  auto made = connect(pinned());
  ASSERT_EQ(made.client_failure, "none");
  ASSERT_EQ(made.server_failure, "none");
  EXPECT_FALSE(made.server->peer().credentials) << "a tunnel's end is not its user";
  loop_.run(made.client->write_all("hello ", "world"));
  EXPECT_EQ(read(*made.server), "hello world") << "one record";
  made.client->shutdown_write();
  EXPECT_EQ(run_now(loop_, read_all(*made.server)), "");
  loop_.run(made.server->write_all("still here"));
  made.server->close();
  EXPECT_EQ(run_now(loop_, read_all(*made.client)), "still here");
  EXPECT_THAT(failure_of([&] { loop_.run(made.client->write_all("x")); }), StartsWith("peer-gone"));
}

TEST_F(Tls, CarriesMuchBothWaysAtOnce) {
  auto made = connect(pinned());
  std::string much(5 << 20, '\0');
  for (char& c : much) c = static_cast<char>(random_->next());
  std::array<std::string, 2> received;
  const auto send = [](Stream& stream, const std::string& bytes) -> Async<void> {
    co_await stream.write_all(std::string_view(bytes).substr(0, 7),
                              std::string_view(bytes).substr(7));
    stream.shutdown_write();
  };
  const auto receive = [](Stream& stream, std::string& into) -> Async<void> {
    into = co_await read_all(stream);
  };
  std::vector<Async<void>> works;
  works.push_back(send(*made.client, much));
  works.push_back(send(*made.server, much));
  works.push_back(receive(*made.client, received[0]));
  works.push_back(receive(*made.server, received[1]));
  loop_.run(all(std::move(works)));
  EXPECT_TRUE(received[0] == much);
  EXPECT_TRUE(received[1] == much);
}

TEST_F(Tls, AnotherCertificateThanTheTrustedIsRefused) {
  const auto trust = pinned();
  renew();
  const auto made = connect(trust);
  EXPECT_THAT(made.client_failure, StartsWith("untrusted-certificate: localhost shows another"));
  EXPECT_THAT(made.client_failure, HasSubstr(trust.fingerprint));
  EXPECT_THAT(made.client_failure, HasSubstr(context_.certificate()->fingerprint));
}

TEST_F(Tls, AnAuthorityVouchesForNamesAndAddresses) {
  const auto trusting = [&](std::string authorities, std::string name) {
    return connect({.fingerprint = {},
                    .authorities = std::move(authorities),
                    .server_name = std::move(name)})
        .client_failure;
  };
  EXPECT_EQ(trusting(identity_.certificate, "localhost"), "none");
  EXPECT_EQ(trusting(identity_.certificate, "127.0.0.1"), "none");
  EXPECT_THAT(trusting(identity_.certificate, "example.org"),
              HasSubstr("the certificate of example.org is not trusted: hostname mismatch"));
  EXPECT_THAT(trusting(identity_.certificate, "127.0.0.2"), HasSubstr("IP address mismatch"));
  EXPECT_THAT(trusting("", "localhost"), HasSubstr("not trusted: self-signed certificate"));
}

TEST_F(Tls, LookingShowsTheCertificateAndWhatSpeaksAgainstIt) {
  SeenCertificate seen;
  const auto made = connect([&](std::unique_ptr<Stream> below) -> Async<std::unique_ptr<Stream>> {
    auto held = std::make_shared<std::unique_ptr<Stream>>(std::move(below));
    const Connector once = [held]() -> Async<std::unique_ptr<Stream>> {
      return [](std::shared_ptr<std::unique_ptr<Stream>> own) -> Async<std::unique_ptr<Stream>> {
        co_return std::move(*own);
      }(held);
    };
    return [](Connector below_it, SeenCertificate& into) -> Async<std::unique_ptr<Stream>> {
      into = co_await look_at_certificate(std::move(below_it), "localhost");
      co_return nullptr;
    }(once, seen);
  });
  EXPECT_EQ(made.client_failure, "none");
  EXPECT_EQ(seen.info.fingerprint, context_.certificate()->fingerprint);
  EXPECT_THAT(seen.distrust, HasSubstr("self-signed"));
}

TEST_F(Tls, OldVersionsAndCiphersAreRefused) {
  for (const int version : {TLS1_VERSION, TLS1_1_VERSION}) {
    const auto old = client_context();
    SSL_CTX_set_min_proto_version(old.get(), TLS1_VERSION);
    SSL_CTX_set_max_proto_version(old.get(), version);
    const auto made = connect(rude(old));
    EXPECT_THAT(made.server_failure,
                HasSubstr("tls-failed: the TLS handshake failed: unsupported"));
    EXPECT_THAT(made.client_failure, HasSubstr("protocol version")) << "the client is told";
  }
  for (const char* cipher : {"AES128-SHA", "ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA384"}) {
    const auto weak = client_context();
    SSL_CTX_set_max_proto_version(weak.get(), TLS1_2_VERSION);
    ASSERT_EQ(SSL_CTX_set_cipher_list(weak.get(), cipher), 1);
    EXPECT_THAT(connect(rude(weak)).server_failure, HasSubstr("no shared cipher"));
  }
  const auto good = client_context();
  SSL_CTX_set_max_proto_version(good.get(), TLS1_2_VERSION);
  EXPECT_EQ(connect(rude(good)).server_failure, "none");
}

TEST_F(Tls, RenegotiationIsRefused) {
  const auto old = client_context();
  SSL_CTX_set_max_proto_version(old.get(), TLS1_2_VERSION);
  Inside inside;
  auto made = connect(rude(old, &inside));
  ASSERT_EQ(made.client_failure, "none");
  ASSERT_EQ(SSL_renegotiate(inside.session), 1);
  SSL_do_handshake(inside.session);
  std::string hello(BIO_ctrl_pending(SSL_get_wbio(inside.session)), '\0');
  ASSERT_GT(hello.size(), 50U);
  BIO_read(SSL_get_wbio(inside.session), hello.data(), static_cast<int>(hello.size()));
  loop_.run(inside.below->write_all(hello));
  std::array<char, 16> piece;
  EXPECT_THAT(failure_of([&] {
                auto reading = made.server->read_some(piece);
                run_now(loop_,
                        with_deadline(loop_.clock(), Duration(50), "reading", std::move(reading)));
              }),
              StartsWith("deadline"));
  loop_.run(made.server->write_all("x"));
  EXPECT_THAT(failure_of([&] { read(*made.client); }), HasSubstr("no renegotiation"));
}

TEST_F(Tls, KeyUpdatesAreFollowedButNotForEver) {
  Inside inside;
  auto made = connect(rude(client_context(), &inside));
  ASSERT_EQ(SSL_key_update(inside.session, SSL_KEY_UPDATE_REQUESTED), 1);
  loop_.run(made.client->write_all("ping"));
  EXPECT_EQ(read(*made.server), "ping");
  loop_.run(made.server->write_all("pong"));
  EXPECT_EQ(read(*made.client), "pong");
  std::string failure = "none";
  for (int i = 0; i < 20'000 && failure == "none"; ++i) {
    SSL_key_update(inside.session, SSL_KEY_UPDATE_REQUESTED);
    loop_.run(made.client->write_all("x"));
    failure = failure_of([&] { read(*made.server); });
  }
  EXPECT_THAT(failure, HasSubstr("asks for ever more"));
}

TEST_F(Tls, NoiseIsRefused) {
  for (int i = 0; i < 200; ++i) {
    std::string noise(1 + random_->below(300), '\0');
    for (char& c : noise) c = static_cast<char>(random_->next());
    if (random_->chance(0.5)) noise.replace(0, 3, "\x16\x03\x01");  // looks like a handshake
    const auto made = connect([&](std::unique_ptr<Stream> below) -> Async<std::unique_ptr<Stream>> {
      return [](std::unique_ptr<Stream> raw, std::string said) -> Async<std::unique_ptr<Stream>> {
        co_await raw->write_all(said);
        raw->shutdown_write();
        co_return std::move(raw);
      }(std::move(below), noise);
    });
    EXPECT_THAT(made.server_failure, StartsWith("tls-failed"));
  }
}

TEST_F(Tls, ACutHandshakeEnds) {
  // What a client says first.
  openssl::Session hello(SSL_new(client_context().get()));
  BIO* out = BIO_new(BIO_s_mem());
  SSL_set_bio(hello.get(), BIO_new(BIO_s_mem()), out);
  SSL_set_connect_state(hello.get());
  SSL_do_handshake(hello.get());
  std::string first(BIO_ctrl_pending(out), '\0');
  BIO_read(out, first.data(), static_cast<int>(first.size()));
  ASSERT_GT(first.size(), 100U);
  for (std::size_t cut = 0; cut <= first.size(); cut += 13) {
    const auto made = connect([&](std::unique_ptr<Stream> below) -> Async<std::unique_ptr<Stream>> {
      return [](std::unique_ptr<Stream> raw, std::string said) -> Async<std::unique_ptr<Stream>> {
        if (!said.empty()) co_await raw->write_all(said);
        raw->shutdown_write();
        co_return std::move(raw);
      }(std::move(below), first.substr(0, cut));
    });
    EXPECT_THAT(made.server_failure, HasSubstr("the other side ended the connection")) << cut;
  }
}

TEST_F(Tls, PlainHttpIsToldWhatToDo) {
  auto made = connect([&](std::unique_ptr<Stream> below) -> Async<std::unique_ptr<Stream>> {
    return [](std::unique_ptr<Stream> raw) -> Async<std::unique_ptr<Stream>> {
      co_await raw->write_all("GET / HTTP/1.1\r\nHost: host1:9443\r\n\r\n");
      co_return std::move(raw);
    }(std::move(below));
  });
  EXPECT_THAT(made.server_failure, HasSubstr("http request"));
  EXPECT_THAT(read(*made.client), testing::AllOf(StartsWith("HTTP/1.1 400 "),
                                                 HasSubstr("begin the URL with https://")));
}

TEST_F(Tls, ACutIsNotAnEnd) {
  Inside inside;
  auto made = connect(rude(client_context(), &inside));
  loop_.run(made.client->write_all("half a sent"));
  EXPECT_EQ(read(*made.server), "half a sent");
  SSL_set_quiet_shutdown(inside.session, 1);  // leaves without a goodbye
  made.client->close();
  EXPECT_THAT(failure_of([&] { read(*made.server); }), StartsWith("peer-gone: the connection was"));
}

TEST_F(Tls, ACancelledReadHasConsumedNothing) {
  auto made = connect(pinned());
  std::array<char, 16> piece;
  const auto late = failure_of([&] {
    auto reading = made.server->read_some(piece);
    run_now(loop_, with_deadline(loop_.clock(), Duration(50), "reading", std::move(reading)));
  });
  EXPECT_THAT(late, StartsWith("deadline"));
  loop_.run(made.client->write_all("all of it"));
  EXPECT_EQ(read(*made.server), "all of it");
}

TEST_F(Tls, ASilentClientIsLeftAtTheDeadline) {
  auto [near, far] = stream_pair(loop_.executor());
  const auto server = tls_server_stream(std::move(far), context_);
  EXPECT_TRUE(server->needs_handshake());
  const Instant begun = loop_.clock().now();
  EXPECT_THAT(failure_of([&] {
                loop_.run(with_deadline(loop_.clock(), Duration(10'000), "the handshake",
                                        server->handshake()));
              }),
              StartsWith("deadline"));
  EXPECT_EQ(loop_.clock().now() - begun, Duration(10'000));
  EXPECT_THAT(failure_of([&] { loop_.run(server->write_all("x")); }), StartsWith("internal-error"));
}

TEST_F(Tls, ANewCertificateLeavesOpenConnectionsAlone) {
  const auto old = pinned();
  auto before = connect(old);
  renew();
  EXPECT_NE(pinned().fingerprint, old.fingerprint);
  auto after = connect(pinned());
  ASSERT_EQ(after.client_failure, "none");
  loop_.run(before.client->write_all("on and on"));
  EXPECT_EQ(read(*before.server), "on and on");
  const TlsIdentity bad{identity_.certificate, Secret<std::string>("no key")};
  EXPECT_THAT(failure_of([&] { context_.use(bad); }), StartsWith("bad-certificate"));
  EXPECT_EQ(connect(pinned()).client_failure, "none") << "a refused one changed nothing";
}

TEST_F(Tls, WithoutACertificateNobodyGetsIn) {
  context_ = TlsServerContext();
  EXPECT_FALSE(context_.certificate());
  const auto made = connect(rude(client_context()));
  EXPECT_THAT(made.server_failure, StartsWith("tls-failed"));
  EXPECT_THAT(made.client_failure, StartsWith("tls-failed"));
}

TEST_F(Tls, AnIdleConnectionIsWorthReusing) {
  auto made = connect(pinned());
  loop_.run_ready();
  EXPECT_TRUE(made.client->idle());
  loop_.run(made.server->write_all("unasked"));
  loop_.run_ready();
  EXPECT_FALSE(made.client->idle());
  EXPECT_EQ(read(*made.client), "unasked");
  EXPECT_TRUE(made.client->idle());
  made.server->close();
  loop_.run_ready();
  EXPECT_FALSE(made.client->idle());
}

}  // namespace
}  // namespace ruche::net
