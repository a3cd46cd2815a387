// leaks.json: what this instance owns on the machine, so that anybody can compare it with what is
// there. Rewritten whenever a guest comes or goes.
#pragma once

#include <string>
#include <vector>

#include "base/reflect.hpp"
#include "core/guests/guest_agent.hpp"
#include "core/guests/live_guests.hpp"

namespace ruche::apps {

struct OwnedProcess {
  std::int32_t pid = 0;
  model::GuestId guest;
};
constexpr auto describe(Type<OwnedProcess>) {
  return structure<OwnedProcess>("OwnedProcess", "A guest's process.",
                                 field<&OwnedProcess::pid>("pid", "Process id."),
                                 field<&OwnedProcess::guest>("guest", "Whose it is."));
}

struct Owned {
  std::vector<OwnedProcess> processes;
  std::vector<std::string> cgroups;
  std::vector<std::string> bridges;  // of networks; a tap goes with the process that holds it
  std::vector<std::string> mounts;  // none yet
  std::vector<model::GuestId> unmanaged;  // processes that belong to no guest of ours
};
constexpr auto describe(Type<Owned>) {
  return structure<Owned>("Owned", "What an instance owns on its machine.",
                          field<&Owned::processes>("processes", "Processes."),
                          field<&Owned::cgroups>("cgroups", "Control groups."),
                          field<&Owned::bridges>("bridges", "Bridges of networks."),
                          field<&Owned::mounts>("mounts", "Mount points."),
                          field<&Owned::unmanaged>("unmanaged", "Foreign processes, left alone."));
}

class LeakList {
 public:
  LeakList(std::string path, core::LiveGuests& live, const core::GuestAgent& agent,
           const core::Inventory& inventory, Clock& clock, Log& log)
      : path_(std::move(path)),
        live_(live),
        agent_(agent),
        inventory_(inventory),
        clock_(clock),
        log_(log) {}
  Async<void> run();  // until cancelled

 private:
  Async<Owned> collect();

  std::string path_;
  core::LiveGuests& live_;
  const core::GuestAgent& agent_;
  const core::Inventory& inventory_;
  Clock& clock_;
  Log& log_;
};

}  // namespace ruche::apps
