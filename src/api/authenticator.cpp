#include "api/authenticator.hpp"

#include <fmt/format.h>

namespace ruche::api {

Async<Identity> PeerAuthenticator::authenticate(const net::HttpRequest& request) {
  if (!request.peer.credentials) {
    throw Error(Reason::not_authenticated, "the connection does not say who asks")
        .remedy("use the unix socket of ruched");
  }
  const auto uid = request.peer.credentials->uid;
  if (uid == 0) co_return Identity{"root", methods::Role::administrator};
  if (uid == options_.owner_uid) {
    auto name = options_.owner_name.empty() ? fmt::format("uid-{}", uid) : options_.owner_name;
    co_return Identity{std::move(name), methods::Role::administrator};
  }
  throw Error(Reason::not_permitted, fmt::format("user id {} may not use this instance", uid))
      .remedy("ask as root or as the user who runs ruched");
}

}  // namespace ruche::api
