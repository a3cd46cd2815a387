// The plans of networks: pure decisions over a draft, as those of guests.
#pragma once

#include <functional>
#include <vector>

#include "core/inventory/draft.hpp"
#include "core/tasks/accept.hpp"
#include "model/ipv4.hpp"
#include "model/network_requests.hpp"

namespace ruche::core::plans {

Proposal create_network(Draft& draft, model::HostId self, const model::CreateNetwork& request,
                        const std::vector<model::Ipv4Prefix>& occupied);
Proposal edit_network(Draft& draft, const Caller& caller, const std::string& network,
                      const std::function<void(model::NetworkEdit&)>& change);
Proposal remove_network(Draft& draft, const model::NetworkRef& request);
Proposal add_forward(Draft& draft, const model::AddForward& request);
Proposal remove_forward(Draft& draft, const model::RemoveForward& request);

// The network that a reference means; no_such_object with a remedy.
const NetworkRecord& find_network(const Draft& draft, const std::string& reference);
// Guests that have an adapter on it, also those in the recycle bin.
std::vector<std::string> guests_on(const Inventory& inventory, model::NetworkId network);

}  // namespace ruche::core::plans
