#include "core/storage/datastore_monitor.hpp"

#include <algorithm>
#include <cstdlib>

namespace ruche::core {

namespace {
constexpr Duration kInterval{30'000};
}

bool is_news(const model::DatastoreStatus& before, const model::DatastoreStatus& after) {
  if (before.state != after.state || before.capacity != after.capacity) return true;
  if (before.last_error != after.last_error || before.reflinks != after.reflinks) return true;
  const auto moved = std::abs(before.available.count - after.available.count);
  return moved > after.capacity.count / 100;
}

Async<void> DatastoreMonitor::run() {
  co_await writer_.inventory().ready();
  while (true) {
    co_await look_at_all();
    co_await sleep_for(clock_, kInterval);
  }
}

Async<void> DatastoreMonitor::look_at_all() {
  std::vector<model::DatastoreId> mine;
  for (const auto& [id, record] : writer_.inventory().datastores()) {
    if (record->spec && is_visible(record->spec->value, self_)) mine.push_back({id});
  }
  // At the same time: one that hangs keeps nobody else waiting.
  std::vector<Async<void>> looks;
  for (const auto id : mine) looks.push_back(try_to_look_at(id));
  co_await all(std::move(looks));
}

Async<void> DatastoreMonitor::try_to_look_at(model::DatastoreId id) {
  try {
    co_await look_at(id);
  } catch (const Error& error) {
    log_.warning("core", "looking at a datastore failed",
                 {{"datastore", to_text(id)}, {"why", error.full_message()}});
  }
}

Async<void> DatastoreMonitor::look_at(model::DatastoreId id) {
  const auto found = writer_.inventory().datastores().find(id.value);
  if (found == writer_.inventory().datastores().end()) co_return;
  const auto before =
      found->second->status ? found->second->status->value : model::DatastoreStatus{};
  const auto driver = pool_.driver(id);
  auto after = co_await driver->probe();
  // File systems that are overfull report less than nothing; a document cannot.
  after.available = std::max(after.available, Bytes{});
  after.used = std::max(after.used, Bytes{});
  if (!is_news(before, after)) co_return;
  co_await writer_.transact([&](Draft& draft) {
    if (!draft.inventory().datastores().contains(id.value)) return;
    draft.replace(keys::datastore_status(id), after);
  });
}

}  // namespace ruche::core
