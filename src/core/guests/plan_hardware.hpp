// What every plan that changes a guest's hardware does: checks before any effect, what the host
// must promise for it, and the steps that make the process follow.
#pragma once

#include <string>
#include <vector>

#include "core/guests/plans.hpp"
#include "model/hardware_change.hpp"

namespace ruche::core::plans {

// A guest that is complete, not deleted, not broken.
const GuestRecord& find_whole(const Draft& draft, const std::string& reference);
// One whose hardware may be changed: no template either.
const GuestRecord& find_editable(const Draft& draft, const std::string& reference);
// What copies stand on stays as it is.
void refuse_template(const model::Guest& guest);
// Saved memory and what it knows stay alike: nothing of the hardware changes meanwhile.
void refuse_suspended(const GuestRecord& record);

struct HardwareEdit {
  std::vector<model::HardwareChange> changes;  // of a guest that has a process
  bool live = false;  // it has a process, which follows
};
// Writes the configuration into the draft after all checks: of the whole specification, of what
// this host can run and promise, of what a running guest can follow. Throws what stands against it.
HardwareEdit change_hardware(Draft& draft, const Site& site, const GuestRecord& record,
                             model::Guest after);

// "Change web1 (waits for a restart: memory)".
std::string summary_of(std::string_view what, const HardwareEdit& edit);

// The proposal of a change: `plan` is what is done around it, the steps of the change are added.
Proposal propose_change(const GuestRecord& record, std::string method, std::string summary,
                        const HardwareEdit& edit, std::vector<model::Step> before = {},
                        std::vector<model::Step> after = {});

}  // namespace ruche::core::plans
