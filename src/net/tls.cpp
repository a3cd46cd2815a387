#include "net/tls.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <array>

#include "net/tls_stream.hpp"

namespace ruche::net {

// The loop's own; replacing the context leaves the connections that were made with the old one.
struct TlsServerContext::State {
  openssl::Context context;
  std::optional<CertificateInfo> certificate;
};

namespace {

// Forward secrecy and authenticated encryption only. TLS 1.3 has nothing else.
constexpr const char* kCiphers12 = "ECDHE+AESGCM:ECDHE+CHACHA20";

openssl::Context new_context(const SSL_METHOD* method) {
  openssl::Context context(SSL_CTX_new(method), SSL_CTX_free);
  if (!context) throw Error(Reason::internal_error, "no TLS context: " + openssl::last_error());
  SSL_CTX* raw = context.get();
  SSL_CTX_set_security_level(raw, 2);
  SSL_CTX_set_min_proto_version(raw, TLS1_2_VERSION);
  SSL_CTX_set_options(raw, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET);
  SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(raw, 0);
  SSL_CTX_set_mode(raw, SSL_MODE_RELEASE_BUFFERS);
  if (SSL_CTX_set_cipher_list(raw, kCiphers12) != 1) {
    throw Error(Reason::internal_error, "no modern cipher: " + openssl::last_error());
  }
  return context;
}

openssl::Session new_session(const openssl::Context& context) {
  openssl::Session session(SSL_new(context.get()));
  if (!session) throw std::bad_alloc();
  return session;
}

class TlsListener : public Listener {
 public:
  TlsListener(std::unique_ptr<Listener> below, TlsServerContext context)
      : below_(std::move(below)), context_(std::move(context)) {}

  Async<std::unique_ptr<Stream>> accept() override {
    auto stream = co_await below_->accept();
    co_return tls_server_stream(std::move(stream), context_);
  }
  void close() override { below_->close(); }
  std::string address() const override { return "tls:" + below_->address(); }

