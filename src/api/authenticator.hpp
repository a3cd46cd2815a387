// Who asks: by a session or an API token (`Authorization: Bearer`), or, without one, by the peer
// credentials of the unix socket. What is said is taken at its word: a bad token over the socket is
// refused, also from root.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/async.hpp"
#include "core/identity/identity_service.hpp"
#include "methods/method.hpp"
#include "net/http.hpp"

namespace ruche::api {

struct Identity {
  std::string user;
  methods::Role role = methods::Role::viewer;
  model::AuditVia via = model::AuditVia::nobody;
  std::optional<model::UserId> user_id;  // none over the socket
  Uuid credential;  // of a session or token
  std::optional<Timestamp> expires_at;
};

// Where somebody asks from, without what changes with every connection: "192.0.2.1", "unix:1000".
std::string source_of(const net::Peer& peer);

class Authenticator {
 public:
  virtual ~Authenticator() = default;
  // Throws not_authenticated when it cannot tell who asks.
  virtual Async<Identity> authenticate(const net::HttpRequest& request) = 0;
  // Whether somebody who was let in before still would be, with the same role: for answers that go
  // on for long.
  virtual bool is_valid(const Identity& identity) const { return true; }
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

class BearerAuthenticator : public Authenticator {
 public:
  // Both outlive it. `peers` is asked when the request names no token.
  BearerAuthenticator(const core::IdentityService& identity, Authenticator& peers)
      : identity_(identity), peers_(peers) {}
  Async<Identity> authenticate(const net::HttpRequest& request) override;
  bool is_valid(const Identity& identity) const override;

 private:
  const core::IdentityService& identity_;
  Authenticator& peers_;
};

}  // namespace ruche::api
