// The steps of guests: their process, their documents, their directory.
#pragma once

#include <map>
#include <set>

#include "base/async.hpp"
#include "core/guests/agent_watch.hpp"
#include "core/guests/live_guests.hpp"
#include "core/networks/host_networks.hpp"
#include "core/storage/datastore_pool.hpp"
#include "core/tasks/engine.hpp"
#include "ports/host_info.hpp"
#include "ports/hypervisor.hpp"
#include "ports/sealing.hpp"

namespace ruche::core {

class GuestSteps : public StepHandler {
 public:
  struct Parts {
    Writer& writer;
    DatastorePool& pool;
    ports::HypervisorEngine& hypervisor;
    LiveGuests& live;
    HostNetworks& networks;
    AgentWatch& agents;
    ports::Sealing& sealing;
    ports::HostInfo& host_info;
    Clock& clock;
    Log& log;
  };
  explicit GuestSteps(Parts parts) : parts_(std::move(parts)) {}

  bool handles(const model::Step& step) const override;
  Async<Observation> observe(const model::Step& step, const StepContext& context) override;
  Async<void> apply(const model::Step& step, const StepContext& context) override;
  Async<void> revert(const model::Step& step, const StepContext& context) override;
  void settle(const model::Step& step, Outcome outcome, const Error* why, Draft& draft) override;
  bool is_pivot(const model::Step& step) const override;
  bool found_by_name(const model::Step& step) const override;

 private:
  const model::Guest& guest(model::GuestId id) const;
  std::shared_ptr<ports::Machine> machine(model::GuestId id) const;  // throws wrong_state
  Async<ports::MachineState> state_of(model::GuestId id);
  Async<void> export_configuration(model::GuestId id, const model::Task& task);
  Async<void> launch(const model::LaunchMachine& step);
  Async<void> save_memory(const model::SaveMemory& step, const StepContext& context);
  Async<void> go_on_after_save(const model::SaveMemory& step);
  Async<bool> is_of_before(model::GuestId id);
  void settle_launch(const model::LaunchMachine& start, bool done, const Error* why, Draft& draft);
  void settle_power(const model::Step& step, model::GuestId id, bool done, const Error* why,
                    Draft& draft);
  Async<void> shut_down(const model::ShutdownMachine& step, const StepContext& context);
  Async<void> clear_if_ended(model::GuestId id);
  Async<bool> has_process(model::GuestId id);
  Async<void> note_end(model::GuestId id);
  Async<void> ask_to_power_off(model::GuestId id, std::shared_ptr<ports::Machine> held);
  Async<void> freeze(const model::FreezeGuest& step);
  Async<void> thaw(model::GuestId id);
  Async<std::optional<bool>> is_frozen(model::GuestId id);
  Async<void> note_thaw(model::GuestId id);
  Async<void> wait_for_power_off(model::GuestId id);
  Async<void> end_process(model::GuestId id);
  Async<void> resume(const model::ResumeMachine& step);
  Async<void> remember(model::GuestId id, ports::Machine& machine);

  Parts parts_;
  // What the hypervisor said right after the step; settle() has no time to ask.
  std::map<model::GuestId, ports::MachineStatus> seen_;
  std::set<model::GuestId> fresh_;  // launched here and not resumed yet
  // Guests whose stop was taken back too late: their process had ended.
  std::set<model::GuestId> ended_;
  std::map<model::LayerId, Bytes> saved_sizes_;
  std::set<model::GuestId> thawed_;  // the same of a thaw
};

}  // namespace ruche::core
