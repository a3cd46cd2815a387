// The steps that change a guest's hardware while it runs. What the process has become is written in
// the commit that ends the task (GuestStatus::running).
#pragma once

#include <map>
#include <set>

#include "core/guests/live_guests.hpp"
#include "core/networks/host_networks.hpp"
#include "core/storage/datastore_pool.hpp"
#include "core/tasks/engine.hpp"
#include "ports/host_info.hpp"

namespace ruche::core {

class HardwareSteps : public StepHandler {
 public:
  struct Parts {
    Writer& writer;
    DatastorePool& pool;
    ports::HypervisorEngine& hypervisor;
    LiveGuests& live;
    HostNetworks& networks;
    ports::HostInfo& host_info;
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
  Async<std::shared_ptr<ports::Machine>> find_machine(model::GuestId guest);
  Async<std::optional<Target>> target(model::GuestId guest);
  Async<void> carry_out(model::GuestId guest, ports::Machine& machine, model::VmSpec from,
                        model::VmSpec to, const StepContext& context);
  Async<void> make(model::GuestId guest, ports::Machine& machine, ports::DeviceChange change,
                   bool more_cpus, const StepContext& context);
  Async<void> take_back(model::GuestId guest, ports::Machine& machine, model::VmSpec from,
                        model::VmSpec to, const StepContext& context);
  Async<void> complete(model::GuestId guest, ports::DeviceChange& change);
  Async<void> remember(model::GuestId guest, ports::Machine& machine);
  Async<void> grow(model::GrowDisk step);
  Async<void> look_at_size(model::GrowDisk step);
  void settle_change(Draft& draft, model::GuestId guest, bool done);
  void settle_growth(Draft& draft, const model::GrowDisk& step, bool done);

  Parts parts_;
  std::map<model::GuestId, ports::MachineStatus> seen_;  // right after the step
  // What a process has after a change was taken back as far as its guest let it.
  std::map<model::GuestId, model::VmSpec> left_with_;
  std::set<model::LayerId> grown_;  // although the task that wanted it failed
};

}  // namespace ruche::core
