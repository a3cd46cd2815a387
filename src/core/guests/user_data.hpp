// What cloud-init accepts as user-data and vendor-data, checked before anything happens: a guest
// that cannot read its seed boots without a user to log in with. The rules are those of
// cloud-init's "User data formats" and of its module reference (22.4 and later).
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace ruche::core {

inline constexpr std::size_t kLongestUserData = 64 * 1024;

// Fails with bad_user_data: the field is `field`, the message names the line and, within YAML, the
// path of what is wrong. Empty text is nothing and is accepted.
std::expected<void, Error> check_user_data(std::string_view text, const std::string& field);

}  // namespace ruche::core
