// Accepting a request: one commit writes the task with its plan, its claims and whatever the plan
// allocates.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/inventory/writer.hpp"
#include "core/tasks/request.hpp"

namespace ruche::core {

struct Proposal {
  std::string method;   // vm.start
  std::string summary;  // Start web1
  model::ObjectRef object;
  std::vector<model::Facet> claims;
  model::HostId host;  // whose agent works on it
  std::vector<model::Step> plan;
  bool cancel_holders = false;  // --force: tasks in the way are asked to end
  std::optional<model::TaskId> id;  // of the task, where a document of the commit names it
  std::optional<model::TaskId> parent;  // the task for several objects that this is a part of
  std::optional<model::Hold> source;  // another object that is held as long as the task is open
  std::vector<model::LayerId> reads;  // layers that it copies: they stay as long
};

// Runs `propose` on a draft (it plans, checks, allocates), adds the task and its claims, commits.
// A reused idempotency key answers the earlier task. A dry run plans and checks, then drops the
// draft. Tidying in the way is asked to end and waited for, 30 s at the most: then `propose` runs a
// second time. Throws what `propose` throws, `claimed` with the task in the way.
Async<Accepted> accept(Writer& writer, Caller caller, std::function<Proposal(Draft&)> propose);

// Writes a task into a draft: its claims, its document and the record of who asked. Throws
// `claimed`. A proposal without claims may be about an object that has no placement.
model::Task add_task(Draft& draft, const Caller& caller, const Proposal& proposal);

// Who asked for what, for Draft::record.
model::AuditRecord audit_record(const Caller& caller, std::string method,
                                std::optional<model::ObjectRef> object = {});

// True when two claims on one object exclude each other.
bool conflicts(model::Facet a, model::Facet b);
// Throws revision_mismatch unless the document has the revision that the caller has seen.
void check_if_match(const Caller& caller, ports::Revision revision);

}  // namespace ruche::core
