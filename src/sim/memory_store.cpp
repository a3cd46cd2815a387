#include "sim/memory_store.hpp"

#include <fmt/format.h>

#include "sim/memory_handle.hpp"

namespace ruche::sim {

using ports::Batch;
using ports::Commit;
using ports::CommitResult;
using ports::Compacted;
using ports::Conflict;
using ports::Entry;
using ports::LeaseId;
using ports::LeaseStatus;
using ports::ListPage;
using ports::ListRequest;
using ports::Revision;
using ports::Watch;

class MemoryWatch : public Watch {
 public:
  MemoryWatch(std::shared_ptr<MemoryStoreState> state,
              std::shared_ptr<MemoryStoreState::Handle> handle, std::string prefix, Revision from)
      : state_(std::move(state)),
        handle_(std::move(handle)),
        prefix_(std::move(prefix)),
        from_(from),
        generation_(handle_->watch_generation) {}

  Async<std::variant<Batch, Compacted>> next() override {
    while (true) {
      if (handle_->severed || handle_->watch_generation != generation_) {
        throw Error(Reason::store_unavailable, "the watch of " + prefix_ + " broke");
      }
      if (!handle_->partitioned && !handle_->frozen) {
        if (from_ <= state_->compacted_ || handle_->chance(handle_->faults.compacted)) {
          from_ = {};  // over for good
          co_return Compacted{{state_->compacted_.number + 1}};
        }
        // Both names are bound before the test; see the traps of coroutines in dependencies.md.
        auto batch = state_->next_batch(prefix_, from_);
        if (batch) co_return std::move(*batch);
      }
      co_await handle_->changed.wait();
    }
  }

