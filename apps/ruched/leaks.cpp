#include "ruched/leaks.hpp"

#include "base/json.hpp"
#include "ruched/instance.hpp"

namespace ruche::apps {

namespace {
constexpr Duration kGather{200};  // several guests that start together are written once
}

Async<Owned> LeakList::collect() {
  Owned owned;
  const auto machines = live_.all();  // a copy: guests come and go while we ask
  for (const auto& [guest, machine] : machines) {
    ports::MachineStatus status;
    try {
      status = co_await machine->status();
    } catch (const Error& error) {
      log_.debug("apps", "a guest did not answer", {{"guest", to_text(guest)}});
    }
    if (status.pid != 0) owned.processes.push_back({status.pid, guest});
    if (!status.cgroup.empty()) owned.cgroups.push_back(status.cgroup);
  }
  for (const auto& found : agent_.unmanaged()) owned.unmanaged.push_back(found.guest);
  for (const auto& [id, network] : inventory_.networks()) {
    if (network->status && !network->status->value.bridge.empty()) {
      owned.bridges.push_back(network->status->value.bridge);
    }
  }
  co_return owned;
}

Async<void> LeakList::run() {
  while (true) {
    const Owned owned = co_await collect();
    try {
      replace_file(path_, json::encode(owned, {.pretty = true}) + "\n");
    } catch (const Error& error) {
      log_.warning("apps", "leaks.json could not be written", {{"why", error.message()}});
    }
    co_await live_.changed();
    co_await sleep_for(clock_, kGather);
  }
}

}  // namespace ruche::apps
