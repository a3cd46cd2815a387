// Which folders of the host a guest may mount, as far as their paths tell. Pure; what lies there is
// looked at when the guest starts.
#pragma once

#include <expected>
#include <string_view>

#include "base/error.hpp"
#include "model/guest.hpp"

namespace ruche::model {

// Among the features of a host that serves folders.
inline constexpr const char* kSharesFeature = "shares";
// Where a host serves none.
inline constexpr const char* kShareRemedy =
    "install virtiofsd: the package of that name (Debian 13), or QEMU 7.2's own (Debian 12) as "
    "/usr/lib/qemu/virtiofsd; then restart ruched, or leave the folder out";

// An absolute path that says where it leads: without a ".", a ".." or an empty part, and neither
// the root nor below a place that is the running system's. Errors are at /path and /name.
std::expected<void, Error> check_share(const ShareSpec& share);

// Whether one of two such paths is the other or lies below it.
bool paths_overlap(std::string_view one, std::string_view other);

}  // namespace ruche::model
