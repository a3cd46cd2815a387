#include "net/certificate.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <ctime>

#include "base/error.hpp"
#include "net/openssl.hpp"

namespace ruche::net {
namespace openssl {
namespace {

constexpr std::size_t kMostText = 256 << 10;
constexpr std::size_t kMostCertificates = 16;

using Names = Owned<GENERAL_NAMES, GENERAL_NAMES_free>;

Bio reader_of(std::string_view text) {
  return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

// Without it OpenSSL asks for the password of an encrypted key on the terminal.
int no_password(char*, int, int, void*) { return -1; }

Timestamp time_of(const ASN1_TIME* time) {
  std::tm parts{};
  if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1) return {};
  return Timestamp{std::int64_t{::timegm(&parts)} * 1000};
}

std::string text_of(const ASN1_STRING* text) {
  const auto* bytes = reinterpret_cast<const char*>(ASN1_STRING_get0_data(text));
  return {bytes, static_cast<std::size_t>(ASN1_STRING_length(text))};
}

std::string address_of(const ASN1_OCTET_STRING* address) {
  const int family = ASN1_STRING_length(address) == 4 ? AF_INET : AF_INET6;
  std::array<char, INET6_ADDRSTRLEN> text{};
  const int length = ASN1_STRING_length(address);
  if (length != 4 && length != 16) return {};
  if (::inet_ntop(family, ASN1_STRING_get0_data(address), text.data(), text.size()) == nullptr) {
    return {};
  }
  return text.data();
}

std::vector<std::string> names_of(X509& certificate) {
  std::vector<std::string> names;
  const Names held(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(&certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; held && i < sk_GENERAL_NAME_num(held.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(held.get(), i);
    std::string text;
    if (name->type == GEN_DNS) text = text_of(name->d.dNSName);
    if (name->type == GEN_IPADD) text = address_of(name->d.iPAddress);
    if (!text.empty()) names.push_back(std::move(text));
  }
  return names;
}

// What a certificate says of itself may hold anything: only printable characters are passed on.
std::string printable(std::string text) {
  for (char& c : text) {
    if (c < 0x20 || c > 0x7e) c = '?';
  }
  return text;
}

std::string subject_of(X509& certificate) {
  X509_NAME* name = X509_get_subject_name(&certificate);
  const int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
  if (at >= 0) return text_of(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
  std::array<char, 256> line{};
  X509_NAME_oneline(name, line.data(), line.size());
  return line.data();
}

}  // namespace

std::string last_error() {
  const unsigned long code = ERR_peek_last_error();
  ERR_clear_error();
  const char* text = code == 0 ? nullptr : ERR_reason_error_string(code);
  return text == nullptr ? "unknown" : text;
}

std::vector<Certificate> parse_certificates(std::string_view pem) {
  std::vector<Certificate> found;
  if (pem.size() > kMostText) {
    throw Error(Reason::bad_certificate, "the certificate is longer than 256 KiB")
        .at("/certificate");
  }
  const Bio in = reader_of(pem);
  ERR_clear_error();
  while (Certificate next{PEM_read_bio_X509(in.get(), nullptr, no_password, nullptr)}) {
    found.push_back(std::move(next));
    if (found.size() > kMostCertificates) {
      throw Error(Reason::bad_certificate, "there are more than 16 certificates")
          .at("/certificate");
    }
  }
  const bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  const std::string why = last_error();
  if (found.empty() || !at_end) {
    throw Error(Reason::bad_certificate,
                found.empty() && at_end ? "the text holds no certificate in PEM form"
                                        : fmt::format("the certificate does not parse: {}", why))
        .at("/certificate")
        .remedy("give a PEM file: it begins with -----BEGIN CERTIFICATE-----");
  }
  return found;
}

Key parse_key(const Secret<std::string>& pem) {
  const std::string_view text = pem.reveal();
  const Bio in = reader_of(text.substr(0, kMostText));
  ERR_clear_error();
  Key key(PEM_read_bio_PrivateKey(in.get(), nullptr, no_password, nullptr));
  ERR_clear_error();  // what went wrong in it could say something about the key
  if (key) return key;
  if (text.find("ENCRYPTED") != text.npos) {
    throw Error(Reason::bad_certificate, "the key is encrypted")
        .at("/key")
        .remedy("decrypt it first: openssl pkey -in KEY -out PLAIN");
  }
  throw Error(Reason::bad_certificate, "the text holds no private key in PEM form")
      .at("/key")
      .remedy("give a PEM file: it begins with -----BEGIN PRIVATE KEY-----");
}

CertificateInfo describe(X509& certificate) {
  CertificateInfo info;
  std::array<unsigned char, 32> digest{};
  unsigned size = 0;
  X509_digest(&certificate, EVP_sha256(), digest.data(), &size);
  info.fingerprint = "SHA256";
  for (const auto byte : digest) info.fingerprint += fmt::format(":{:02X}", byte);
  info.subject = printable(subject_of(certificate));
  for (auto& name : names_of(certificate)) info.names.push_back(printable(std::move(name)));
  info.self_signed =
      X509_NAME_cmp(X509_get_subject_name(&certificate), X509_get_issuer_name(&certificate)) == 0;
  info.not_before = time_of(X509_get0_notBefore(&certificate));
  info.not_after = time_of(X509_get0_notAfter(&certificate));
  return info;
}

}  // namespace openssl

namespace {

using openssl::Certificate;
using openssl::Key;

void must(bool done, std::string_view what) {
  if (done) return;
  throw Error(Reason::internal_error, fmt::format("{}: {}", what, openssl::last_error()));
}

bool is_address(const std::string& text) {
  std::array<unsigned char, sizeof(in6_addr)> bytes{};
  return ::inet_pton(AF_INET, text.c_str(), bytes.data()) == 1 ||
         ::inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1;
}

// Letters, digits, hyphens and dots: what can stand in an extension's text as it is.
bool is_host_name(std::string_view text) {
  return !text.empty() && text.size() <= 253 && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.';
  });
}

void add_extension(X509& certificate, int id, const std::string& text) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, &certificate, &certificate, nullptr, nullptr, 0);
  const openssl::Owned<X509_EXTENSION, X509_EXTENSION_free> extension(
      X509V3_EXT_conf_nid(nullptr, &context, id, text.c_str()));
  must(extension && X509_add_ext(&certificate, extension.get(), -1) == 1,
       "a certificate's extension");
}

std::string alternative_names(const std::vector<std::string>& names) {
  std::string text;
  for (const auto& name : names) {
    const bool address = is_address(name);
    if (!address && !is_host_name(name)) continue;
    text += fmt::format("{}{}:{}", text.empty() ? "" : ",", address ? "IP" : "DNS", name);
  }
  return text;
}

void name_certificate(X509& certificate, const std::string& common_name) {
  std::array<unsigned char, 16> serial{};
  must(RAND_bytes(serial.data(), serial.size()) == 1, "random numbers");
  serial[0] = (serial[0] & 0x7f) | 0x40;  // positive, and of full length
  const openssl::Owned<BIGNUM, BN_free> number(BN_bin2bn(serial.data(), serial.size(), nullptr));
  must(number && BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(&certificate)) != nullptr,
       "a serial number");
  X509_NAME* subject = X509_get_subject_name(&certificate);
  const auto add = [&](const char* field, const std::string& value) {
    const auto* bytes = reinterpret_cast<const unsigned char*>(value.data());
    must(X509_NAME_add_entry_by_txt(subject, field, MBSTRING_UTF8, bytes,
                                    static_cast<int>(value.size()), -1, 0) == 1,
         "a certificate's name");
  };
  add("O", "Ruche");
  add("CN", common_name.substr(0, 64));  // ub-common-name of RFC 5280
  must(X509_set_issuer_name(&certificate, subject) == 1, "a certificate's issuer");
}

