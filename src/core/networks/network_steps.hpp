// The steps of networks.
#pragma once

#include "core/networks/host_networks.hpp"
#include "core/tasks/engine.hpp"

namespace ruche::core {

class NetworkSteps : public StepHandler {
 public:
  NetworkSteps(HostNetworks& networks, const Inventory& inventory)
      : networks_(networks), inventory_(inventory) {}

  bool handles(const model::Step& step) const override;
  Async<Observation> observe(const model::Step& step, const StepContext& context) override;
  Async<void> apply(const model::Step& step, const StepContext& context) override;
  Async<void> revert(const model::Step& step, const StepContext& context) override;
  void settle(const model::Step& step, Outcome outcome, const Error* why, Draft& draft) override;
  bool is_pivot(const model::Step& step) const override;
  bool found_by_name(const model::Step& step) const override;

 private:
  HostNetworks& networks_;
  const Inventory& inventory_;
};

}  // namespace ruche::core
