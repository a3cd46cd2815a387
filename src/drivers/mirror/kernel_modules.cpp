#include "drivers/mirror/kernel_modules.hpp"

#include <algorithm>
#include <set>

namespace ruche::drivers::mirror {

namespace {

void visit(const std::string& name, const ModuleLookup& lookup, std::set<std::string>& seen,
           std::vector<Module>& order) {
  if (!seen.insert(name).second) return;
  auto content = lookup(name);
  if (!content) return;
  for (const auto& needed : dependencies_of(*content)) visit(needed, lookup, seen, order);
  order.push_back({name, std::move(*content)});
}

}  // namespace

std::vector<std::string> dependencies_of(std::string_view module_file) {
  constexpr std::string_view kKey("\0depends=", 9);
  std::vector<std::string> names;
  const auto at = module_file.find(kKey);
  if (at == std::string_view::npos) return names;
  auto list = module_file.substr(at + kKey.size());
  list = list.substr(0, list.find('\0'));
  while (!list.empty()) {
    const auto comma = std::min(list.find(','), list.size());
    std::string name(list.substr(0, comma));
    std::replace(name.begin(), name.end(), '-', '_');
    if (!name.empty()) names.push_back(std::move(name));
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return names;
}

std::vector<Module> load_order(const std::vector<std::string>& wanted, const ModuleLookup& lookup) {
  std::set<std::string> seen;
  std::vector<Module> order;
  for (const auto& name : wanted) visit(name, lookup, seen, order);
  return order;
}

}  // namespace ruche::drivers::mirror
