// What users can ask of guests: each request is planned against the inventory, checked, and
// accepted in one commit (task with its plan and claims, the wish, allocations, ledger).
#pragma once

#include <functional>
#include <memory>

#include "core/guests/plan_bulk.hpp"
#include "core/guests/plans.hpp"
#include "core/inventory/writer.hpp"
#include "core/storage/datastore_pool.hpp"
#include "core/tasks/request.hpp"
#include "model/requests.hpp"
#include "model/views.hpp"
#include "ports/hypervisor.hpp"

namespace ruche::core {

class GuestService {
 public:
  struct Parts {
    Writer& writer;
    model::HostId self;
    ports::EngineCapabilities capabilities;
    ports::NetworkDriver& networks;
    DatastorePool& pool;
    ports::Sealing& sealing;
  };
  explicit GuestService(Parts parts) : parts_(std::move(parts)) {}

  Async<Accepted> create(Caller caller, model::CreateVm request);
  // Takes in a guest from its files (ADR 15).
  Async<Accepted> admit(Caller caller, model::RegisterVm request);
  // Guests on a datastore that the store does not know, by name; at most a thousand.
  Async<std::vector<model::FoundVm>> found_on(model::DatastoreRef request);
  Async<Accepted> start(Caller caller, model::VmRef request);
  Async<Accepted> shutdown(Caller caller, model::ShutdownVm request);
  Async<Accepted> stop(Caller caller, model::StopVm request);
  Async<Accepted> reset(Caller caller, model::VmRef request);
  Async<Accepted> pause(Caller caller, model::VmRef request);
  Async<Accepted> resume(Caller caller, model::VmRef request);
  Async<Accepted> suspend(Caller caller, model::VmRef request);
  Async<Accepted> discard(Caller caller, model::VmRef request);
  Async<Accepted> freeze(Caller caller, model::FreezeVm request);
  Async<Accepted> thaw(Caller caller, model::VmRef request);
  Async<Accepted> remove(Caller caller, model::DeleteVm request);
  Async<Accepted> undelete(Caller caller, model::UndeleteVm request);
  // One task for many guests, which makes a task for each (ADR 18).
  Async<Accepted> bulk(Caller caller, model::BulkVms request, plans::FindGuests find);
  Async<Accepted> move(Caller caller, model::MoveVm request);
  // Changes the document, and the process as far as it can follow (ADR 19). The callback edits (a
  // merge patch in the API); it throws on a bad patch.
  Async<Accepted> edit(Caller caller, std::string vm, std::function<void(model::VmEdit&)> change);

  plans::Site site() const {
    return {parts_.self, parts_.capabilities, parts_.networks.capabilities()};
  }

 private:
  Async<model::GuestId> guest_called(ports::FoundGuests& files, std::string reference) const;

  Parts parts_;
};

}  // namespace ruche::core
