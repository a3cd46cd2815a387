// The text of sessions and API tokens: what it is, which one, and 256 random bits. The document
// keeps only the SHA-256 of those bits.
//
//   rs_<id: 32 hexadecimal digits>_<secret: 64 hexadecimal digits>    a session
//   rt_…                                                             an API token
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/ids.hpp"
#include "base/random.hpp"
#include "base/secret.hpp"

namespace ruche::core {

enum class BearerKind { session, token };

struct Bearer {
  BearerKind kind = BearerKind::session;
  Uuid id;
  Secret<std::string> secret;
};

Secret<std::string> new_secret(Random& random);
std::string bearer_text(const Bearer& bearer);
std::optional<Bearer> parse_bearer(std::string_view text);
Secret<std::string> hash_of(const Secret<std::string>& secret);
// Takes the same time wherever they differ.
bool same_hash(const Secret<std::string>& a, const Secret<std::string>& b);

}  // namespace ruche::core
