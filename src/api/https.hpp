// How this host is reached over the network, and what it shows there.
#pragma once

#include <optional>
#include <string>

#include "base/async.hpp"
#include "base/secret.hpp"
#include "model/views.hpp"

namespace ruche::api {

class Https {
 public:
  virtual ~Https() = default;
  // "https://host1:9443"
  virtual std::string url() const = 0;
  // Throws object_broken when the stored certificate cannot be used, with what to do.
  virtual model::CertificateView certificate() const = 0;
  // Checked before anything changes, effective for new connections when it returns, and kept.
  // Throws bad_certificate at /certificate or /key, io_failed.
  virtual Async<void> replace(std::string certificate, Secret<std::string> key) = 0;
  // With a new key and a certificate that is signed by itself.
  virtual Async<void> renew() = 0;
};

// nullopt: it does not listen, or has nothing to show.
std::optional<model::HttpsView> https_view(const Https* https);

}  // namespace ruche::api
