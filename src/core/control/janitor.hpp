// Keeps the store small, and the datastores with it: empties the recycle bin, moves ended tasks
// beyond the last thousand into the history with their parts, merges and removes layers that are
// loose, drops idempotency records that are a day old and whose task is gone, and gives up uploads
// that stand still.
#pragma once

#include "core/identity/identity_service.hpp"
#include "core/images/upload_service.hpp"
#include "core/inventory/writer.hpp"
#include "ports/history.hpp"

namespace ruche::core {

class Janitor {
 public:
  struct Parts {
    Writer& writer;
    ports::StateStore& store;
    ports::History& history;
    IdentityService& identity;
    Clock& clock;
    Log& log;
    model::HostId self;
    UploadService& uploads;
  };
  explicit Janitor(Parts parts) : parts_(std::move(parts)) {}
  Async<void> run();  // until cancelled

 private:
  struct Seen {
    Instant at;
    std::int64_t wall_ms = 0;
  };
  Async<void> clean();
  bool trusts_the_time();
  Async<void> purge_recycled();
  Async<void> remove_used_memory();
  bool has_failed_lately(model::GuestId guest) const;
  Async<void> tidy_layers();
  std::vector<model::Task> tasks_to_retire() const;
  Async<void> retire_tasks();
  Async<void> retire(std::vector<model::Task> ended);
  Async<void> drop_idempotency_records();

  Parts parts_;
  std::optional<Seen> seen_;
  Instant distrust_until_;
};

}  // namespace ruche::core