template <class Write>
std::string pem_text(Write write) {
  const openssl::Bio out(BIO_new(BIO_s_secmem()));
  must(out && write(out.get()) == 1, "PEM");
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(out.get(), &bytes);
  return {bytes, static_cast<std::size_t>(size)};
}

std::string text_of(X509& certificate) {
  return pem_text([&](BIO* out) { return PEM_write_bio_X509(out, &certificate); });
}

Secret<std::string> text_of(EVP_PKEY& key) {
  return Secret<std::string>(pem_text([&](BIO* out) {
    return PEM_write_bio_PKCS8PrivateKey(out, &key, nullptr, nullptr, 0, nullptr, nullptr);
  }));
}

Error unusable(std::string_view field, std::string what) {
  return Error(Reason::bad_certificate, std::move(what)).at(std::string(field));
}

void check_times(const CertificateInfo& info, Timestamp now) {
  if (now.unix_ms > info.not_after.unix_ms) {
    throw unusable("/certificate",
                   fmt::format("the certificate expired at {}", to_rfc3339(info.not_after)))
        .remedy("renew it, and check this machine's clock");
  }
  if (now.unix_ms < info.not_before.unix_ms) {
    throw unusable("/certificate", fmt::format("the certificate is valid only from {} on",
                                               to_rfc3339(info.not_before)))
        .remedy("wait until then, or check this machine's clock");
  }
}

