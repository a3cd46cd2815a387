// What `nft -j list chains` says (libnftables-json(5)): the host's firewall as somebody else may
// have made it, so hostile input.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"

namespace ruche::drivers::bridge {

struct Chain {
  std::string family, table, name;
  std::string hook;    // of a base chain
  std::string policy;  // accept or drop
};

std::expected<std::vector<Chain>, Error> parse_chains(std::string_view text);

bool has_table(const std::vector<Chain>& chains, std::string_view family, std::string_view table);
// A sentence for each foreign chain that drops what it does not know where guests' packets pass.
std::vector<std::string> firewall_notices(const std::vector<Chain>& chains,
                                          std::string_view own_prefix, std::string_view bridge);

}  // namespace ruche::drivers::bridge
