// A network's firewall rules, as nft(8) reads them. Pure: the golden files in tests/golden/networks
// hold them still. What goes in was checked by the model: addresses, ports and names of our own
// making only, so there is nothing to quote.
#pragma once

#include <string>

#include "drivers/bridge/names.hpp"
#include "ports/networks.hpp"

namespace ruche::drivers::bridge {

// Replaces the network's two tables in one transaction. Throws bad_spec for a plan that no rule can
// be made of.
std::string ruleset(const Names& names, const ports::NetworkPlan& plan);
// Takes them away; tables that are not there are no error.
std::string no_rules(const std::string& table);

}  // namespace ruche::drivers::bridge
