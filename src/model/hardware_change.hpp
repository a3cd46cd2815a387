// What of a changed specification a running process can become, and what waits for the next start.
// Pure; the table of what each device allows is device_abilities.hpp.
#pragma once

#include <string>
#include <vector>

#include "model/guest.hpp"

namespace ruche::model {

// One difference between what a process has and what is wished.
struct HardwareChange {
  std::string device;  // cpus, memory, disk1, nic0, …
  std::string change;  // for people: "1 → 2", "added"
  std::string waits;   // why it waits for the next start; empty: it is made while the guest runs
};

struct ChangePlan {
  VmSpec reachable;  // what the process becomes; equal to the wish where nothing waits
  std::vector<HardwareChange> changes;
};
ChangePlan plan_change(const RunningHardware& running, const VmSpec& wanted);
// All that is not as wished: what waits, and what a guest did not follow.
std::vector<HardwareChange> pending_changes(const RunningHardware& running, const VmSpec& wanted);

// What a process has that was just started with this specification.
RunningHardware hardware_at_start(const VmSpec& spec);

}  // namespace ruche::model

extern template const ruche::TypeInfo& ruche::type_of<ruche::model::HardwareChange>();
