// Looks at this host's datastores from time to time and writes what changed.
#pragma once

#include "core/inventory/writer.hpp"
#include "core/storage/datastore_pool.hpp"

namespace ruche::core {

class DatastoreMonitor {
 public:
  DatastoreMonitor(Writer& writer, DatastorePool& pool, Clock& clock, Log& log, model::HostId self)
      : writer_(writer), pool_(pool), clock_(clock), log_(log), self_(self) {}
  // Until cancelled.
  Async<void> run();

 private:
  Async<void> look_at_all();
  Async<void> try_to_look_at(model::DatastoreId id);
  Async<void> look_at(model::DatastoreId id);

  Writer& writer_;
  DatastorePool& pool_;
  Clock& clock_;
  Log& log_;
  model::HostId self_;
};

// A change worth a commit: another state, or the free space moved by more than a hundredth.
bool is_news(const model::DatastoreStatus& before, const model::DatastoreStatus& after);

}  // namespace ruche::core
