#include "api/authenticator.hpp"

#include <fmt/format.h>

namespace ruche::api {

namespace {

// One answer, whatever is wrong: it tells nothing.
Error nobody() {
  return Error(Reason::not_authenticated, "the request does not say who asks, or not any more")
      .remedy("log in, or ask over the unix socket as root or as the user who runs ruched");
}

// RFC 6750 section 2.1; the scheme's name is read without case (RFC 9110 section 11.1).
std::optional<std::string_view> bearer_in(std::string_view header) {
  constexpr std::string_view kScheme = "bearer ";
  if (header.size() <= kScheme.size()) return std::nullopt;
  for (std::size_t i = 0; i < kScheme.size(); ++i) {
    const char c = header[i];
    if ((c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c) != kScheme[i]) {
      return std::nullopt;
    }
  }
  header.remove_prefix(kScheme.size());
  return header;
}

}  // namespace

std::string source_of(const net::Peer& peer) {
  if (peer.credentials) return fmt::format("unix:{}", peer.credentials->uid);
  const auto colon = peer.address.rfind(':');
  auto address = peer.address.substr(0, colon);
  if (address.starts_with('[') && address.ends_with(']')) {
    address = address.substr(1, address.size() - 2);
  }
  return address;
}

Async<Identity> PeerAuthenticator::authenticate(const net::HttpRequest& request) {
  if (!request.peer.credentials) throw nobody();
  const auto uid = request.peer.credentials->uid;
  if (uid != 0 && uid != options_.owner_uid) throw nobody();
  Identity identity{.role = methods::Role::administrator, .via = model::AuditVia::socket};
  if (uid == 0) {
    identity.user = "root";
  } else {
    identity.user = options_.owner_name.empty() ? fmt::format("uid-{}", uid) : options_.owner_name;
  }
  co_return identity;
}

Async<Identity> BearerAuthenticator::authenticate(const net::HttpRequest& request) {
  const auto header = request.headers.get("Authorization");
  if (!header) co_return co_await peers_.authenticate(request);
  const auto text = bearer_in(*header);
  if (!text || request.headers.count("Authorization") != 1) throw nobody();
  const auto found = identity_.who(*text);
  if (!found) throw nobody();
  co_return Identity{found->name, found->role,       found->via,
                     found->user, found->credential, found->expires_at};
}

bool BearerAuthenticator::is_valid(const Identity& identity) const {
  if (!identity.user_id) return peers_.is_valid(identity);
  const auto now = identity_.still(identity.via, identity.credential);
  return now && now->role >= identity.role;
}

}  // namespace ruche::api
