// Who asks. Peer credentials of the unix socket today; users and tokens implement the same
// interface.
#pragma once

#include <cstdint>
#include <string>

#include "base/async.hpp"
#include "methods/method.hpp"
#include "net/http.hpp"

namespace ruche::api {

struct Identity {
  std::string user;
  methods::Role role = methods::Role::viewer;
};

class Authenticator {
 public:
  virtual ~Authenticator() = default;
  // Throws not_authenticated when it cannot tell who asks, not_permitted when they have no role.
  virtual Async<Identity> authenticate(const net::HttpRequest& request) = 0;
};

// Root and the owner of the instance are administrators, everybody else is nobody.
class PeerAuthenticator : public Authenticator {
 public:
  struct Options {
    std::uint32_t owner_uid = 0;
    std::string owner_name;  // empty: "uid-<number>"
  };
  explicit PeerAuthenticator(Options options) : options_(std::move(options)) {}
  Async<Identity> authenticate(const net::HttpRequest& request) override;

 private:
  Options options_;
};

}  // namespace ruche::api
