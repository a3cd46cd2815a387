#include "drivers/sqlite/sqlite_store.hpp"

#include <fmt/format.h>

#include <deque>
#include <map>

#include "base/ids.hpp"
#include "base/random.hpp"
#include "drivers/sqlite/store_file.hpp"

namespace ruche::drivers::sqlite {

using ports::Batch;
using ports::Change;
using ports::Commit;
using ports::CommitResult;
using ports::Compacted;
using ports::Entry;
using ports::LeaseId;
using ports::LeaseStatus;
using ports::ListPage;
using ports::ListRequest;
using ports::Revision;
using ports::Watch;

namespace {

constexpr std::size_t kRecentBytes = 4 << 20;
constexpr Duration kRetryLeaseEnd{1'000};

// What lives on the loop: the newest batches for the watches, and the leases' timers. The file is
// touched by the lane's thread only.
class Core : public std::enable_shared_from_this<Core> {
 public:
  Core(std::string path, Executor executor, Clock& clock, Log& log, StoreOptions options)
      : executor_(std::move(executor)),
        clock_(clock),
        log_(log),
        file_(std::move(path), std::move(options.commit_hook)),
        lane_("store") {}
  ~Core() {
    for (const auto& [id, lease] : leases_) clock_.disarm(lease.timer);
    for (const auto& [id, timer] : retries_) clock_.disarm(timer);
  }

  Async<void> open();
  // Runs work(file) on the lane, publishes what became visible, then answers. A caller that is
  // cancelled stops waiting; the work happens nevertheless.
  template <class F>
  auto on_lane(F work) -> Async<std::invoke_result_t<F&, StoreFile&>>;
  Async<LeaseId> grant(Duration ttl);
  LeaseStatus keep_alive(LeaseId lease);
  Async<void> revoke(LeaseId lease);

  const std::string& store_id() const { return store_id_; }
  Instant now() const { return clock_.now(); }
  Revision published() const { return published_; }
  Revision compacted() const { return compacted_; }
  // The batch of a published revision, or null when it is no longer in memory.
  const Batch* recent(Revision revision) const;
  Signal changed;

 private:
  struct Lease {
    Duration ttl{0};
    Clock::TimerId timer = 0;
  };
  template <class F>
  void post(F work, std::function<void()> then);
  void publish(std::vector<Batch> fresh, Revision compacted);
  void arm(LeaseId lease, Duration after);
  void end_lease(LeaseId lease);

  Executor executor_;
  Clock& clock_;
  Log& log_;
  std::string store_id_;
  Revision published_;
  Revision compacted_;
  std::deque<Batch> recent_;  // without a gap up to published_
  std::size_t recent_bytes_ = 0;
  std::map<LeaseId, Lease> leases_;
  std::map<LeaseId, Clock::TimerId> retries_;  // of ends that could not be written
  StoreFile file_;
  Lane lane_;  // the last: its end finishes the queued work while the rest still stands
};

// Work is queued in the order of these calls and its results are published in the same order.
template <class F>
void Core::post(F work, std::function<void()> then) {
  struct Visible {
    std::vector<Batch> fresh;
    Revision compacted;
  };
  auto visible = std::make_shared<Visible>();
  lane_.post(
      [this, visible, work = std::move(work)]() mutable {
        work(file_);
        visible->fresh = file_.take_fresh();
        visible->compacted = file_.compacted();
      },
      executor_,
      [weak = weak_from_this(), visible, then = std::move(then)] {
        const auto self = weak.lock();
        if (!self) return;
        self->publish(std::move(visible->fresh), visible->compacted);
        then();
      });
}

template <class F>
auto Core::on_lane(F work) -> Async<std::invoke_result_t<F&, StoreFile&>> {
  using Result = std::invoke_result_t<F&, StoreFile&>;
  struct Slot {
    std::optional<Result> result;
    std::exception_ptr failure;
    bool done = false;
    Signal ended;
  };
  auto slot = std::make_shared<Slot>();
  post(
      [slot, work = std::move(work)](StoreFile& file) mutable {
        try {
          slot->result.emplace(work(file));
        } catch (const std::exception&) {
          slot->failure = std::current_exception();
        }
      },
      [slot] {
        slot->done = true;
        slot->ended.notify();
      });
  while (!slot->done) co_await slot->ended.wait();
  if (slot->failure) std::rethrow_exception(slot->failure);
  co_return std::move(*slot->result);
}

Async<void> Core::open() {
  struct Opened {
    std::string store_id;
    Revision revision;
    std::vector<StoredLease> leases;
  };
  const auto random = system_random();
  const std::string new_id = to_text(make_uuid7(clock_.wall(), *random));
  const Opened opened = co_await on_lane([now = clock_.now(), new_id](StoreFile& file) {
    file.open(now, new_id);
    return Opened{file.store_id(), file.revision(), file.leases()};
  });
  store_id_ = opened.store_id;
  published_ = opened.revision;
  for (const auto& lease : opened.leases) {
    leases_[lease.id].ttl = lease.ttl;
    arm(lease.id, lease.ttl);
  }
}

void Core::publish(std::vector<Batch> fresh, Revision compacted) {
  if (fresh.empty() && compacted == compacted_) return;
  compacted_ = compacted;
  const auto weight = [](const Batch& batch) {
    std::size_t bytes = sizeof(Batch);
    for (const auto& change : batch.changes) {
      bytes += sizeof(Change) + change.key.size() + (change.value ? change.value->size() : 0);
    }
    return bytes;
  };
  for (auto& batch : fresh) {
    published_ = batch.revision;
    recent_bytes_ += weight(batch);
    recent_.push_back(std::move(batch));
  }
  while (recent_bytes_ > kRecentBytes) {
    recent_bytes_ -= weight(recent_.front());
    recent_.pop_front();
  }
  changed.notify();
}

const Batch* Core::recent(Revision revision) const {
  if (recent_.empty() || revision < recent_.front().revision) return nullptr;
  const auto index = revision.number - recent_.front().revision.number;
  return &recent_.at(static_cast<std::size_t>(index));
}

Async<LeaseId> Core::grant(Duration ttl) {
  // Registered by the lane's answer and not by this coroutine, which may be cancelled meanwhile.
  struct Slot {
    LeaseId id;
    std::exception_ptr failure;
    bool done = false;
    Signal ended;
  };
  auto slot = std::make_shared<Slot>();
  post(
      [slot, ttl](StoreFile& file) {
        try {
          slot->id = file.grant(ttl);
        } catch (const std::exception&) {
          slot->failure = std::current_exception();
        }
      },
      [this, slot, ttl] {  // post() holds the core while this runs
        if (slot->id != LeaseId{}) {
          leases_[slot->id].ttl = ttl;
          arm(slot->id, ttl);
        }
        slot->done = true;
        slot->ended.notify();
      });
  while (!slot->done) co_await slot->ended.wait();
  if (slot->failure) std::rethrow_exception(slot->failure);
  co_return slot->id;
}

LeaseStatus Core::keep_alive(LeaseId lease) {
  const auto found = leases_.find(lease);
  if (found == leases_.end()) {
    throw Error(Reason::no_such_object, fmt::format("lease {} has ended", lease.number));
  }
  clock_.disarm(found->second.timer);
  arm(lease, found->second.ttl);
  return {found->second.ttl};
}

void Core::arm(LeaseId lease, Duration after) {
  leases_.at(lease).timer = clock_.arm(clock_.now() + after, [this, lease] { end_lease(lease); });
}

// From here on the lease has ended for everyone, even if its keys are still there for a moment: a
// commit that names it is queued behind this.
void Core::end_lease(LeaseId lease) {
  leases_.erase(lease);
  auto failed = std::make_shared<std::string>();
  post(
      [failed, lease, now = clock_.now()](StoreFile& file) {
        try {
          file.end_lease(lease, now);
        } catch (const Error& error) {
          *failed = error.full_message();
        }
      },
      [this, failed, lease] {
        if (failed->empty()) return;
        log_.warning("sqlite", "the end of a lease could not be written; trying again",
                     {{"lease", std::to_string(lease.number)}, {"cause", *failed}});
        retries_[lease] = clock_.arm(clock_.now() + kRetryLeaseEnd, [this, lease] {
          retries_.erase(lease);
          end_lease(lease);
        });
      });
}

Async<void> Core::revoke(LeaseId lease) {
  if (const auto found = leases_.find(lease); found != leases_.end()) {
    clock_.disarm(found->second.timer);
    leases_.erase(found);
  }
  co_await on_lane([lease, now = clock_.now()](StoreFile& file) {
    file.end_lease(lease, now);
    return true;
  });
}

class SqliteWatch : public Watch {
 public:
  SqliteWatch(std::shared_ptr<Core> core, std::string prefix, Revision from)
      : core_(std::move(core)), prefix_(std::move(prefix)), from_(from) {}

  Async<std::variant<Batch, Compacted>> next() override {
    while (true) {
      if (!ready_.empty()) {
        Batch batch = std::move(ready_.front());
        ready_.pop_front();
        co_return batch;
      }
      if (from_ <= core_->compacted()) co_return Compacted{{core_->compacted().number + 1}};
      if (from_ > core_->published()) {
        co_await core_->changed.wait();
      } else if (const Batch* recent = core_->recent(from_)) {
        from_ = {from_.number + 1};
        Batch batch{recent->revision, {}};
        for (const auto& change : recent->changes) {
          if (change.key.starts_with(prefix_)) batch.changes.push_back(change);
        }
        if (!batch.changes.empty()) co_return batch;
      } else {
        co_await read_history();
      }
    }
  }

 private:
  // What is no longer in memory comes from the file, a piece at a time.
  Async<void> read_history() {
    StoreFile::History found = co_await core_->on_lane(
        [prefix = prefix_, from = from_](StoreFile& file) { return file.history(prefix, from); });
    if (from_ <= core_->compacted()) co_return;  // some of it went before it was read
    from_ = found.next;
    for (auto& batch : found.batches) ready_.push_back(std::move(batch));
  }

  std::shared_ptr<Core> core_;
  std::string prefix_;
  Revision from_;
  std::deque<Batch> ready_;
};

class SqliteStore : public ports::StateStore {
 public:
  explicit SqliteStore(std::shared_ptr<Core> core) : core_(std::move(core)) {}

  const std::string& store_id() const override { return core_->store_id(); }

  Async<CommitResult> commit(Commit commit) override {
    ports::check_limits(commit);
    co_return co_await core_->on_lane([commit = std::move(commit), now = core_->now()](
                                          StoreFile& file) { return file.commit(commit, now); });
  }
  Async<std::optional<Revision>> settled(std::string nonce) override {
    co_return co_await core_->on_lane(
        [nonce = std::move(nonce)](StoreFile& file) { return file.settled(nonce); });
  }
  Async<std::optional<Entry>> get(std::string key) override {
    co_return co_await core_->on_lane(
        [key = std::move(key)](StoreFile& file) { return file.get(key); });
  }
  Async<ListPage> list(ListRequest request) override {
    ports::check_limits(request);
    co_return co_await core_->on_lane(
        [request = std::move(request)](StoreFile& file) { return file.list(request); });
  }
  std::unique_ptr<Watch> watch(std::string prefix, Revision from) override {
    ports::check_watch_start(from);
    return std::make_unique<SqliteWatch>(core_, std::move(prefix), from);
  }
  Async<LeaseId> grant(Duration ttl) override {
    ports::check_lease_ttl(ttl);
    co_return co_await core_->grant(ttl);
  }
  Async<LeaseStatus> keep_alive(LeaseId lease) override { co_return core_->keep_alive(lease); }
  Async<void> revoke(LeaseId lease) override { co_await core_->revoke(lease); }

 private:
  std::shared_ptr<Core> core_;
};

}  // namespace

Async<std::unique_ptr<ports::StateStore>> open_store(std::string path, Executor executor,
                                                     Clock& clock, Log& log, StoreOptions options) {
  auto core =
      std::make_shared<Core>(std::move(path), std::move(executor), clock, log, std::move(options));
  co_await core->open();
  co_return std::make_unique<SqliteStore>(std::move(core));
}

}  // namespace ruche::drivers::sqlite
