#include "core/placement/pools.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/placement/admission.hpp"

namespace ruche::core {

namespace {

constexpr std::uint32_t kMostWeight = 10'000;  // of the kernel

// `flag` is what raises the limit.
Error over_limit(const model::ResourcePool& pool, const std::string& limit, const std::string& used,
                 const std::string& more, std::string_view free_some, std::string_view flag) {
  return Error(Reason::pool_limit,
               fmt::format("the pool {} is limited to {}; {} are used, {} more are wanted",
                           pool.name, limit, used, more))
      .remedy(
          fmt::format("{}, or raise the limit: ruche pool set {} {}", free_some, pool.name, flag));
}

std::expected<void, Error> check_limits(const model::ResourcePool& pool,
                                        const model::PoolLedger& use,
                                        const model::Reservation& more) {
  constexpr std::string_view kFree = "stop another VM of it";
  const auto& limits = pool.limits;
  const bool asks_memory = limits.memory.count > 0 && more.memory.count > 0;
  if (asks_memory && use.memory + more.memory > limits.memory) {
    return std::unexpected(over_limit(pool, to_text(limits.memory) + " of memory",
                                      to_text(use.memory), to_text(more.memory), kFree,
                                      "--memory SIZE"));
  }
  const auto cpus = std::uint64_t{use.cpus} + more.cpus;
  if (limits.cpus > 0 && more.cpus > 0 && cpus > limits.cpus) {
    return std::unexpected(over_limit(pool, fmt::format("{} virtual CPUs", limits.cpus),
                                      std::to_string(use.cpus), std::to_string(more.cpus), kFree,
                                      "--cpus COUNT"));
  }
  return {};
}

// What the host's ledger gets when what it holds for a pool goes from one to the other.
void move_hold(model::Ledger& host, const model::Reservation& from, const model::Reservation& to) {
  host.memory_reserved += to.memory - from.memory;
  host.cpus_reserved += to.cpus;
  host.cpus_reserved -= std::min(host.cpus_reserved, from.cpus);
  ++host.generation;
}

std::expected<void, Error> grow_hold(model::Ledger& host, const model::Reservation& from,
                                     const model::Reservation& to) {
  const model::Reservation more{std::max(Bytes{}, to.memory - from.memory),
                                to.cpus - std::min(to.cpus, from.cpus)};
  if (more != model::Reservation{}) {
    auto checked = host;
    if (auto free = reserve(checked, more); !free) return free;
  }
  move_hold(host, from, to);
  return {};
}

}  // namespace

model::Reservation held_for(const model::ResourcePool& pool, const model::PoolLedger& use) {
  return {std::max(pool.reservation.memory, use.memory), std::max(pool.reservation.cpus, use.cpus)};
}

std::expected<void, Error> draw(model::Ledger& host, const model::ResourcePool& pool,
                                model::PoolLedger& use, const model::Reservation& more) {
  if (auto within = check_limits(pool, use, more); !within) return within;
  auto after = use;
  after.memory += more.memory;
  after.cpus += more.cpus;
  ++after.generation;
  if (auto free = grow_hold(host, held_for(pool, use), held_for(pool, after)); !free) return free;
  use = after;
  return {};
}

void replace_use(model::Ledger& host, const model::ResourcePool& pool, model::PoolLedger& use,
                 const model::Reservation& from, const model::Reservation& to) {
  const auto before = held_for(pool, use);
  use.memory += to.memory - from.memory;
  use.cpus += to.cpus;
  use.cpus -= std::min(use.cpus, from.cpus);
  ++use.generation;
  move_hold(host, before, held_for(pool, use));
}

std::expected<void, Error> draw_storage(const model::ResourcePool& pool, model::PoolLedger& use,
                                        Bytes more) {
  const auto limit = pool.limits.storage;
  if (limit.count > 0 && more.count > 0 && use.storage + more > limit) {
    return std::unexpected(over_limit(pool, to_text(limit) + " of disks", to_text(use.storage),
                                      to_text(more), "remove disks of its VMs, or purge some",
                                      "--storage SIZE"));
  }
  use.storage += more;
  ++use.generation;
  return {};
}

namespace {

Error below_use(const model::ResourcePool& pool, const std::string& used, const std::string& limit,
                const char* field) {
  return Error(Reason::pool_limit,
               fmt::format("the VMs of {} use {}, which is more than {}", pool.name, used, limit))
      .at(field)
      .remedy("take VMs out of it or stop them first, or choose a higher limit");
}

std::expected<void, Error> check_definition(const model::ResourcePool& pool,
                                            const model::PoolLedger& use) {
  const auto& limits = pool.limits;
  const auto& kept = pool.reservation;
  if (limits.memory.count > 0 && kept.memory > limits.memory) {
    return std::unexpected(
        Error(Reason::bad_spec, "more memory is kept for the pool than it may have")
            .at("/reserve_memory_bytes"));
  }
  if (limits.cpus > 0 && kept.cpus > limits.cpus) {
    return std::unexpected(
        Error(Reason::bad_spec, "more CPUs are kept for the pool than it may have")
            .at("/reserve_cpus"));
  }
  if (limits.memory.count > 0 && use.memory > limits.memory) {
    return std::unexpected(
        below_use(pool, to_text(use.memory), to_text(limits.memory), "/memory_bytes"));
  }
  if (limits.cpus > 0 && use.cpus > limits.cpus) {
    return std::unexpected(
        below_use(pool, fmt::format("{} CPUs", use.cpus), std::to_string(limits.cpus), "/cpus"));
  }
  if (limits.storage.count > 0 && use.storage > limits.storage) {
    return std::unexpected(below_use(pool, to_text(use.storage) + " of disks",
                                     to_text(limits.storage), "/storage_bytes"));
  }
  return {};
}

}  // namespace

std::expected<void, Error> redefine(model::Ledger& host, const model::ResourcePool& before,
                                    const model::ResourcePool& after,
                                    const model::PoolLedger& use) {
  if (auto sound = check_definition(after, use); !sound) return sound;
  const auto kept = grow_hold(host, held_for(before, use), held_for(after, use));
  if (kept) return {};
  return std::unexpected(
      Error(kept.error().reason(), fmt::format("the host cannot keep that much for {}: {}",
                                               after.name, kept.error().message()))
          .remedy("reserve less, or stop VMs outside of the pool"));
}

std::uint32_t cpu_weight(std::uint32_t shares, std::uint32_t cpus) {
  const auto weight = std::uint64_t{shares} * std::max(cpus, 1U);
  return static_cast<std::uint32_t>(std::clamp<std::uint64_t>(weight, 1, kMostWeight));
}

}  // namespace ruche::core
