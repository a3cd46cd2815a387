// The plans of guests: pure decisions over a draft. Each checks everything that can be checked
// before any effect, writes the wish and the allocations into the draft, and proposes the task.
#pragma once

#include <expected>

#include "core/guests/found_guest.hpp"
#include "core/inventory/draft.hpp"
#include "core/tasks/accept.hpp"
#include "model/guest_rules.hpp"
#include "model/requests.hpp"
#include "ports/hypervisor.hpp"
#include "ports/sealing.hpp"

namespace ruche::core::plans {

struct Site {
  model::HostId self;  // who plans
  ports::EngineCapabilities capabilities;
  ports::NetworkCapabilities networks;
};

Proposal create(Draft& draft, const Site& site, ports::Sealing& sealing,
                const model::CreateVm& request);
// `found` is on the datastore that its guest names.
Proposal admit(Draft& draft, const Site& site, const model::RegisterVm& request,
               const FoundGuest& found);
Proposal start(Draft& draft, const Site& site, const model::VmRef& request);
Proposal shutdown(Draft& draft, const model::ShutdownVm& request);
Proposal stop(Draft& draft, const model::StopVm& request);
Proposal reset(Draft& draft, const model::VmRef& request);
Proposal pause(Draft& draft, const model::VmRef& request);
Proposal resume(Draft& draft, const Site& site, const model::VmRef& request);
Proposal suspend(Draft& draft, const model::VmRef& request);
Proposal discard(Draft& draft, const model::VmRef& request);
// Of files that a guest has gone on from, and that could not be removed then.
Proposal remove_used_memory(Draft& draft, model::GuestId guest);
Proposal freeze(Draft& draft, const model::FreezeVm& request);
Proposal thaw(Draft& draft, const model::VmRef& request);
Proposal remove(Draft& draft, const model::DeleteVm& request);
Proposal undelete(Draft& draft, const model::UndeleteVm& request);
Proposal move(Draft& draft, const model::MoveVm& request);
Proposal edit(Draft& draft, const Site& site, const Caller& caller, const std::string& vm,
              const std::function<void(model::VmEdit&)>& change);

// Throws the refusal of a pure check.
void unwrap(std::expected<void, Error> checked);
// The guest that a reference means; no_such_object with a remedy.
const GuestRecord& find_guest(const Draft& draft, const std::string& reference,
                              bool deleted = false);
// The one in the recycle bin that has this name or id, the last deleted one; null when there is
// none.
const GuestRecord* latest_deleted(const Draft& draft, const std::string& reference);
model::GuestState state_of(const GuestRecord& record);
// Throws the refusal of a guest in the recycle bin or in a state that does not allow it.
void check_power(model::PowerRequest request, const GuestRecord& record);
// A task about a guest, for its owner.
Proposal propose(const GuestRecord& record, std::string method, std::string_view verb,
                 std::vector<model::Facet> claims, std::vector<model::Step> plan);
// The steps of a start: a suspended guest goes on from its memory, which is removed then.
std::vector<model::Step> start_steps(const GuestRecord& record);
// Reserves on the owner's ledger and wishes it on; part of every start.
void reserve_for_start(Draft& draft, const Site& site, const model::Guest& guest,
                       model::Placement& placement);

}  // namespace ruche::core::plans
