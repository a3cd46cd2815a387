// How this driver calls what it makes on a host. Every name begins with the instance's label, so
// that instances on one machine keep apart and each finds its own again.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "model/ipv4.hpp"

namespace ruche::drivers::bridge {

class Names {
 public:
  // `label`: the instance's eight hexadecimal digits.
  explicit Names(std::string label) : label_(std::move(label)) {}

  // Interfaces have at most 15 letters (IFNAMSIZ): two, five digits of the label, eight of the
  // address, which is unique on a host because its subnets never overlap.
  std::string bridge(std::string_view gateway) const;
  std::string tap(std::string_view address) const;
  // How the names of all taps of a subnet begin: also of one that no rule knows yet.
  std::vector<std::string> taps_of(const model::Ipv4Prefix& subnet) const;
  // Of a network's firewall tables, the same in each family.
  std::string table(std::string_view gateway) const;
  // What interfaces are marked with (their alias).
  std::string mark(std::string_view what) const;
  std::string mark_prefix() const { return "ruche " + label_ + " "; }
  std::string table_prefix() const { return "ruche-" + label_ + "-"; }
  const std::string& label() const { return label_; }

 private:
  std::string label_;
};

}  // namespace ruche::drivers::bridge