// OpenSSL's level 2: 112 bits of security, as in RSA with 2048 bits; no SHA-1.
void check_strength(const std::vector<Certificate>& chain, EVP_PKEY& key) {
  const openssl::Context context(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
  must(context != nullptr, "a TLS context");
  SSL_CTX_set_security_level(context.get(), 2);
  ERR_clear_error();
  bool fits = SSL_CTX_use_certificate(context.get(), chain.front().get()) == 1 &&
              SSL_CTX_use_PrivateKey(context.get(), &key) == 1;
  for (std::size_t i = 1; fits && i < chain.size(); ++i) {
    fits = SSL_CTX_add1_chain_cert(context.get(), chain[i].get()) == 1;
  }
  if (fits) return;
  throw unusable("/certificate", fmt::format("TLS refuses it: {}", openssl::last_error()))
      .remedy("use RSA with at least 2048 bits or ECDSA, signed with SHA-256");
}

}  // namespace

TlsIdentity make_self_signed(const SelfSignedOptions& options) {
  const Key key(EVP_EC_gen("P-256"));
  const Certificate certificate(X509_new());
  must(key && certificate && X509_set_version(certificate.get(), X509_VERSION_3) == 1, "a key");
  name_certificate(*certificate, options.common_name);
  const auto seconds = [](std::int64_t ms) { return static_cast<std::time_t>(ms / 1000); };
  const std::int64_t begin = options.not_before.unix_ms;
  ASN1_TIME_set(X509_getm_notBefore(certificate.get()), seconds(begin));
  ASN1_TIME_set(X509_getm_notAfter(certificate.get()), seconds(begin + options.valid_for.count()));
  must(X509_set_pubkey(certificate.get(), key.get()) == 1, "a certificate's key");
  add_extension(*certificate, NID_basic_constraints, "critical,CA:FALSE");
  add_extension(*certificate, NID_key_usage, "critical,digitalSignature");
  add_extension(*certificate, NID_ext_key_usage, "serverAuth,clientAuth");
  add_extension(*certificate, NID_subject_key_identifier, "hash");
  const auto names = alternative_names(options.names);
  if (!names.empty()) add_extension(*certificate, NID_subject_alt_name, names);
  must(X509_sign(certificate.get(), key.get(), EVP_sha256()) > 0, "signing a certificate");
  return {text_of(*certificate), text_of(*key)};
}

CertificateInfo describe_certificate(std::string_view pem) {
  return openssl::describe(*openssl::parse_certificates(pem).front());
}

TlsIdentity checked_identity(const TlsIdentity& identity, std::optional<Timestamp> now) {
  const auto chain = openssl::parse_certificates(identity.certificate);
  const Key key = openssl::parse_key(identity.key);
  X509& own = *chain.front();
  ERR_clear_error();
  if (X509_check_private_key(&own, key.get()) != 1) {
    ERR_clear_error();
    throw unusable("/key", "the key does not belong to the certificate")
        .remedy("the server's own certificate comes first in the file");
  }
  if (now) check_times(openssl::describe(own), *now);
  if (X509_check_purpose(&own, X509_PURPOSE_SSL_SERVER, 0) != 1) {
    throw unusable("/certificate", "the certificate is not meant for servers")
        .remedy("its extended key usage must include serverAuth");
  }
  check_strength(chain, *key);
  TlsIdentity checked{{}, text_of(*key)};
  for (const auto& certificate : chain) checked.certificate += text_of(*certificate);
  return checked;
}

std::string canonical_fingerprint(std::string_view text) {
  const auto refuse = [&] {
    return Error(Reason::bad_format, "this is no SHA-256 fingerprint")
        .remedy("it has 64 hexadecimal digits: SHA256:AB:CD:…, as `ruche host show` prints it");
  };
  std::string digits;
  std::string lower(text.substr(0, 200));
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  std::string_view rest = lower;
  if (rest.starts_with("sha256:") || rest.starts_with("sha-256:")) {
    rest.remove_prefix(rest.find(':') + 1);
  }
  for (const char c : rest) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == ':' || c == ' ') continue;
    if (std::isxdigit(byte) == 0) throw refuse();
    digits += static_cast<char>(std::toupper(byte));
  }
  if (digits.size() != 64 || text.size() > 200) throw refuse();
  std::string result = "SHA256";
  for (std::size_t i = 0; i < digits.size(); i += 2) result += ':' + digits.substr(i, 2);
  return result;
}

}  // namespace ruche::net
