#include "core/placement/reservations.hpp"

#include <fmt/format.h>

#include "core/placement/admission.hpp"
#include "core/placement/pools.hpp"

namespace ruche::core {

namespace {

void unwrap(std::expected<void, Error> checked) {
  if (!checked) throw std::move(checked.error());
}

const model::ResourcePool& pool_of(const Draft& draft, model::PoolId id) {
  if (const auto* pool = draft.find_pool(id)) return *pool;
  throw Error(Reason::no_such_object, fmt::format("the resource pool {} is gone", to_text(id)));
}

Bytes disks_of(const Draft& draft, Uuid owner) {
  Bytes sum;
  for (const auto& [id, known] : draft.inventory().layers()) {
    if (known->value.owner != owner || known->value.content != model::LayerContent::disk) continue;
    if (const auto* layer = draft.find_layer({id})) sum += layer->size;
  }
  return sum;
}

struct Ledgers {
  model::Ledger host;
  std::optional<model::PoolLedger> from, to;
};

// What the ledgers become when the guest moves; nothing is written.
std::expected<Ledgers, Error> plan_move(Draft& draft, const model::Placement& placement,
                                        std::optional<model::PoolId> pool) {
  Ledgers ledgers{draft.ledger(placement.host), {}, {}};
  const auto disks = disks_of(draft, placement.object);
  if (placement.pool) {
    ledgers.from = draft.pool_ledger(*placement.pool);
    replace_use(ledgers.host, pool_of(draft, *placement.pool), *ledgers.from, placement.reserved,
                {});
    ledgers.from->storage -= disks;
  } else if (placement.reserved != model::Reservation{}) {
    release(ledgers.host, placement.reserved);
  }
  if (pool) {
    const auto& target = pool_of(draft, *pool);
    ledgers.to = draft.pool_ledger(*pool);
    auto drawn = draw(ledgers.host, target, *ledgers.to, placement.reserved);
    if (drawn) drawn = draw_storage(target, *ledgers.to, disks);
    if (!drawn) return std::unexpected(std::move(drawn.error()));
  } else if (placement.reserved != model::Reservation{}) {
    if (auto free = reserve(ledgers.host, placement.reserved); !free) {
      return std::unexpected(std::move(free.error()));
    }
  }
  return ledgers;
}

void carry_out(Draft& draft, model::Placement& placement, std::optional<model::PoolId> pool,
               const Ledgers& ledgers) {
  draft.ledger(placement.host) = ledgers.host;
  if (placement.pool) draft.pool_ledger(*placement.pool) = *ledgers.from;
  if (pool) draft.pool_ledger(*pool) = *ledgers.to;
  placement.pool = pool;
}

}  // namespace

void reserve_more(Draft& draft, model::Placement& placement, const model::Reservation& more) {
  auto& host = draft.ledger(placement.host);
  if (placement.pool) {
    unwrap(could_ever_run(host, more));
    unwrap(draw(host, pool_of(draft, *placement.pool), draft.pool_ledger(*placement.pool), more));
  } else {
    unwrap(reserve(host, more));
  }
  placement.reserved.memory += more.memory;
  placement.reserved.cpus += more.cpus;
}

namespace {

void hold(Draft& draft, model::Placement& placement, const model::Reservation& wanted) {
  auto& host = draft.ledger(placement.host);
  if (placement.pool) {
    replace_use(host, pool_of(draft, *placement.pool), draft.pool_ledger(*placement.pool),
                placement.reserved, wanted);
  } else {
    release(host, placement.reserved);
    host.memory_reserved += wanted.memory;
    host.cpus_reserved += wanted.cpus;
  }
  placement.reserved = wanted;
}

}  // namespace

void reserve_exactly(Draft& draft, model::GuestId guest, const model::Reservation& wanted) {
  auto& placement = draft.placement(guest.value);
  if (placement.reserved == model::Reservation{} || placement.reserved == wanted) return;
  hold(draft, placement, wanted);
}

void reserve_again(Draft& draft, model::GuestId guest, const model::Reservation& wanted) {
  auto& placement = draft.placement(guest.value);
  if (placement.reserved == model::Reservation{}) hold(draft, placement, wanted);
}

void release_all(Draft& draft, model::Placement& placement) {
  if (placement.reserved == model::Reservation{}) return;
  hold(draft, placement, {});
}

void enter_pool(Draft& draft, model::Placement& placement, std::optional<model::PoolId> pool) {
  if (placement.pool == pool) return;
  const auto ledgers = plan_move(draft, placement, pool);
  if (!ledgers) throw Error(ledgers.error());
  carry_out(draft, placement, pool, *ledgers);
}

std::optional<model::PoolId> return_to_pool(Draft& draft, model::Placement& placement,
                                            std::optional<model::PoolId> pool) {
  if (placement.pool == pool) return pool;
  if (pool && !draft.find_pool(*pool)) return placement.pool;  // it was deleted meanwhile
  const auto ledgers = plan_move(draft, placement, pool);
  if (ledgers) carry_out(draft, placement, pool, *ledgers);
  return placement.pool;
}

void count_storage(Draft& draft, Uuid owner, Bytes change) {
  const auto* placement = draft.find_placement(owner);
  if (!placement || !placement->pool || change.count == 0) return;
  unwrap(
      draw_storage(pool_of(draft, *placement->pool), draft.pool_ledger(*placement->pool), change));
}

}  // namespace ruche::core
