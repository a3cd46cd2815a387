// What the agents inside this host's guests say, kept in their documents: addresses, host name,
// system. Nobody is asked before the hypervisor says that a guest holds its channel open, and then
// ever more rarely: an idle guest costs nothing.
//
// It is also the keeper of the thaw: a frozen guest is thawed when its time is over, whoever asked
// for it and whatever became of them. The time is in memory and, for the next daemon, in the
// guest's document.
#pragma once

#include <map>
#include <set>

#include "base/log.hpp"
#include "core/guests/live_guests.hpp"
#include "core/inventory/writer.hpp"
#include "ports/hypervisor.hpp"

namespace ruche::core {

class AgentWatch {
 public:
  struct Parts {
    Writer& writer;
    LiveGuests& live;
    Clock& clock;
    Log& log;
    Executor executor;
    model::HostId self;
  };
  explicit AgentWatch(Parts parts);

  // Follows every live guest until cancelled.
  Async<void> run();
  // Something about this guest's agent is new: it came, it went, or its document was written.
  void wake(model::GuestId guest);

  // The guest was frozen: thaw it after `hold`, at the latest.
  void hold_frozen(model::GuestId guest, Duration hold);
  // It was thawed, or has ended.
  void release(model::GuestId guest) { thaw_at_.erase(guest); }
  bool is_frozen(model::GuestId guest) const { return thaw_at_.contains(guest); }

  // It stood still and its clock with it: set that as soon as its agent answers. Forgotten with
  // this daemon; a guest that keeps time by the network needs nobody.
  void set_clock(model::GuestId guest);

 private:
  struct Following {
    Signal woken;
    bool again = false;
    int looks = 0;
    Duration pause{0};
  };

  Async<void> follow(model::GuestId guest);
  Async<void> keep_following(model::GuestId guest, Following& following);
  Async<void> pause(Following& following, Duration limit);
  Async<void> look(model::GuestId guest, std::shared_ptr<ports::Machine> machine,
                   Following& following);
  Async<void> thaw_when_due(model::GuestId guest, std::shared_ptr<ports::Machine> machine,
                            Following& following);
  Async<void> set_late_clock(model::GuestId guest, std::shared_ptr<ports::Machine> machine);
  void remember_freeze(model::GuestId guest);
  Async<void> note(model::GuestId guest, std::function<void(model::GuestStatus&)> change);
  const model::GuestStatus* status(model::GuestId guest) const;

  Parts parts_;
  std::map<model::GuestId, std::shared_ptr<Following>> following_;
  std::map<model::GuestId, Instant> thaw_at_;
  std::set<model::GuestId> late_clocks_;
  bool running_ = false;
  Scope scope_;
};

}  // namespace ruche::core
