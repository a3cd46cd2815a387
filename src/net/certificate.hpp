// X.509 certificates (RFC 5280) with their keys, as PEM text (RFC 7468).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/secret.hpp"
#include "base/units.hpp"

namespace ruche::net {

// What a server shows and what proves that it may.
struct TlsIdentity {
  std::string certificate;  // the server's own, then those between it and its authority
  Secret<std::string> key;  // of the first certificate; not encrypted
};

// What a certificate says.
struct CertificateInfo {
  std::string fingerprint;  // SHA-256 of its DER form, as canonical_fingerprint() writes it
  std::string subject;      // its common name; the whole name when it has none
  std::vector<std::string> names;  // host names and addresses it is valid for
  bool self_signed = false;        // it is its own issuer
  Timestamp not_before;
  Timestamp not_after;
};

struct SelfSignedOptions {
  std::string common_name;
  std::vector<std::string> names;  // host names and numeric addresses; those make no sense are left
  Timestamp not_before;
  Duration valid_for{};
};

// A new ECDSA P-256 key and a certificate that it signed for itself, for servers and clients.
TlsIdentity make_self_signed(const SelfSignedOptions& options);

// Of the first certificate in the text. Throws Error(bad_certificate).
CertificateInfo describe_certificate(std::string_view pem);

// The same, with nothing in the texts but certificates here and the key there. Throws
// Error(bad_certificate) at /certificate or /key when a server could not use it: it does not parse,
// the key is another one's or encrypted, it is weak, not for servers, or, when the time is given,
// expired or not yet valid.
TlsIdentity checked_identity(const TlsIdentity& identity, std::optional<Timestamp> now);

// "SHA256:AB:CD:…". Takes what people copy: upper or lower case, with or without "SHA256:" and
// colons. Throws Error(bad_format).
std::string canonical_fingerprint(std::string_view text);

}  // namespace ruche::net
