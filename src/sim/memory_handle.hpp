// What one client handle of the in-memory store suffers. Shared by the handle, its watches and the
// calls under way.
#pragma once

#include "sim/memory_store.hpp"

namespace ruche::sim {

struct MemoryStoreState::Handle {
  Handle(Clock& store_clock, std::string host) : clock(store_clock), host_name(std::move(host)) {}

  Clock& clock;
  std::string host_name;
  Random* random = nullptr;
  StoreFaults faults;
  std::deque<CommitFault> next_commit_faults;
  bool partitioned = false;
  bool frozen = false;
  bool severed = false;
  std::uint64_t watch_generation = 0;
  Signal changed;  // new revisions, and every change of the flags above

  bool chance(double probability) {
    return random != nullptr && probability > 0 && random->chance(probability);
  }
  // Throws what a host that cannot reach the store sees.
  void check_reachable() const {
    if (severed || partitioned) {
      throw Error(Reason::store_unavailable, "the store cannot be reached from " + host_name);
    }
  }
  Async<void> wait_while_frozen() {
    while (frozen && !severed) co_await changed.wait();
  }
  // One way to the store or back, half of the latency.
  Async<void> travel() {
    if (random != nullptr && faults.max_latency.count() > 0) {
      const auto spread =
          static_cast<std::uint64_t>((faults.max_latency - faults.min_latency).count() + 1);
      const auto latency = faults.min_latency + std::chrono::microseconds(random->below(spread));
      co_await sleep_for(clock, latency / 2);
    }
    co_await wait_while_frozen();
  }
  // A whole request on its way to the store; what follows it happens at the store.
  Async<void> send() {
    co_await wait_while_frozen();
    check_reachable();
    if (chance(faults.unavailable)) {
      throw Error(Reason::store_unavailable, "the store did not answer");
    }
    co_await travel();
  }
  // The answer on its way back.
  Async<void> receive() {
    co_await travel();
    check_reachable();
  }
};

}  // namespace ruche::sim
