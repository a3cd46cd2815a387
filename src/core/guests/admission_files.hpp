// What the step AdmitGuest does (ADR 15).
#pragma once

#include "core/inventory/draft.hpp"
#include "core/storage/datastore_pool.hpp"
#include "model/step.hpp"

namespace ruche::core {

// Nothing that the guest brings is used before its files were seen to be what its documents say.
// Throws guest_refused.
Async<void> verify_admission(const Inventory& inventory, DatastorePool& pool,
                             model::AdmitGuest step);

// The guest with its images is there, or all of it is forgotten; its files stay in either case.
void settle_admission(Draft& draft, const model::AdmitGuest& step, bool done);

}  // namespace ruche::core
