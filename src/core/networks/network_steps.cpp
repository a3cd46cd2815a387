#include "core/networks/network_steps.hpp"

#include "core/networks/network_plans.hpp"

namespace ruche::core {

using model::ApplyNetwork;
using model::RemoveNetwork;

namespace {

bool is_known(const Draft& draft, model::NetworkId id) {
  const auto found = draft.inventory().networks().find(id.value);
  return found != draft.inventory().networks().end() && found->second->complete();
}

void forget_network(Draft& draft, model::NetworkId id) {
  if (!is_known(draft, id)) return;
  const auto& record = *draft.inventory().networks().at(id.value);
  draft.free_name("network", record.spec->value.name);
  draft.erase(keys::network_spec(id));
  draft.erase(keys::network_status(id));
  draft.erase(keys::placement(record.placement->value.host, id.value));
}

// The old name stays reserved until the task ends, so that a failed one can go back to it.
void settle_change(Draft& draft, const model::Network& before, bool done) {
  if (!is_known(draft, before.id)) return;
  auto& network = draft.network(before.id);
  const auto changed = network.name;
  if (!done) network = before;
  if (changed != before.name) draft.free_name("network", done ? before.name : changed);
}

}  // namespace

bool NetworkSteps::handles(const model::Step& step) const {
  return std::holds_alternative<ApplyNetwork>(step) || std::holds_alternative<RemoveNetwork>(step);
}
bool NetworkSteps::is_pivot(const model::Step& step) const {
  return std::holds_alternative<RemoveNetwork>(step);
}
bool NetworkSteps::found_by_name(const model::Step&) const { return true; }

// Looking at a network is done by making it what it shall be.
Async<Observation> NetworkSteps::observe(const model::Step&, const StepContext&) {
  co_return Observation::absent;
}

Async<void> NetworkSteps::apply(const model::Step& step, const StepContext&) {
  if (const auto* change = std::get_if<ApplyNetwork>(&step)) {
    co_await networks_.apply(change->network);
  } else if (const auto* remove = std::get_if<RemoveNetwork>(&step)) {
    // Whatever was accepted on it before the claim is in the inventory by now.
    if (!plans::guests_on(inventory_, remove->network).empty()) {
      throw Error(Reason::in_use, "a guest was put on the network meanwhile");
    }
    co_await networks_.remove(remove->network);
  }
}

// The document goes back in the commit that ends the task, and the host follows it.
Async<void> NetworkSteps::revert(const model::Step&, const StepContext&) { co_return; }

void NetworkSteps::settle(const model::Step& step, Outcome outcome, const Error*, Draft& draft) {
  const bool done = outcome == Outcome::done;
  if (const auto* change = std::get_if<ApplyNetwork>(&step)) {
    if (change->before) settle_change(draft, *change->before, done);
    if (!change->before && !done) forget_network(draft, change->network);
  } else if (done) {
    forget_network(draft, std::get<RemoveNetwork>(step).network);
  }
}

}  // namespace ruche::core
