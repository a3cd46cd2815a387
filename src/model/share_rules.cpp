#include "model/share_rules.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace ruche::model {

namespace {

constexpr std::array<std::string_view, 4> kSystem = {"/proc", "/sys", "/dev", "/run"};
// The tag is a field of this size in the device (virtio 1.2, 5.11.4).
constexpr std::size_t kLongestTag = 36;
constexpr std::size_t kLongestPath = 1024;

std::unexpected<Error> refuse_path(std::string message, std::string remedy) {
  return std::unexpected(
      Error(Reason::bad_spec, std::move(message)).at("/path").remedy(std::move(remedy)));
}

bool is_below(std::string_view path, std::string_view folder) {
  if (!path.starts_with(folder)) return false;
  return folder == "/" || path.size() == folder.size() || path[folder.size()] == '/';
}

bool is_normal(std::string_view path) {
  if (!path.starts_with('/') || (path.size() > 1 && path.ends_with('/'))) return false;
  for (std::size_t at = 0; at < path.size();) {
    const auto end = std::min(path.find('/', at + 1), path.size());
    const auto part = path.substr(at + 1, end - at - 1);
    if (path.size() > 1 && (part.empty() || part == "." || part == "..")) return false;
    at = end;
  }
  return true;
}

}  // namespace

std::expected<void, Error> check_share(const ShareSpec& share) {
  const auto& path = share.path;
  if (share.name.empty() || share.name.size() > kLongestTag) {
    return std::unexpected(
        Error(Reason::bad_spec,
              fmt::format("the name of a folder has 1 to {} letters", kLongestTag))
            .at("/name"));
  }
  if (path.size() > kLongestPath ||
      std::ranges::any_of(path, [](char c) { return static_cast<unsigned char>(c) < ' '; })) {
    return refuse_path("that is no path of a folder", "give the path of a folder of the host");
  }
  if (!is_normal(path)) {
    return refuse_path(fmt::format("'{}' is no absolute path without detours", path),
                       "write it from the root, without . and .. and a slash at the end, as in "
                       "/srv/data");
  }
  const bool system =
      std::ranges::any_of(kSystem, [&](auto folder) { return is_below(path, folder); });
  if (path == "/" || system) {
    return refuse_path(fmt::format("{} belongs to the running system of the host", path),
                       "give a folder of its own, as in /srv/data");
  }
  return {};
}

bool paths_overlap(std::string_view one, std::string_view other) {
  return is_below(one, other) || is_below(other, one);
}

}  // namespace ruche::model
