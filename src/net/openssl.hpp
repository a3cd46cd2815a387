// OpenSSL's objects with owners, and its errors. Internal to net; for .cpp files only.
#pragma once

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "net/certificate.hpp"

namespace ruche::net::openssl {

template <auto Free>
struct Deleter {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};
template <class T, auto Free>
using Owned = std::unique_ptr<T, Deleter<Free>>;

using Bio = Owned<BIO, BIO_free_all>;
using Certificate = Owned<X509, X509_free>;
using Key = Owned<EVP_PKEY, EVP_PKEY_free>;
using Context = std::shared_ptr<SSL_CTX>;
using Session = Owned<SSL, SSL_free>;

// What OpenSSL last complained about, for people; empties its queue. "unknown" when it did not.
std::string last_error();

// The certificates in the text, in order. Throws Error(bad_certificate).
std::vector<Certificate> parse_certificates(std::string_view pem);
// Throws Error(bad_certificate) at /key.
Key parse_key(const Secret<std::string>& pem);
CertificateInfo describe(X509& certificate);

}  // namespace ruche::net::openssl
