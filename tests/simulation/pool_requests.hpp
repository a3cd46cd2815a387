// Resource pools of simulated clusters. They are changed by one commit, without a task.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "sim_client.hpp"

namespace ruche::sim {

using PoolChange = std::function<Async<void>(core::HostControl&)>;

PoolChange create_pool(model::CreatePool request);
PoolChange edit_pool(std::string name, std::function<void(model::PoolEdit&)> change);
PoolChange remove_pool(std::string name);

// Waits until it is done; throws why it is refused.
void change_and_wait(SimCluster& cluster, SimHost& host, const PoolChange& change);

// The pool of a host in a random cluster, with less in it than guests may ask for.
std::string pool_of(const SimHost& host);
model::CreatePool small_pool(const SimHost& host);
// Changes, removes or makes that pool, as the numbers say; a refusal is an answer too.
void change_some_pool(SimHost& host, const std::function<std::uint64_t(std::uint64_t)>& pick);

}  // namespace ruche::sim