 private:
  std::unique_ptr<Listener> below_;
  TlsServerContext context_;
};

}  // namespace

// --- the server -----------------------------------------------------------------------------

TlsServerContext::TlsServerContext() : state_(std::make_shared<State>()) {
  state_->context = new_context(TLS_server_method());
}

void TlsServerContext::use(const TlsIdentity& identity) {
  const auto chain = openssl::parse_certificates(identity.certificate);
  const auto key = openssl::parse_key(identity.key);
  openssl::Context context = new_context(TLS_server_method());
  bool fits = SSL_CTX_use_certificate(context.get(), chain.front().get()) == 1 &&
              SSL_CTX_use_PrivateKey(context.get(), key.get()) == 1;
  for (std::size_t i = 1; fits && i < chain.size(); ++i) {
    fits = SSL_CTX_add1_chain_cert(context.get(), chain[i].get()) == 1;
  }
  if (!fits) {
    throw Error(Reason::bad_certificate, "TLS refuses it: " + openssl::last_error())
        .at("/certificate");
  }
  state_->certificate = openssl::describe(*chain.front());
  state_->context = std::move(context);
}

std::optional<CertificateInfo> TlsServerContext::certificate() const { return state_->certificate; }

std::unique_ptr<Stream> tls_server_stream(std::unique_ptr<Stream> below,
                                          const TlsServerContext& context) {
  auto session = new_session(context.state()->context);
  SSL_set_accept_state(session.get());
  return std::make_unique<TlsStream>(std::move(below), std::move(session),
                                     std::function<void(SSL&)>());
}

std::unique_ptr<Listener> listen_tls(std::unique_ptr<Listener> below, TlsServerContext context) {
  return std::make_unique<TlsListener>(std::move(below), std::move(context));
}

// --- the client -----------------------------------------------------------------------------

namespace {

bool is_address(const std::string& text) {
  std::array<unsigned char, sizeof(in6_addr)> bytes{};
  return ::inet_pton(AF_INET, text.c_str(), bytes.data()) == 1 ||
         ::inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1;
}

void believe_authorities(SSL_CTX& context, const std::string& pem) {
  if (pem.empty()) {
    SSL_CTX_set_default_verify_paths(&context);
    return;
  }
  X509_STORE* store = SSL_CTX_get_cert_store(&context);
  for (const auto& authority : openssl::parse_certificates(pem)) {
    X509_STORE_add_cert(store, authority.get());
  }
}

// What the certificate must be valid for, and the name that the server is told.
void name_server(SSL& session, const std::string& name) {
  if (name.empty()) return;
  if (is_address(name)) {
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(&session), name.c_str());
    return;
  }
  SSL_set_hostflags(&session, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  SSL_set1_host(&session, name.c_str());
  SSL_set_tlsext_host_name(&session, name.c_str());
}

openssl::Certificate shown_by(SSL& session) {
  openssl::Certificate certificate(SSL_get1_peer_certificate(&session));
  if (!certificate) throw Error(Reason::tls_failed, "the server shows no certificate");
  return certificate;
}

// Why no authority vouches for what the server showed; empty: one does.
std::string distrust_of(SSL& session) {
  const long verdict = SSL_get_verify_result(&session);
  return verdict == X509_V_OK ? "" : X509_verify_cert_error_string(verdict);
}

void judge(SSL& session, const TlsTrust& trust) {
  const auto info = openssl::describe(*shown_by(session));
  if (trust.fingerprint.empty()) {
    const auto distrust = distrust_of(session);
    if (distrust.empty()) return;
    throw Error(
        Reason::untrusted_certificate,
        fmt::format("the certificate of {} is not trusted: {}", trust.server_name, distrust))
        .remedy(fmt::format("if {} is the fingerprint that the server's administrator tells you, "
                            "trust exactly that: ruche login --fingerprint",
                            info.fingerprint));
  }
  if (info.fingerprint == trust.fingerprint) return;
  throw Error(Reason::untrusted_certificate,
              fmt::format("{} shows another certificate than the trusted one: somebody may be "
                          "reading along. Its fingerprint is {}, trusted is {}",
                          trust.server_name, info.fingerprint, trust.fingerprint))
      .remedy(
          "ask the server's administrator whether the certificate was replaced (`ruche host "
          "show` there prints its fingerprint); if so, log in again: ruche login");
}

openssl::Session client_session(const openssl::Context& context, const std::string& server_name) {
  auto session = new_session(context);
  name_server(*session, server_name);
  SSL_set_connect_state(session.get());
  return session;
}

Async<std::unique_ptr<Stream>> connect_tls(Connector below, openssl::Context context,
                                           TlsTrust trust) {
  auto connected = co_await below();
  auto session = client_session(context, trust.server_name);
  auto stream = std::make_unique<TlsStream>(std::move(connected), std::move(session),
                                            [trust](SSL& shown) { judge(shown, trust); });
  co_await stream->handshake();
  co_return stream;
}

// Verification goes through to the end whatever it finds; judge() reads the verdict.
openssl::Context client_context(bool authorities_count, const std::string& authorities) {
  auto context = new_context(TLS_client_method());
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_NONE, nullptr);
  if (authorities_count) believe_authorities(*context, authorities);
  return context;
}

}  // namespace

Connector tls_connector(Connector below, TlsTrust trust) {
  auto context = client_context(trust.fingerprint.empty(), trust.authorities);
  return [below = std::move(below), context = std::move(context), trust = std::move(trust)] {
    return connect_tls(below, context, trust);
  };
}

Async<SeenCertificate> look_at_certificate(Connector below, std::string server_name) {
  auto connected = co_await below();
  const auto context = client_context(true, {});
  SeenCertificate seen;
  TlsStream stream(std::move(connected), client_session(context, server_name), [&](SSL& session) {
    seen.info = openssl::describe(*shown_by(session));
    seen.distrust = distrust_of(session);
  });
  co_await stream.handshake();
  co_return seen;
}

}  // namespace ruche::net