 private:
  std::shared_ptr<MemoryStoreState> state_;
  std::shared_ptr<MemoryStoreState::Handle> handle_;
  std::string prefix_;
  Revision from_;
  std::uint64_t generation_;
};

MemoryStore::MemoryStore(std::shared_ptr<MemoryStoreState> state, std::string host_name)
    : state_(std::move(state)),
      handle_(std::make_shared<Handle>(state_->clock_, std::move(host_name))) {
  state_->handles_.push_back(handle_);
}

MemoryStore::~MemoryStore() = default;

const std::string& MemoryStore::host_name() const { return handle_->host_name; }
const std::string& MemoryStore::store_id() const { return state_->store_id_; }
bool MemoryStore::severed() const { return handle_->severed; }

void MemoryStore::set_faults(StoreFaults faults, Random& random) {
  handle_->faults = faults;
  handle_->random = &random;
}
void MemoryStore::clear_faults() {
  handle_->faults = {};
  handle_->next_commit_faults.clear();
}
void MemoryStore::fail_next_commit(CommitFault fault) {
  handle_->next_commit_faults.push_back(fault);
}
void MemoryStore::partition() {
  handle_->partitioned = true;
  handle_->changed.notify();
}
void MemoryStore::heal() {
  handle_->partitioned = false;
  handle_->changed.notify();
}
void MemoryStore::freeze() { handle_->frozen = true; }
void MemoryStore::thaw() {
  handle_->frozen = false;
  handle_->changed.notify();
}
void MemoryStore::sever() {
  handle_->severed = true;
  handle_->changed.notify();
}
void MemoryStore::break_watches() {
  ++handle_->watch_generation;
  handle_->changed.notify();
}

namespace {
Error outcome_unknown(const std::string& host) {
  return Error(Reason::store_outcome_unknown, "no answer to a commit from " + host)
      .remedy("send the same commit again, with the same nonce");
}
}  // namespace

std::optional<CommitFault> MemoryStore::draw_commit_fault(const Commit& commit) {
  if (!handle_->next_commit_faults.empty()) {
    const CommitFault fault = handle_->next_commit_faults.front();
    handle_->next_commit_faults.pop_front();
    return fault;
  }
  const StoreFaults& faults = handle_->faults;
  if (handle_->chance(faults.unknown_applied)) return CommitFault::unknown_applied;
  if (handle_->chance(faults.unknown_lost)) return CommitFault::unknown_lost;
  if (handle_->chance(faults.unknown_late)) return CommitFault::unknown_late;
  if (!commit.compares.empty() && handle_->chance(faults.conflict)) return CommitFault::conflict;
  return std::nullopt;
}

// The commit is at the store. Throws when the host was severed by a hook.
CommitResult MemoryStore::arrive(const Commit& commit) {
  const CommitEvent event{++state_->commits_, *this, commit};
  if (state_->before_commit) state_->before_commit(event);
  if (handle_->severed) throw outcome_unknown(handle_->host_name);
  auto result = state_->apply(commit);
  if (state_->after_commit) state_->after_commit(event);
  if (handle_->severed) throw outcome_unknown(handle_->host_name);
  return result;
}

// A copy of the commit that is still somewhere in the network when its sender has given up.
void MemoryStore::arrive_late(Commit commit) {
  const auto delay = std::chrono::microseconds(
      handle_->random == nullptr
          ? static_cast<std::uint64_t>(handle_->faults.late.count())
          : handle_->random->below(static_cast<std::uint64_t>(handle_->faults.late.count()) + 1));
  auto arrive = [weak = std::weak_ptr(state_), handle = handle_, commit = std::move(commit)] {
    const auto state = weak.lock();
    if (!state || handle->severed) return;
    try {
      state->apply(commit);
    } catch (const Error&) {
      // Nobody listens any more; a lease that has ended meanwhile refuses the commit.
    }
  };
  state_->clock_.arm(state_->clock_.now() + delay, std::move(arrive));
}

Async<CommitResult> MemoryStore::commit(Commit commit) {
  ports::check_limits(commit);
  const auto fault = draw_commit_fault(commit);
  if (fault == CommitFault::unavailable) {
    throw Error(Reason::store_unavailable, "the store did not answer");
  }
  co_await handle_->send();
  if (fault == CommitFault::unknown_late) arrive_late(commit);
  if (fault == CommitFault::unknown_late || fault == CommitFault::unknown_lost ||
      handle_->severed || handle_->partitioned) {
    throw outcome_unknown(handle_->host_name);
  }
  CommitResult result;
  if (fault == CommitFault::conflict && !commit.compares.empty()) {
    result = state_->make_up_conflict(commit);
  } else {
    result = arrive(commit);
  }
  co_await handle_->travel();
  if (fault == CommitFault::unknown_applied || handle_->severed || handle_->partitioned) {
    throw outcome_unknown(handle_->host_name);
  }
  co_return result;
}

Async<std::optional<Revision>> MemoryStore::settled(std::string nonce) {
  co_await handle_->send();
  handle_->check_reachable();
  const auto result = state_->settled(nonce);
  co_await handle_->receive();
  co_return result;
}

Async<std::optional<Entry>> MemoryStore::get(std::string key) {
  co_await handle_->send();
  handle_->check_reachable();
  std::optional<Entry> result;
  if (const auto found = state_->current_.find(key); found != state_->current_.end()) {
    result = found->second;
  }
  co_await handle_->receive();
  co_return result;
}

Async<ListPage> MemoryStore::list(ListRequest request) {
  ports::check_limits(request);
  co_await handle_->send();
  handle_->check_reachable();
  if (request.at != Revision{} && handle_->chance(handle_->faults.compacted)) {
    throw Error(Reason::history_compacted, fmt::format("revision {} is gone", request.at.number))
        .remedy("list again from the start");
  }
  ListPage page = state_->list(request);
  co_await handle_->receive();
  co_return page;
}

std::unique_ptr<Watch> MemoryStore::watch(std::string prefix, Revision from) {
  ports::check_watch_start(from);
  return std::make_unique<MemoryWatch>(state_, handle_, std::move(prefix), from);
}

Async<LeaseId> MemoryStore::grant(Duration ttl) {
  ports::check_lease_ttl(ttl);
  co_await handle_->send();
  handle_->check_reachable();
  const LeaseId lease = state_->grant(ttl);
  co_await handle_->receive();
  co_return lease;
}

Async<LeaseStatus> MemoryStore::keep_alive(LeaseId lease) {
  co_await handle_->send();
  handle_->check_reachable();
  if (!state_->keep_alive(lease)) {
    throw Error(Reason::no_such_object, fmt::format("lease {} has ended", lease.number));
  }
  const LeaseStatus status{state_->leases_.at(lease).ttl};
  co_await handle_->receive();
  co_return status;
}

Async<void> MemoryStore::revoke(LeaseId lease) {
  co_await handle_->send();
  handle_->check_reachable();
  state_->end_lease(lease);
  co_await handle_->receive();
}

}  // namespace ruche::sim
