#include "core/inventory/writer.hpp"

#include <fmt/format.h>

#include <set>

namespace ruche::core {

namespace {
constexpr int kMostConflicts = 50;
constexpr Duration kNewsPatience{2000};
constexpr Duration kSettlePatience{10'000};
constexpr Duration kRetryPause{200};
}  // namespace

// A place in the queue; leaving it, also by an exception, lets the next one in.
class Writer::Turn {
 public:
  explicit Turn(Writer& writer) : writer_(writer), ticket_(writer.next_ticket_++) {}
  ~Turn() {
    writer_.abandoned_.insert(ticket_);
    while (writer_.abandoned_.erase(writer_.serving_) > 0) ++writer_.serving_;
    writer_.turn_over_.notify();
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  Async<void> wait() {
    while (writer_.serving_ != ticket_) co_await writer_.turn_over_.wait();
  }

 private:
  Writer& writer_;
  std::uint64_t ticket_;
};

Async<ports::Revision> Writer::transact(std::function<void(Draft&)> write) {
  Turn turn(*this);
  co_await turn.wait();
  co_return co_await transact_in_turn(write);
}

Async<void> Writer::rehearse(std::function<void(Draft&)> write) {
  co_await inventory_.ready();
  Draft draft(inventory_, clock_, random_);
  write(draft);
}

Async<ports::Revision> Writer::insist(std::function<void(Draft&)> write) {
  Duration pause = kRetryPause;
  while (true) {
    std::optional<Error> failure;
    try {
      co_return co_await transact(write);
    } catch (const Error& error) {
      const bool may_pass =
          error.code() == ErrorCode::unavailable || error.reason() == Reason::store_conflict;
      if (!may_pass) throw;
      failure = error;
    }
    co_await sleep_for(clock_, pause);
    pause = std::min<Duration>(pause * 2, Duration{5000});
  }
}

Async<ports::Revision> Writer::transact_in_turn(const std::function<void(Draft&)>& write) {
  co_await inventory_.ready();
  for (int attempt = 0; attempt < kMostConflicts; ++attempt) {
    Draft draft(inventory_, clock_, random_);
    write(draft);
    ports::Commit commit = draft.take();
    if (commit.writes.empty()) co_return inventory_.revision();
    std::map<std::string, ports::Revision> seen;
    for (const auto& compare : commit.compares) seen[compare.key] = compare.revision;
    const ports::CommitResult result = co_await send(std::move(commit));
    if (const auto* committed = std::get_if<ports::Committed>(&result)) {
      ++commits_;
      co_await inventory_.reached(committed->revision);
      co_return committed->revision;
    }
    const auto key = std::get<ports::Conflict>(result).key;
    co_await wait_for_news(key, seen[key]);
  }
  throw Error(Reason::store_conflict, "other writers were always first").remedy("try again");
}

Async<ports::CommitResult> Writer::send(ports::Commit commit) {
  const Instant give_up = clock_.now() + kSettlePatience;
  bool may_have_happened = false;
  while (true) {
    std::optional<Error> failure;
    try {
      co_return co_await store_.commit(commit);
    } catch (const Error& error) {
      may_have_happened = may_have_happened || error.reason() == Reason::store_outcome_unknown;
      if (!may_have_happened || error.code() != ErrorCode::unavailable) throw;
      failure = error;
    }
    if (clock_.now() > give_up) {
      throw Error(Reason::store_outcome_unknown,
                  "the state store went away while a change was being written")
          .caused_by(*failure)
          .remedy("look at the object before you try again");
    }
    co_await sleep_for(clock_, kRetryPause);
  }
}

Async<void> Writer::wait_for_news(const std::string& key, ports::Revision seen) {
  const Instant give_up = clock_.now() + kNewsPatience;
  while (inventory_.key_revision(key) == seen && clock_.now() < give_up) {
    // A spurious conflict has no news to wait for; a short pause then serves as well.
    auto changed = [](Inventory& inventory) -> Async<void> { co_await inventory.changed(); };
    bool late = false;
    try {
      co_await with_deadline(clock_, Duration{20}, "news", changed(inventory_));
    } catch (const Error& error) {
      if (error.reason() != Reason::deadline) throw;
      late = true;
    }
    if (late && inventory_.key_revision(key) == seen) co_return;
  }
}

}  // namespace ruche::core
