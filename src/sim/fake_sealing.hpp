// Seals with the name of its host: what it gave, no other host opens.
#pragma once

#include "ports/sealing.hpp"

namespace ruche::sim {

class FakeSealing : public ports::Sealing {
 public:
  explicit FakeSealing(std::string host) : host_(std::move(host)) {}
  std::string seal(const Secret<std::string>& secret) override;
  std::optional<Secret<std::string>> open(std::string_view sealed) override;

 private:
  std::string host_;
  std::uint64_t sealed_ = 0;
};

}  // namespace ruche::sim
