// One request for many guests: what it means, and what it means for one of them (ADR 18).
#pragma once

#include "core/guests/plans.hpp"

namespace ruche::core::plans {

// The guests that a filter finds, in the recycle bin or out of it. Its language is the API's.
using FindGuests =
    std::function<std::vector<model::GuestId>(const std::string& filter, bool deleted)>;

// The task for all of them. It claims nothing: the tasks for each do. Throws where the request
// contradicts itself, names a guest that is not there, or finds none or too many.
Proposal for_each(Draft& draft, const Site& site, const model::BulkVms& request,
                  const FindGuests& find);

// The plan of one of several copies, which is a later room's.
using PlanCopy =
    std::function<Proposal(Draft& draft, const model::CloneVm& order, model::NewCopy copy)>;

// Plans a part of such a task, as the method for one guest would. Throws what that throws, or
// `claimed`; then the draft is of no more use. Copies need `copy`.
model::Task part_for(Draft& draft, const Site& site, const model::Task& parent,
                     model::GuestId guest, const PlanCopy& copy = {});
// The part that refused: it has ended before it began.
model::Task refused_part(const Draft& draft, const model::Task& parent, model::GuestId guest,
                         const Error& why);
// What a dry run tells: the part of each, one after the other on one draft, so that all of them
// together must fit.
std::vector<model::Task> plan_parts(Draft& draft, const Site& site, const model::Task& parent,
                                    const PlanCopy& copy = {});

}  // namespace ruche::core::plans
