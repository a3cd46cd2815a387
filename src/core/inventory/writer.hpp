// The one way to write documents. A process's writers take turns, so that they conflict only with
// other hosts; a conflict waits for the news and plans again.
#pragma once

#include <functional>
#include <set>

#include "base/async.hpp"
#include "core/inventory/draft.hpp"

namespace ruche::core {

class Writer {
 public:
  Writer(ports::StateStore& store, Inventory& inventory, Clock& clock, Random& random)
      : store_(store), inventory_(inventory), clock_(clock), random_(random) {}

  // Runs `write` on a fresh draft and commits it; again after a conflict. Returns the revision,
  // which the inventory has reached. `write` throws to refuse: nothing is written. An empty draft
  // commits nothing. Errors: what `write` throws, store_unavailable (nothing happened),
  // store_outcome_unknown (the store stayed away too long to ask whether it happened).
  Async<ports::Revision> transact(std::function<void(Draft&)> write);
  // Runs `write` once, which throws to refuse, and commits nothing: a dry run.
  Async<void> rehearse(std::function<void(Draft&)> write);
  // As transact(), and while the store is away, or others are always first, it goes on trying until
  // cancelled: for the effects of what already happened in the world. `write` may run again after
  // its changes were written, so it looks whether they still make sense.
  Async<ports::Revision> insist(std::function<void(Draft&)> write);

  // What the store has under a key that the inventory does not decode.
  Async<std::optional<ports::Entry>> read(std::string key) { return store_.get(std::move(key)); }

  Inventory& inventory() { return inventory_; }
  Clock& clock() { return clock_; }
  Random& random() { return random_; }
  std::uint64_t commits() const { return commits_; }

 private:
  class Turn;
  Async<ports::Revision> transact_in_turn(const std::function<void(Draft&)>& write);
  // Sends until it is answered. After an unknown outcome the same commit goes out again, with the
  // same nonce: an earlier copy that arrives later then changes nothing.
  Async<ports::CommitResult> send(ports::Commit commit);
  Async<void> wait_for_news(const std::string& key, ports::Revision seen);

  ports::StateStore& store_;
  Inventory& inventory_;
  Clock& clock_;
  Random& random_;
  std::uint64_t next_ticket_ = 0;
  std::uint64_t serving_ = 0;
  std::set<std::uint64_t> abandoned_;
  Signal turn_over_;
  std::uint64_t commits_ = 0;
};

}  // namespace ruche::core
