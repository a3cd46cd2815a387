// Keeps the documents of this host's guests true: adopts what runs, sees guests power themselves
// off or crash, restarts by policy, starts after a boot of the host. It never starts or stops a
// guest because of a difference between wish and state: power is a command, not a level.
//
// Whatever happens to a guest, the answer is the same: look at it, when no task holds its power,
// and write down what is there. A guest that does not answer is broken until it does.
#pragma once

#include <map>
#include <set>

#include "core/guests/agent_watch.hpp"
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
    AgentWatch& agents;
    Clock& clock;
    Log& log;
    plans::Site site;
    Executor executor;
  };
  explicit GuestAgent(Parts parts);

  // Takes over every guest that an earlier daemon left running, and settles those that ended
  // meanwhile. Before the dispatcher starts. `host_rebooted`: no process can have survived.
  Async<void> adopt_all(bool host_rebooted);
  // Accepts the start of every guest with autostart, after a boot of the host.
  Async<void> autostart();
  // Supervises until cancelled.
  Async<void> run();

  // Processes with a runtime record that belong to no guest of ours; they are never touched.
  const std::vector<ports::FoundMachine>& unmanaged() const { return unmanaged_; }

 private:
  struct Looking {
    bool again = false;   // something happened meanwhile
    int failures = 0;     // of looks, in a row
  };

  void spawn(std::string name, Async<void> work);
  Async<void> adopt(ports::FoundMachine found);
  bool is_ours(const ports::FoundMachine& found) const;
  Async<void> first_look(model::GuestId guest);
  Async<void> watch(model::GuestId guest, std::shared_ptr<ports::Machine> machine);
  Async<void> follow();
  void look_if_lost(model::GuestId guest);

  void look_soon(model::GuestId guest);
  Async<void> keep_looking(model::GuestId guest);
  Async<void> look(model::GuestId guest);
  Async<void> look_at_machine(model::GuestId guest, std::shared_ptr<ports::Machine> machine);
  Async<void> look_at_absence(model::GuestId guest);
  Async<std::shared_ptr<ports::Machine>> find_machine(model::GuestId guest);
  Async<void> note_failure(model::GuestId guest, const Error& why);
  Async<void> crashed(model::GuestId guest, std::string last_words);
  // Writes what was seen, unless a task has claimed the guest's power or it is no longer ours by
  // the time of the commit; false then.
  Async<bool> settle(model::GuestId guest, std::function<void(Draft&)> write);

  void restart_soon(model::GuestId guest, std::uint32_t crashes);
  Async<void> restart_later(model::GuestId guest, std::uint32_t crashes);
  void resume_soon(model::GuestId guest);
  bool has_room(model::GuestId guest) const;
  bool waits_for_room(model::GuestId guest) const;
  Async<void> resume_when_there_is_room(model::GuestId guest);
  bool wants_restart(model::GuestId guest) const;
  // Nothing when it was accepted.
  Async<std::optional<Error>> start(model::GuestId guest, std::optional<std::uint32_t> crashes);
  const GuestRecord* own_record(model::GuestId guest) const;
  bool is_suspended(model::GuestId guest) const;
  bool is_unreadable(model::GuestId guest) const;
  bool is_busy(model::GuestId guest) const;
  std::vector<model::GuestId> own_guests() const;

  Parts parts_;
  std::map<model::GuestId, ports::Machine*> watched_;
  std::map<model::GuestId, Looking> looks_;
  std::map<model::GuestId, std::string> last_words_;  // of processes whose end is not written yet
  std::set<model::GuestId> lost_by_reboot_;
  std::set<model::GuestId> restarting_;
  std::set<model::GuestId> resuming_;  // they wait for room on their datastore
  std::vector<ports::FoundMachine> unmanaged_;
  std::vector<std::pair<std::string, Async<void>>> backlog_;
  bool running_ = false;
  Scope scope_;
};

}  // namespace ruche::core
