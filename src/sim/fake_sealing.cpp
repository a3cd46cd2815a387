#include "sim/fake_sealing.hpp"

#include <algorithm>

#include "base/base64.hpp"

namespace ruche::sim {

std::string FakeSealing::seal(const Secret<std::string>& secret) {
  if (secret.reveal().empty()) return {};
  return host_ + ":" + std::to_string(++sealed_) + ":" + to_base64(secret.reveal());
}

std::optional<Secret<std::string>> FakeSealing::open(std::string_view sealed) {
  if (sealed.empty()) return Secret<std::string>();
  if (!sealed.starts_with(host_ + ":")) return std::nullopt;
  const auto number = sealed.substr(host_.size() + 1);
  const auto colon = number.find(':');
  if (colon == number.npos) return std::nullopt;
  auto plain = parse_base64(number.substr(colon + 1));
  if (!plain) return std::nullopt;
  return Secret<std::string>(std::move(*plain));
}

}  // namespace ruche::sim
