#include "core/control/host_control.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/control/janitor.hpp"
#include "core/control/scheduler.hpp"
#include "core/placement/admission.hpp"
#include "core/snapshots/copy_plans.hpp"

namespace ruche::core {

namespace {
constexpr Duration kFirstPause{200};
constexpr Duration kLongestPause{10'000};
}  // namespace

HostControl::HostControl(Ports ports, Identity identity)
    : ports_(std::move(ports)),
      identity_(std::move(identity)),
      inventory_(ports_.store, ports_.clock, ports_.log),
      writer_(ports_.store, inventory_, ports_.clock, ports_.random),
      agents_({writer_, live_, ports_.clock, ports_.log, ports_.executor, identity_.id}),
      pool_(ports_.volumes, inventory_, identity_.id),
      host_networks_({writer_, ports_.networks, ports_.clock, ports_.log, identity_.id}),
      storage_steps_(pool_, inventory_),
      network_steps_(host_networks_, inventory_),
      image_steps_({writer_, pool_, ports_.builder, ports_.downloads, identity_.build_directory}),
      guest_steps_({writer_, pool_, ports_.hypervisor, live_, host_networks_, agents_,
                    ports_.sealing, ports_.host_info, ports_.clock, ports_.log}),
      hardware_steps_({writer_, pool_, ports_.hypervisor, live_, host_networks_, ports_.host_info,
                       ports_.hypervisor.capabilities().overhead}),
      snapshot_steps_(
          {writer_, pool_, ports_.hypervisor, live_, agents_, ports_.clock, ports_.log}),
      engine_(writer_, ports_.clock, ports_.log, progress_),
      dispatcher_(ports_.executor, writer_, engine_, ports_.log, identity_.id),
      agent_({writer_,
              ports_.hypervisor,
              live_,
              agents_,
              ports_.clock,
              ports_.log,
              {identity_.id, ports_.hypervisor.capabilities(), ports_.networks.capabilities()},
              ports_.executor}),
      monitor_(writer_, pool_, ports_.clock, ports_.log, identity_.id),
      task_service_(writer_),
      guest_service_({writer_, identity_.id, ports_.hypervisor.capabilities(), ports_.networks,
                      pool_, ports_.sealing}),
      hardware_service_({writer_, identity_.id, ports_.hypervisor.capabilities(), ports_.networks,
                         ports_.host_info}),
      snapshot_service_(
          {writer_, identity_.id, ports_.hypervisor.capabilities(), ports_.networks, pool_}),
      bulk_steps_({writer_, [this] { return guest_service_.site(); },
                   [this](Draft& draft, const model::CloneVm& order, model::NewCopy copy) {
                     return plans::clone(draft, guest_service_.site(), order, std::move(copy));
                   }}),
      image_service_({writer_, identity_.id, ports_.builder.recipes()}),
      upload_service_({writer_, pool_, ports_.log, identity_.id}),
      datastore_service_({writer_, identity_.id}),
      network_service_({writer_, ports_.networks, identity_.id}),
      settings_service_(writer_, identity_.id),
      pool_service_(writer_, identity_.id),
      identity_service_({writer_, ports_.passwords, identity_.id}),
      audit_keeper_({writer_, ports_.history.audit(), ports_.log, identity_.id}),
      host_service_(ports_.host_info, ports_.hypervisor.capabilities()) {
  engine_.add(storage_steps_);
  engine_.add(network_steps_);
  engine_.add(image_steps_);
  engine_.add(guest_steps_);
  engine_.add(hardware_steps_);
  engine_.add(snapshot_steps_);
  engine_.add(bulk_steps_);
}

HostControl::~HostControl() = default;

Async<void> HostControl::started() {
  while (!started_) co_await started_signal_.wait();
}

Async<void> HostControl::run() {
  Scope scope(ports_.executor, "host control");
  scope.spawn("inventory", inventory_.run());
  scope.spawn("work", work());
  co_await scope.join();
}

Async<void> HostControl::work() {
  co_await inventory_.ready();
  co_await register_host();
  co_await agent_.adopt_all(rebooted_);

  Janitor janitor({writer_, ports_.store, ports_.history, identity_service_, ports_.clock,
                   ports_.log, identity_.id, upload_service_});
  Scheduler scheduler(
      {writer_, [this] { return guest_service_.site(); }, ports_.clock, ports_.log});
  Scope scope(ports_.executor, "agents");
  scope.spawn("guest agent", agent_.run());
  scope.spawn("agent watch", agents_.run());
  scope.spawn("dispatcher", dispatcher_.run());
  scope.spawn("datastore monitor", monitor_.run());
  scope.spawn("networks", host_networks_.run());
  scope.spawn("janitor", janitor.run());
  scope.spawn("scheduler", scheduler.run());
  scope.spawn("audit", audit_keeper_.run());
  scope.spawn("beginning", begin());
  co_await scope.join();
}

Async<void> HostControl::begin() {
  co_await add_default_datastore();
  co_await add_default_network();
  started_ = true;
  started_signal_.notify();
  if (rebooted_) {
    co_await agent_.autostart();
    // Only now: a daemon that is killed before finds the boot still to be dealt with.
    const auto status = describe_host(co_await ports_.host_info.read());
    co_await writer_.insist(
        [&](Draft& draft) { draft.replace(keys::host_status(identity_.id), status); });
  }
  Duration pause = kFirstPause;
  while (!identity_.default_datastore.empty() && !sees_datastore()) {
    co_await sleep_for(ports_.clock, pause);
    pause = std::min(pause * 2, kLongestPause);
    co_await add_default_datastore();
  }
}

model::HostStatus HostControl::describe_host(model::HostStatus facts) const {
  const auto capabilities = ports_.hypervisor.capabilities();
  facts.accelerator = capabilities.accelerator;
  facts.accelerator_reason = capabilities.accelerator_reason;
  facts.qemu_version = capabilities.version;
  facts.features = capabilities.features;
  return facts;
}

Async<void> HostControl::register_host() {
  const auto now = describe_host(co_await ports_.host_info.read());
  co_await writer_.insist([&](Draft& draft) {
    auto status = now;
    const auto found = draft.inventory().hosts().find(identity_.id.value);
    const bool known = found != draft.inventory().hosts().end() && found->second->spec;
    if (!known) {
      std::string name = identity_.name;
      for (int n = 2; draft.inventory().name_holder("host", name); ++n) {
        name = fmt::format("{}-{}", identity_.name, n);
      }
      draft.take_name("host", name, identity_.id.value);
      draft.create(keys::host_spec(identity_.id), model::Host{identity_.id, name, draft.now()});
    }
    rebooted_ =
        known && found->second->status && found->second->status->value.boot_id != status.boot_id;
    if (rebooted_) status.boot_id = found->second->status->value.boot_id;
    if (!known || !found->second->status || found->second->status->value != status) {
      draft.replace(keys::host_status(identity_.id), status);
    }
    // Totals follow the machine and the settings; what is reserved stays.
    auto ledger = make_ledger(status, draft.inventory().settings());
    if (known && found->second->ledger) {
      const auto& before = found->second->ledger->value;
      ledger.memory_reserved = before.memory_reserved;
      ledger.cpus_reserved = before.cpus_reserved;
      ledger.generation = before.generation;
      const bool same =
          before.memory_total == ledger.memory_total && before.cpus_total == ledger.cpus_total;
      if (same) return;
    }
    draft.replace(keys::host_ledger(identity_.id), ledger);
  });
}

Async<void> HostControl::add_default_datastore() {
  if (identity_.default_datastore.empty() || sees_datastore()) co_return;
  std::optional<Error> failure;
  do {
    failure.reset();
    try {
      co_await create_default_datastore();
    } catch (const Error& error) {
      failure = error;
    }
    // Another host that starts at the same time may have taken the name: then the next one.
  } while (failure && failure->reason() == Reason::name_in_use);
  if (failure) {
    ports_.log.warning("core", "the default datastore could not be added",
                       {{"why", failure->full_message()}});
  }
  // Whoever waits for the start may use it at once.
  while (attaches_datastore()) co_await inventory_.changed();
}

Async<void> HostControl::add_default_network() {
  if (identity_.default_network.empty()) co_return;
  std::optional<Error> failure;
  try {
    co_await network_service_.add_default(identity_.default_network);
  } catch (const Error& error) {
    failure = error;
  }
  // Another host that starts at the same time may have made it.
  if (failure && failure->reason() != Reason::name_in_use) {
    ports_.log.warning("core", "the default network could not be added",
                       {{"why", failure->full_message()}});
  }
}

bool HostControl::sees_datastore() const {
  return std::ranges::any_of(inventory_.datastores(), [this](const auto& entry) {
    return entry.second->spec && is_visible(entry.second->spec->value, identity_.id);
  });
}

bool HostControl::attaches_datastore() const {
  return std::ranges::any_of(inventory_.tasks(), [this](const auto& entry) {
    const auto& task = entry.second->value;
    return task.host == identity_.id && model::is_open(task.state) &&
           task.method == "datastore.create";
  });
}

Async<void> HostControl::create_default_datastore() {
  model::CreateDatastore request;
  request.name = "local";
  for (int n = 2; inventory_.name_holder("datastore", request.name); ++n) {
    request.name = fmt::format("local-{}", n);
  }
  request.path = identity_.default_datastore;
  Caller caller;
  caller.user = "ruche";
  co_await datastore_service_.create(caller, request);
}

}  // namespace ruche::core
