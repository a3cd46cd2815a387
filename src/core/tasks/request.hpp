// Who asks, and what an accepted request answers.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "model/identity.hpp"
#include "model/task.hpp"
#include "model/views.hpp"
#include "ports/state_store.hpp"

namespace ruche::core {

struct Caller {
  std::string user = "root";
  bool dry_run = false;            // plan and check everything, change nothing
  std::string idempotency_key;     // empty: none
  std::string request_fingerprint;  // hash of method and body; a reused key must match it
  std::optional<ports::Revision> if_match;
  model::AuditOrigin origin;  // for the audit record that rides in the same commit
};

struct Accepted {
  model::Task task;          // complete with its plan, also for a dry run
  // Of a dry run of a task for several objects: the part of each; those that refuse have failed.
  std::vector<model::Task> parts;
  ports::Revision revision;  // the inventory has reached it; 0 for a dry run
  bool dry_run = false;
  bool replayed = false;     // the idempotency key had been used for this very request
};

}  // namespace ruche::core
