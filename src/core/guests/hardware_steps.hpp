// The steps that change a guest's hardware while it runs. What the process has become is written in
// the commit that ends the task (GuestStatus::running).
#pragma once

#include <map>
#include <set>

#include "core/guests/live_guests.hpp"
#include "core/networks/host_networks.hpp"
#include "core/storage/datastore_pool.hpp"
#include "core/tasks/engine.hpp"

namespace ruche::core {

class HardwareSteps : public StepHandler {
 public:
  struct Parts {
    Writer& writer;
    DatastorePool& pool;
    LiveGuests& live;
    HostNetworks& networks;
    Bytes overhead;  // of a guest's process
  };
  explicit HardwareSteps(Parts parts) : parts_(std::move(parts)) {}

  bool handles(const model::Step& step) const override;
  Async<Observation> observe(const model::Step& step, const StepContext& context) override;
  Async<void> apply(const model::Step& step, const StepContext& context) override;
  Async<void> revert(const model::Step& step, const StepContext& context) override;
  void settle(const model::Step& step, Outcome outcome, const Error* why, Draft& draft) override;
  bool is_pivot(const model::Step&) const override { return false; }
  bool found_by_name(const model::Step&) const override { return true; }

 private:
  struct Target;
  std::optional<Target> target(model::GuestId guest) const;
  Async<void> carry_out(model::GuestId guest, ports::Machine& machine, model::VmSpec from,
                        model::VmSpec to, const StepContext& context);
  Async<void> complete(model::GuestId guest, ports::DeviceChange& change);
  Async<void> remember(model::GuestId guest, ports::Machine& machine);
  Async<void> grow(model::GrowDisk step);
  Async<void> look_at_size(model::GrowDisk step);
  void settle_change(Draft& draft, model::GuestId guest, bool done);
  void settle_growth(Draft& draft, const model::GrowDisk& step, bool done);

  Parts parts_;
  std::map<model::GuestId, ports::MachineStatus> seen_;  // right after the step
  std::set<model::LayerId> grown_;  // although the task that wanted it failed
};

}  // namespace ruche::core
