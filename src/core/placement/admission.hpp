// Admission: never more promised than the host has. Pure decisions over a ledger.
#pragma once

#include <expected>
#include <string>

#include "base/error.hpp"
#include "model/guest.hpp"
#include "model/host.hpp"
#include "model/placement.hpp"

namespace ruche::core {

// What a host may promise in all, from what it has and the settings.
model::Ledger make_ledger(const model::HostStatus& host, const model::Settings& settings);

// Whether this host could run it if it ran nothing else; never_fits says what there is.
std::expected<void, Error> could_ever_run(const model::Ledger& ledger,
                                          const model::Reservation& wanted);
// Takes the reservation from the ledger, or says what is free.
std::expected<void, Error> reserve(model::Ledger& ledger, const model::Reservation& wanted);
// Gives it back.
void release(model::Ledger& ledger, const model::Reservation& held);

// Whether the processor level suits the baseline; host_cannot says what this one has.
std::expected<void, Error> can_run_baseline(const model::HostStatus& host,
                                            model::CpuBaseline baseline);
// Whether the host has the hardware threads that its CPUs are pinned to and the NUMA nodes that its
// memory is bound to.
std::expected<void, Error> can_place(const model::HostStatus& host, std::uint32_t numa_nodes,
                                     const model::VmSpec& spec);

}  // namespace ruche::core
