// The plans of templates and copies: pure decisions over a draft.
#pragma once

#include "core/guests/plans.hpp"
#include "model/snapshot_requests.hpp"

namespace ruche::core::plans {

// One copy of a guest, of its snapshot, or of a template, with an identity of its own: addresses,
// host name, generation id, cloud-init instance. `copy` was chosen beforehand for one of several.
Proposal clone(Draft& draft, const Site& site, const model::CloneVm& request,
               std::optional<model::NewCopy> copy = {});
// Several: a task that makes a task for each. All names must be free now.
Proposal clone_many(Draft& draft, const Site& site, const model::CloneVm& request);
// What `vm create --from-template` asks for. Throws bad_spec at the first field that a template
// decides.
model::CloneVm copy_of_template(const model::CreateVm& request);

// The document only: a template never starts and its disks never change.
Proposal make_template(Draft& draft, const model::TemplateVm& request);

Proposal set_schedule(Draft& draft, const model::SetSchedule& request);
Proposal remove_schedule(Draft& draft, const model::ScheduleRef& request);

}  // namespace ruche::core::plans
