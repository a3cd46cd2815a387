// What resource pools let their guests have, and what a host keeps for them. Pure decisions over
// the ledgers of the host and of the pool.
#pragma once

#include <expected>

#include "base/error.hpp"
#include "model/host.hpp"
#include "model/pool.hpp"

namespace ruche::core {

// What the host's ledger holds for a pool: its reservation, or what its guests that run use of each
// when that is more. So they draw from the reservation first.
model::Reservation held_for(const model::ResourcePool& pool, const model::PoolLedger& use);

// A guest of the pool takes more: within the pool's limits, and what is beyond its reservation must
// be free on the host. Nothing is changed when it is refused.
std::expected<void, Error> draw(model::Ledger& host, const model::ResourcePool& pool,
                                model::PoolLedger& use, const model::Reservation& more);
// A guest of the pool holds `to` and no longer `from`, whatever anybody allows: what is so.
void replace_use(model::Ledger& host, const model::ResourcePool& pool, model::PoolLedger& use,
                 const model::Reservation& from, const model::Reservation& to);

// More capacity of disks, within the pool's limit.
std::expected<void, Error> draw_storage(const model::ResourcePool& pool, model::PoolLedger& use,
                                        Bytes more);

// The pool's limits and reservation become those of `after`: the limits are not below what is used,
// and what more is kept is free on the host. To remove a pool, `after` has no reservation.
std::expected<void, Error> redefine(model::Ledger& host, const model::ResourcePool& before,
                                    const model::ResourcePool& after, const model::PoolLedger& use);

// The weight of a guest's CPU time against that of others (cgroup v2's cpu.weight).
std::uint32_t cpu_weight(std::uint32_t shares, std::uint32_t cpus);

}  // namespace ruche::core
