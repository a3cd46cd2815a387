#include "pool_requests.hpp"

namespace ruche::sim {

namespace {

constexpr auto kPatience = std::chrono::minutes(30);

model::PoolId pool_named(core::HostControl& control, const std::string& name) {
  const auto found = control.inventory().find_pool(name);
  if (!found) throw Error(Reason::no_such_object, "no pool " + name);
  return found->spec->value.id;
}

Async<void> create(core::HostControl& control, model::CreatePool request) {
  co_await control.pools().create({}, request);
}
Async<void> edit(core::HostControl& control, std::string name,
                 std::function<void(model::PoolEdit&)> change) {
  const auto id = pool_named(control, name);
  co_await control.pools().edit({}, id, change);
}
Async<void> remove(core::HostControl& control, std::string name) {
  const auto id = pool_named(control, name);
  co_await control.pools().remove({}, id);
}

struct Outcome {
  bool ended = false;
  std::optional<Error> refused;
};

Async<void> carry(core::HostControl& control, PoolChange change, std::shared_ptr<Outcome> outcome) {
  try {
    co_await change(control);
  } catch (const Error& error) {
    outcome->refused = error;
  }
  outcome->ended = true;
}

}  // namespace

PoolChange create_pool(model::CreatePool request) {
  return [=](core::HostControl& control) { return create(control, request); };
}
PoolChange edit_pool(std::string name, std::function<void(model::PoolEdit&)> change) {
  return [=](core::HostControl& control) { return edit(control, name, change); };
}
PoolChange remove_pool(std::string name) {
  return [=](core::HostControl& control) { return remove(control, name); };
}

void change_and_wait(SimCluster& cluster, SimHost& host, const PoolChange& change) {
  const auto outcome = std::make_shared<Outcome>();
  host.spawn("pool", carry(host.control(), change, outcome));
  cluster.run_until([&] { return outcome->ended; }, kPatience);
  if (!outcome->ended) throw Error(Reason::internal_error, "no answer came");
  if (outcome->refused) throw *outcome->refused;
}

std::string pool_of(const SimHost& host) { return "pool-" + host.name(); }

model::CreatePool small_pool(const SimHost& host) {
  model::CreatePool request;
  request.name = pool_of(host);
  request.cpus = 8;
  request.memory = gib(8);
  request.storage = gib(12);
  request.reserve_memory = gib(1);
  return request;
}

void change_some_pool(SimHost& host, const std::function<std::uint64_t(std::uint64_t)>& pick) {
  PoolChange change = create_pool(small_pool(host));
  const auto kind = pick(6);
  if (kind == 0) change = remove_pool(pool_of(host));
  if (kind > 1) {
    const auto memory = gib(static_cast<std::int64_t>(pick(10)));
    const auto kept = gib(static_cast<std::int64_t>(pick(4)));
    const auto cpus = static_cast<std::uint32_t>(pick(12));
    const auto storage = gib(static_cast<std::int64_t>(pick(16)));
    change = edit_pool(pool_of(host), [=](model::PoolEdit& edit) {
      edit.memory = memory;
      edit.reserve_memory = kept;
      edit.cpus = cpus;
      edit.storage = storage;
    });
  }
  host.spawn("pool", carry(host.control(), std::move(change), std::make_shared<Outcome>()));
}

}  // namespace ruche::sim
