#include "core/placement/pool_service.hpp"

#include <fmt/format.h>

#include "core/placement/pools.hpp"
#include "core/tasks/accept.hpp"

namespace ruche::core {

namespace {

constexpr std::size_t kMostNamed = 3;

void unwrap(std::expected<void, Error> checked) {
  if (!checked) throw std::move(checked.error());
}

model::ObjectRef ref(const model::ResourcePool& pool) {
  return {model::ObjectKind::pool, pool.id.value, pool.name};
}

const PoolRecord& find(const Draft& draft, model::PoolId id) {
  const auto found = draft.inventory().pools().find(id.value);
  if (found == draft.inventory().pools().end() || !found->second->complete()) {
    throw Error(Reason::no_such_object, "the resource pool is gone")
        .at("/pool")
        .remedy("see them: ruche pool list");
  }
  return *found->second;
}

model::PoolEdit editable(const model::ResourcePool& pool) {
  return {pool.name,           pool.description,      pool.limits.cpus,        pool.limits.memory,
          pool.limits.storage, pool.reservation.cpus, pool.reservation.memory, pool.shares};
}

void apply(model::ResourcePool& pool, const model::PoolEdit& edit) {
  pool.name = edit.name;
  pool.description = edit.description;
  pool.limits = {edit.cpus, edit.memory, edit.storage};
  pool.reservation = {edit.reserve_memory, edit.reserve_cpus};
  pool.shares = edit.shares;
}

void refuse_in_use(const Draft& draft, const model::ResourcePool& pool) {
  std::vector<std::string> names;
  std::size_t count = 0;
  for (const auto& [id, guest] : draft.inventory().guests()) {
    if (!guest->placement || guest->placement->value.pool != pool.id) continue;
    ++count;
    if (names.size() >= kMostNamed) continue;
    names.push_back(guest->spec ? guest->spec->value.name : to_text(id));
    if (guest->spec && guest->spec->value.deleted_at) names.back() += " (in the recycle bin)";
  }
  if (count == 0) return;
  throw Error(Reason::in_use,
              fmt::format("{} VMs are in {}: {}{}", count, pool.name, fmt::join(names, ", "),
                          count > names.size() ? ", …" : ""))
      .remedy("take them out first: ruche vm set VM --pool ''; purge those in the recycle bin");
}

}  // namespace

Async<model::PoolId> PoolService::create(Caller caller, model::CreatePool request) {
  model::PoolId made;
  co_await writer_.transact([&](Draft& draft) {
    model::ResourcePool pool;
    pool.id = made = draft.new_id<model::PoolId>();
    pool.host = self_;
    pool.created_at = draft.now();
    apply(pool, {request.name, request.description, request.cpus, request.memory, request.storage,
                 request.reserve_cpus, request.reserve_memory, request.shares});
    const model::ResourcePool nothing;
    unwrap(redefine(draft.ledger(self_), nothing, pool, model::PoolLedger()));
    draft.take_name("pool", pool.name, pool.id.value);
    draft.record(self_, audit_record(caller, "pool.create", ref(pool)));
    draft.create(keys::pool_ledger(pool.id), model::PoolLedger());
    draft.create(keys::pool_spec(pool.id), pool);
  });
  co_return made;
}

Async<void> PoolService::edit(Caller caller, model::PoolId id,
                              std::function<void(model::PoolEdit&)> change) {
  co_await writer_.transact([&](Draft& draft) {
    const auto& record = find(draft, id);
    check_if_match(caller, record.spec->revision);
    const model::ResourcePool before = record.spec->value;
    auto wanted = editable(before);
    change(wanted);
    auto& pool = draft.pool(id);
    apply(pool, wanted);
    auto& use = draft.pool_ledger(id);
    unwrap(redefine(draft.ledger(before.host), before, pool, use));
    ++use.generation;
    if (pool.name != before.name) {
      draft.take_name("pool", pool.name, id.value);
      draft.free_name("pool", before.name);
    }
    draft.record(self_, audit_record(caller, "pool.set", ref(before)));
  });
}

Async<void> PoolService::remove(Caller caller, model::PoolId id) {
  const auto write = [&](Draft& draft) {
    const model::ResourcePool pool = find(draft, id).spec->value;
    check_if_match(caller, find(draft, id).spec->revision);
    refuse_in_use(draft, pool);
    auto nothing = pool;
    nothing.reservation = {};
    unwrap(redefine(draft.ledger(pool.host), pool, nothing, draft.pool_ledger(id)));
    draft.free_name("pool", pool.name);
    draft.erase(keys::pool_spec(id));
    draft.erase(keys::pool_ledger(id));
    draft.record(self_, audit_record(caller, "pool.delete", ref(pool)));
  };
  if (caller.dry_run) {
    co_await writer_.rehearse(write);
  } else {
    co_await writer_.transact(write);
  }
}

}  // namespace ruche::core
