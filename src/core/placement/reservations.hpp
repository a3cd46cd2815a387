// What guests hold of their host and of their pool, in drafts. This is the only place that writes
// their ledgers for a guest. A placement says what is counted for its guest, and in which pool; so
// it can always be given back, also when the guest's own document cannot be read.
#pragma once

#include "core/inventory/draft.hpp"

namespace ruche::core {

// More of the host and, when it is in a pool, of the pool. Throws what is not free or allowed.
void reserve_more(Draft& draft, model::Placement& placement, const model::Reservation& more);
// Exactly this much, while it holds anything: what its process has, whatever anybody allows.
void reserve_exactly(Draft& draft, model::GuestId guest, const model::Reservation& wanted);
// The same for one that holds nothing: its process was ended and launched anew by one task, which
// had reserved for both.
void reserve_again(Draft& draft, model::GuestId guest, const model::Reservation& wanted);
void release_all(Draft& draft, model::Placement& placement);

// Counts everything that it has in this pool instead, running or not. Throws pool_limit, and what
// is not free on the host.
void enter_pool(Draft& draft, model::Placement& placement, std::optional<model::PoolId> pool);
// The same for what is taken back: it stays where it is when the pool has no more room for it, as
// what it gave up may have become somebody else's. Answers where it is.
std::optional<model::PoolId> return_to_pool(Draft& draft, model::Placement& placement,
                                            std::optional<model::PoolId> pool);

// The disks of an object are larger or smaller by this much. Throws pool_limit.
void count_storage(Draft& draft, Uuid owner, Bytes change);

}  // namespace ruche::core
