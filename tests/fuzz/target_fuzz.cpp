// Any bytes are a request target or refused; an accepted one is safe to route and survives being
// encoded again.
#include <cstdint>
#include <string_view>

#include "net/http.hpp"
#include "net/websocket.hpp"

using namespace ruche::net;

namespace {

std::string encode_path(std::string_view path) {
  std::string out;
  while (!path.empty()) {
    path.remove_prefix(1);
    const std::size_t end = std::min(path.find('/'), path.size());
    out += "/" + percent_encode(path.substr(0, end));
    path.remove_prefix(end);
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto target = parse_target({reinterpret_cast<const char*>(data), size});
  if (!target) return 0;
  const std::string& path = target->path;
  if (!path.starts_with('/') || path.contains("//") || (path + "/").contains("/../") ||
      (path + "/").contains("/./") || path.contains('\0') || !valid_utf8(path)) {
    ruche::broken_invariant("an unsafe path was accepted");
  }
  const auto again = parse_target(make_target(encode_path(path), target->query));
  if (!again || again->path != path) ruche::broken_invariant("the path does not survive");
  Query kept = target->query;
  std::erase_if(kept, [](const auto& pair) { return pair.first.empty() && pair.second.empty(); });
  Query found = again->query;
  std::erase_if(found, [](const auto& pair) { return pair.first.empty() && pair.second.empty(); });
  if (kept != found) ruche::broken_invariant("the query does not survive");
  return 0;
}
