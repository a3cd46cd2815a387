// What every plan that makes a guest does: allocations in the planning commit, and checks.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/guests/plans.hpp"

namespace ruche::core::plans {

// A ready image; no_such_object or wrong_state at `field`.
const model::Image& find_image(Draft& draft, const std::string& reference,
                               const std::string& field);
// One of kind iso on this datastore.
const model::Image& find_medium(Draft& draft, model::DatastoreId datastore,
                                const std::string& reference, const std::string& field);
// The resource pool that is meant, which must be of this host; empty: none.
std::optional<model::PoolId> pool_named(const Draft& draft, const std::string& reference,
                                        model::HostId host);
std::uint32_t take_uid(Draft& draft, model::GuestId guest);
std::string take_mac(Draft& draft, model::GuestId guest);
// What the new guest stands on must not be on its way out, now or by the time of the commit.
void stand_on(Draft& draft, const std::optional<Stored<model::Placement>>& placement,
              const std::string& name);
// Host ports that other guests of this host have; `field` names the list in the request.
void check_forwards(const Draft& draft, const std::vector<model::PortForward>& forwards,
                    model::HostId host, const std::string& field);
// Whether this host could ever run it.
void check_host(const Draft& draft, const Site& site, const model::Guest& guest);
// Whether the guest's datastore has room for all of its memory, which may have to be written; and
// what to do otherwise.
void check_room(const Draft& draft, const model::Guest& guest, Bytes memory,
                const std::string& otherwise);
// Plugs an adapter into the network that is wished, or into the default one where it works, with an
// address of its own; else it stays on QEMU's own NAT.
void plug_in(Draft& draft, const Site& site, const std::string& wished, model::GuestId guest,
             model::NicSpec& nic);

}  // namespace ruche::core::plans
