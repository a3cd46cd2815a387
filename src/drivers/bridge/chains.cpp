#include "drivers/bridge/chains.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/json.hpp"

namespace ruche::drivers::bridge {

namespace {

struct ChainItem {
  std::string family, table, name, hook, policy;
};
constexpr auto describe(Type<ChainItem>) {
  return structure<ChainItem>("Chain", "A chain.", field<&ChainItem::family>("family", "Family."),
                              field<&ChainItem::table>("table", "Table."),
                              field<&ChainItem::name>("name", "Name."),
                              field<&ChainItem::hook>("hook", "Hook of a base chain."),
                              field<&ChainItem::policy>("policy", "Policy of a base chain."));
}
struct Item {
  std::optional<ChainItem> chain;
};
constexpr auto describe(Type<Item>) {
  return structure<Item>("Item", "One thing of a listing.",
                         field<&Item::chain>("chain", "A chain."));
}
struct Listing {
  std::vector<Item> nftables;
};
constexpr auto describe(Type<Listing>) {
  return structure<Listing>(
      "Listing", "What nft lists.",
      field<&Listing::nftables>("nftables", "Items.", {.max_length = 100'000}));
}

}  // namespace

std::expected<std::vector<Chain>, Error> parse_chains(std::string_view text) {
  auto listing = json::try_decode<Listing>(text, {.unknown_fields = json::UnknownFields::ignore});
  if (!listing) return std::unexpected(std::move(listing.error()));
  std::vector<Chain> chains;
  for (auto& item : listing->nftables) {
    if (!item.chain) continue;
    auto& chain = *item.chain;
    chains.push_back({std::move(chain.family), std::move(chain.table), std::move(chain.name),
                      std::move(chain.hook), std::move(chain.policy)});
  }
  return chains;
}

bool has_table(const std::vector<Chain>& chains, std::string_view family, std::string_view table) {
  return std::ranges::any_of(
      chains, [&](const Chain& chain) { return chain.family == family && chain.table == table; });
}

std::vector<std::string> firewall_notices(const std::vector<Chain>& chains,
                                          std::string_view own_prefix, std::string_view bridge) {
  std::vector<std::string> notices;
  for (const auto& chain : chains) {
    const bool routed = chain.family == "ip" || chain.family == "inet";
    if (!routed || chain.policy != "drop" || chain.table.starts_with(own_prefix)) continue;
    if (chain.hook == "forward") {
      notices.push_back(fmt::format(
          "the firewall's chain {0} of table {1} {2} drops forwarded packets that it does not "
          "know: guests reach the outside only when it accepts those from and to {3}",
          chain.name, chain.family, chain.table, bridge));
    } else if (chain.hook == "input") {
      notices.push_back(fmt::format(
          "the firewall's chain {0} of table {1} {2} drops packets to the host that it does not "
          "know: guests have DHCP and DNS only when it accepts those from {3}",
          chain.name, chain.family, chain.table, bridge));
    }
  }
  return notices;
}

}  // namespace ruche::drivers::bridge
