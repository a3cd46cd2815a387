// Keeps the documents of this host's guests true: adopts what runs, sees guests power themselves
// off or crash, restarts by policy, starts after a boot of the host. It never starts or stops a
// guest because of a difference between wish and state: power is a command, not a level.
#pragma once

#include <map>
#include <set>

#include "core/guests/live_guests.hpp"
#include "core/guests/plans.hpp"
#include "core/inventory/writer.hpp"
#include "ports/hypervisor.hpp"

namespace ruche::core {

class GuestAgent {
 public:
  struct Parts {
    Writer& writer;
    ports::HypervisorEngine& hypervisor;
    LiveGuests& live;
    Clock& clock;
    Log& log;
    plans::Site site;
    Executor executor;
  };
  explicit GuestAgent(Parts parts);

  // Takes over every guest that an earlier daemon left running, and settles those that ended
  // meanwhile. Before the dispatcher starts. `host_rebooted`: no process can have survived.
  Async<void> adopt_all(bool host_rebooted);
  // Starts the guests with autostart, after a boot of the host.
  Async<void> autostart();
  // Supervises until cancelled.
  Async<void> run();

  // Processes with a runtime record that belong to no guest of ours; they are never touched.
  const std::vector<ports::FoundMachine>& unmanaged() const { return unmanaged_; }

 private:
  Async<void> adopt(const ports::FoundMachine& found);
  Async<void> settle_absent(model::GuestId guest, bool host_rebooted);
  Async<void> watch(model::GuestId guest, std::shared_ptr<ports::Machine> machine);
  Async<void> reconcile(model::GuestId guest, std::shared_ptr<ports::Machine> machine,
                        std::string last_words);
  Async<void> settle_observed(model::GuestId guest, std::shared_ptr<ports::Machine> machine,
                              std::string last_words);
  Async<void> crashed(model::GuestId guest, std::string last_words);
  Async<void> start_restarts();
  Async<void> restart_later(model::GuestId guest, std::uint32_t crashes);
  Async<void> start(model::GuestId guest, std::uint32_t crashes);
  const GuestRecord* record(model::GuestId guest) const;
  bool is_busy(model::GuestId guest) const;

  Parts parts_;
  std::map<model::GuestId, ports::Machine*> watched_;
  std::vector<ports::FoundMachine> unmanaged_;
  // Crashes that the restart policy answers; also those found while adopting, before run().
  std::vector<std::pair<model::GuestId, std::uint32_t>> due_restarts_;
  Signal due_restart_;
  Scope scope_;
};

}  // namespace ruche::core
