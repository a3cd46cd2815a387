#include "snapshot_requests.hpp"

#include <fmt/format.h>

namespace ruche::sim {

namespace {

// One of those that the host knows, or one that never was.
std::string any_snapshot(const core::Inventory& inventory, model::GuestId guest,
                         const std::function<std::uint64_t(std::uint64_t)>& pick) {
  std::vector<std::string> names;
  for (const auto& [id, stored] : inventory.snapshots()) {
    if (stored->value.guest == guest) names.push_back(stored->value.name);
  }
  const auto chosen = pick(names.size() * 4 + 1);
  return chosen < names.size() * 4 ? names[chosen / 4] : "never";
}

}  // namespace

GuestRequest snapshot_request(SimHost& host, const model::Guest& guest,
                              const std::function<std::uint64_t(std::uint64_t)>& pick) {
  const auto id = to_text(guest.id);
  const auto snapshot = any_snapshot(host.control().inventory(), guest.id, pick);
  switch (pick(10)) {
    case 0:
    case 1:
    case 2:
    case 3: {
      model::CreateSnapshot request;
      request.vm = id;
      request.name = fmt::format("s{}", pick(6));
      request.memory = pick(2) == 0;
      request.quiesce = pick(6) == 0;
      const auto what = fmt::format("snapshot {} of {}{}", request.name, guest.name,
                                    request.memory ? ", with memory" : "");
      return {what, requests::snapshot(request)};
    }
    case 4:
    case 5:
      return {fmt::format("revert {} to {}", guest.name, snapshot),
              requests::revert(id, snapshot, pick(2) == 0)};
    case 6:
    case 7:
      return {fmt::format("delete snapshot {} of {}", snapshot, guest.name),
              requests::delete_snapshot(id, snapshot, pick(3) == 0)};
    case 8:
      return {"flatten " + guest.name, requests::flatten(id)};
    default: {
      model::CloneVm request;
      request.vm = id;
      request.name = fmt::format("vm{}", pick(8));
      request.linked = pick(3) > 0;
      if (pick(2) == 0) request.snapshot = snapshot;
      request.start = pick(2) == 0;
      const auto what = fmt::format("clone {} as {}", guest.name, request.name);
      return {what, requests::clone(request)};
    }
  }
}

}  // namespace ruche::sim
