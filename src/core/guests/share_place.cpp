#include "core/guests/share_place.hpp"

#include <fmt/format.h>

#include "model/share_rules.hpp"

namespace ruche::core {

void require_apart(const Inventory& inventory, model::HostId host, const model::VmSpec& spec) {
  for (std::size_t i = 0; i < spec.shares.size(); ++i) {
    const auto& path = spec.shares[i].path;
    for (const auto& [id, record] : inventory.datastores()) {
      if (!record->spec) continue;
      const auto& store = record->spec->value;
      const bool here = !store.host || *store.host == host;
      if (!here || store.path.empty() || !model::paths_overlap(path, store.path)) continue;
      throw Error(Reason::bad_spec,
                  fmt::format("{} holds, or lies in, {}, where the datastore {} keeps the disks of "
                              "all guests",
                              path, store.path, store.name))
          .at(fmt::format("/shares/{}/path", i))
          .remedy("share a folder apart from it, as in /srv/data");
    }
  }
}

}  // namespace ruche::core
