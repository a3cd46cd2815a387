// The daemon's face on the network: its address, its certificate, and what keeps both.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "api/https.hpp"
#include "base/clock.hpp"
#include "base/log.hpp"
#include "net/http_server.hpp"
#include "net/tls.hpp"

namespace ruche::apps {

struct HttpsOptions {
  net::TcpListenOptions listen;
  std::string host_name;  // of the machine: in the certificate and in the URL
  std::string file;  // where key and certificate are kept, together; empty: in memory only
};

class HttpsFront : public api::Https {
 public:
  // Listens, and reads the certificate or makes one. A file that cannot be used is left as it is
  // and said in the log: nobody gets in over the network until it is replaced, all else works.
  // Throws already_listening, io_failed.
  HttpsFront(Executor executor, Clock& clock, Log& log, HttpsOptions options);

  std::string url() const override { return url_; }
  model::CertificateView certificate() const override;
  Async<void> replace(std::string certificate, Secret<std::string> key) override;
  Async<void> renew() override;

  std::string fingerprint() const;  // empty: none
  // Once: gives the listener away.
  std::unique_ptr<net::Listener> take_listener() { return std::move(listener_); }

 private:
  net::TlsIdentity make() const;
  void load();
  Async<void> keep(net::TlsIdentity identity);

  Clock& clock_;
  Log& log_;
  HttpsOptions options_;
  std::unique_ptr<net::Listener> listener_;
  std::string url_;
  net::TlsServerContext context_;
  std::string certificate_;  // PEM of what is shown
  bool busy_ = false;        // one replacement at a time
};

// What HTTPS answers carry besides their own fields, for browsers.
net::HttpServerOptions https_server_options();

// "9443", ":9443", "127.0.0.1:9443", "[::1]:9443"; without an address, or with "*": every address.
// nullopt: "none". The error is a sentence.
std::expected<std::optional<net::TcpListenOptions>, std::string> parse_listen(
    const std::string& text);

}  // namespace ruche::apps
