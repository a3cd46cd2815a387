// TLS 1.2 and 1.3 (RFC 5246, RFC 8446) over any Stream: certificates are believed because their
// fingerprint is known or because an authority vouches for them. No renegotiation, no compression,
// no tickets: a full handshake with ECDSA is cheap, and a stolen ticket key opens nothing.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "net/certificate.hpp"
#include "net/stream.hpp"

namespace ruche::net {

// What a server shows; replaceable while it serves. Copies share it.
class TlsServerContext {
 public:
  TlsServerContext();

  // New connections see this certificate from now on; those that are open keep theirs. It has been
  // checked (checked_identity); what TLS still refuses throws Error(bad_certificate) and changes
  // nothing.
  void use(const TlsIdentity& identity);
  // nullopt: none yet, and every handshake is refused.
  std::optional<CertificateInfo> certificate() const;

  struct State;
  const std::shared_ptr<State>& state() const { return state_; }

 private:
  std::shared_ptr<State> state_;
};

// Accepts from `below`; the streams still need their handshake(), so that a slow client holds up
// nobody but itself. A client that speaks plain HTTP is told so.
std::unique_ptr<Listener> listen_tls(std::unique_ptr<Listener> below, TlsServerContext context);
// One such stream.
std::unique_ptr<Stream> tls_server_stream(std::unique_ptr<Stream> below,
                                          const TlsServerContext& context);

// Whom a client believes.
struct TlsTrust {
  // Canonical (canonical_fingerprint): exactly this certificate, whatever it says and whoever
  // signed it. Empty: a certificate for `server_name` that an authority vouches for.
  std::string fingerprint;
  std::string authorities;  // PEM; empty: those that the system trusts
  std::string server_name;  // host name or numeric address; also sent (SNI)
};

// Connects and shakes hands; no limit in time of its own. Throws Error(tls_failed), and
// Error(untrusted_certificate) before anything of ours has been sent.
Connector tls_connector(Connector below, TlsTrust trust);

// What a server shows, believed or not. Nothing is sent to it but a greeting.
struct SeenCertificate {
  CertificateInfo info;
  std::string distrust;  // why the system's authorities do not vouch for it; empty: they do
};
Async<SeenCertificate> look_at_certificate(Connector below, std::string server_name);

}  // namespace ruche::net
