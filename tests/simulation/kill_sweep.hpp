// The kill sweep: a daemon is killed before and after everything that it does to the world, comes
// back, and all invariants hold; what was asked for has happened wholly or not at all.
#pragma once

#include <functional>
#include <string>

#include "sim_client.hpp"

namespace ruche::sim {

struct Scenario {
  std::string name;
  std::function<void(SimCluster&)> prepare;
  Request request;
  // Exactly one of the two holds afterwards.
  std::function<bool(const StoreTruth&)> happened;
  std::function<bool(const StoreTruth&)> did_not_happen;
  // Its task may end without success: an instant that has passed is not caught again.
  bool may_fail = false;
};

// Fails the test at the first death after which something is not as it must be.
void sweep(const Scenario& scenario);

// Prepares a guest "web1", running or not.
std::function<void(SimCluster&)> with_guest(bool running);

}  // namespace ruche::sim
