#include "ruched/https.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <sstream>

#include "ruched/instance.hpp"

namespace ruche::apps {

namespace {

// Clients trust our own certificate by its fingerprint, so its end only forces everybody to trust
// anew. It begins a day early for clients whose clock is behind.
constexpr Duration kValidFor = std::chrono::hours(24 * 3652);
constexpr Duration kClockError = std::chrono::hours(24);

bool is_every_address(const std::string& address) {
  return address == "::" || address == "0.0.0.0";
}

// Every address is "::", for both families; where IPv6 is switched off, "0.0.0.0".
std::unique_ptr<net::Listener> listen(const Executor& executor,
                                      const net::TcpListenOptions& options) {
  try {
    return net::listen_tcp(executor, options);
  } catch (const Error& error) {
    if (options.address != "::" || error.reason() == Reason::already_listening) {
      throw Error(error).remedy("choose another address with --listen, or --listen none");
    }
  }
  auto ipv4 = options;
  ipv4.address = "0.0.0.0";
  return net::listen_tcp(executor, ipv4);
}

// The end of "tcp:[::]:9443" is the port that it became.
std::string url_of(const net::Listener& listener, const HttpsOptions& options) {
  const auto bound = listener.address();
  const auto port = bound.substr(bound.rfind(':') + 1);
  const auto& address = options.listen.address;
  std::string host = address.find(':') == address.npos ? address : '[' + address + ']';
  if (is_every_address(address)) host = options.host_name;
  return fmt::format("https://{}:{}", host, port);
}

// Key and certificate are one file, so that a crash cannot leave two that do not match.
std::string file_text(const net::TlsIdentity& identity) {
  return identity.certificate + identity.key.reveal();
}

net::TlsIdentity identity_in(const std::string& text) { return {text, Secret<std::string>(text)}; }

}  // namespace

HttpsFront::HttpsFront(Executor executor, Clock& clock, Log& log, HttpsOptions options)
    : clock_(clock), log_(log), options_(std::move(options)) {
  auto tcp = listen(executor, options_.listen);
  url_ = url_of(*tcp, options_);
  listener_ = net::listen_tls(std::move(tcp), context_);
  load();
}

net::TlsIdentity HttpsFront::make() const {
  std::vector<std::string> names = {options_.host_name, "localhost", "127.0.0.1", "::1"};
  const auto& address = options_.listen.address;
  const bool known = std::ranges::find(names, address) != names.end();
  if (!known && !is_every_address(address)) names.push_back(address);
  return net::make_self_signed({.common_name = options_.host_name,
                                .names = std::move(names),
                                .not_before = {clock_.wall().unix_ms - kClockError.count()},
                                .valid_for = kValidFor});
}

void HttpsFront::load() {
  std::ifstream in(options_.file);
  if (options_.file.empty() || !in) {
    const auto identity = make();
    if (!options_.file.empty()) replace_file(options_.file, file_text(identity));
    context_.use(identity);
    certificate_ = identity.certificate;
    return;
  }
  std::stringstream text;
  text << in.rdbuf();
  try {
    // Whether it has expired is for its clients to judge: they may trust its fingerprint.
    const auto identity = net::checked_identity(identity_in(text.str()), std::nullopt);
    context_.use(identity);
    certificate_ = identity.certificate;
  } catch (const Error& error) {
    log_.error("apps", "the certificate cannot be used: HTTPS lets nobody in",
               {{"file", options_.file}, {"why", error.message()}});
  }
}

std::string HttpsFront::fingerprint() const {
  const auto info = context_.certificate();
  return info ? info->fingerprint : "";
}

model::CertificateView HttpsFront::certificate() const {
  const auto info = context_.certificate();
  if (!info) {
    throw Error(Reason::object_broken,
                fmt::format("the certificate in {} cannot be used", options_.file))
        .remedy(
            "`ruche host certificate set` gives it another one, `ruche host certificate renew` "
            "makes one");
  }
  return {.url = url_,
          .fingerprint = info->fingerprint,
          .subject = info->subject,
          .names = info->names,
          .self_signed = info->self_signed,
          .not_before = info->not_before,
          .not_after = info->not_after,
          .certificate = certificate_};
}

Async<void> HttpsFront::replace(std::string certificate, Secret<std::string> key) {
  return keep(net::checked_identity({std::move(certificate), std::move(key)}, clock_.wall()));
}

Async<void> HttpsFront::renew() { return keep(make()); }

// First what a restart would read, then what new connections see.
Async<void> HttpsFront::keep(net::TlsIdentity identity) {
  if (busy_) {
    throw Error(Reason::claimed, "the certificate is being replaced already")
        .remedy("try again in a moment");
  }
  busy_ = true;
  std::exception_ptr failure;
  try {
    if (!options_.file.empty()) {
      Lane disk("certificate");
      co_await disk.run([&] { replace_file(options_.file, file_text(identity)); });
    }
    context_.use(identity);
    certificate_ = identity.certificate;
  } catch (const std::exception&) {
    failure = std::current_exception();
  }
  busy_ = false;
  if (failure) std::rethrow_exception(failure);
  log_.info("apps", "the certificate was replaced", {{"fingerprint", fingerprint()}});
}

net::HttpServerOptions https_server_options() {
  net::HttpServerOptions options;
  options.fields = {
      {"Strict-Transport-Security", "max-age=31536000"},
      {"X-Content-Type-Options", "nosniff"},
      {"X-Frame-Options", "DENY"},
      {"Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"},
      {"Referrer-Policy", "no-referrer"},
      {"Cache-Control", "no-store"},
  };
  return options;
}

std::expected<std::optional<net::TcpListenOptions>, std::string> parse_listen(
    const std::string& text) {
  if (text == "none") return std::nullopt;
  const auto refuse = [&] {
    return std::unexpected(
        fmt::format("\"{}\" is not ADDRESS:PORT, as in 127.0.0.1:9443 or [::1]:9443; :9443 is "
                    "every address, none switches HTTPS off",
                    text));
  };
  const auto colon = text.rfind(':');
  const std::string port = colon == text.npos ? text : text.substr(colon + 1);
  std::string address = colon == text.npos ? "" : text.substr(0, colon);
  net::TcpListenOptions options;
  const char* end = port.data() + port.size();
  const auto read = std::from_chars(port.data(), end, options.port);
  if (read.ec != std::errc() || read.ptr != end) return refuse();
  const bool bracketed = address.starts_with('[') && address.ends_with(']');
  if (bracketed) address = address.substr(1, address.size() - 2);
  if (address.empty() || address == "*") address = "::";
  std::array<unsigned char, sizeof(in6_addr)> bytes{};
  const int family = address.find(':') == address.npos ? AF_INET : AF_INET6;
  if (::inet_pton(family, address.c_str(), bytes.data()) != 1) return refuse();
  if (family == AF_INET6 && !bracketed && address != "::") return refuse();
  options.address = address;
  return options;
}

}  // namespace ruche::apps
