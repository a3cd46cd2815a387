// The edge to secrets that must be kept and read again: sealed with a key that only this host has,
// so that whoever reads the store, its history or a copy of it reads nothing.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/secret.hpp"

namespace ruche::ports {

class Sealing {
 public:
  virtual ~Sealing() = default;
  // A text fit for a document, a third longer than the secret; two sealings of one secret differ.
  // Nothing stays nothing: an empty text.
  virtual std::string seal(const Secret<std::string>& secret) = 0;
  // nullopt: it was sealed by another host, or is not what was sealed.
  virtual std::optional<Secret<std::string>> open(std::string_view sealed) = 0;
};

}  // namespace ruche::ports
