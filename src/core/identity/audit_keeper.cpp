#include "core/identity/audit_keeper.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace ruche::core {

namespace {

constexpr std::size_t kMostAtOnce = 80;
constexpr Duration kGather{1500};  // so that a change and the end of its task go together
constexpr Duration kFirstPause{1000};
constexpr Duration kLongestPause{30'000};
constexpr Duration kPruneInterval = std::chrono::hours(1);
constexpr std::int64_t kKeepMs = 400LL * 24 * 3600 * 1000;

ports::AuditItem item_of(const model::AuditRecord& record) {
  return {record.id, record.at, record.object ? to_text(record.object->id) : std::string(),
          json::encode(record)};
}

}  // namespace

AuditKeeper::AuditKeeper(Parts parts)
    : parts_(parts), counted_(parts.writer.clock().now()), next_prune_(counted_) {}

std::size_t AuditKeeper::waiting() const { return parts_.writer.inventory().audits().size(); }

void AuditKeeper::check_room(bool urgent) const {
  if (waiting() < (urgent ? kMostWaitingForUrgent : kMostWaiting)) return;
  throw Error(Reason::audit_unavailable,
              "changes cannot be recorded: the audit log could not be written for a while")
      .remedy("make room on the disk of the daemon's data directory");
}

void AuditKeeper::refused(model::AuditRecord record) {
  auto& clock = parts_.writer.clock();
  const auto now = clock.now();
  const double seconds = std::chrono::duration<double>(now - counted_).count();
  counted_ = now;
  allowance_ = std::min(kRefusalBurst, allowance_ + seconds * kRefusalsPerSecond);
  if (allowance_ < 1 || refusals_.size() >= kMostAtOnce) {
    ++unrecorded_;
    return;
  }
  allowance_ -= 1;
  record.id = make_uuid7(clock.wall(), parts_.writer.random());
  record.at = clock.wall();
  record.outcome = model::AuditOutcome::refused;
  record.unrecorded = std::exchange(unrecorded_, 0);
  refusals_.push_back(std::move(record));
}

Async<void> AuditKeeper::tell(model::AuditRecord record) {
  co_await parts_.writer.transact([&](Draft& draft) {
    record.id = make_uuid7(draft.now(), draft.random());
    record.at = draft.now();
    draft.create(keys::audit(parts_.self, record.id), record);
  });
}

Async<void> AuditKeeper::run() {
  auto& inventory = parts_.writer.inventory();
  auto& clock = parts_.writer.clock();
  co_await inventory.ready();
  Duration pause = kFirstPause;
  while (true) {
    std::optional<Error> failure;
    bool more = false;
    try {
      more = co_await move_some();
      if (clock.now() >= next_prune_) co_await prune();
    } catch (const Error& error) {
      failure = error;
    }
    if (failure) {
      if (!std::exchange(failing_, true)) {
        parts_.messages.warning("core", "audit records wait in the state store",
                                {{"why", failure->full_message()}});
      }
      co_await sleep_for(clock, pause);
      pause = std::min(pause * 2, kLongestPause);
      continue;
    }
    failing_ = false;
    pause = kFirstPause;
    while (!more && !has_work()) co_await sleep_for(clock, kGather);
    if (!more) co_await sleep_for(clock, kGather);
  }
}

bool AuditKeeper::has_work() const {
  return waiting() > 0 || !refusals_.empty() || parts_.writer.clock().now() >= next_prune_;
}

// One at a time: refusals are taken out of the queue only when they are written.
class AuditKeeper::Turn {
 public:
  explicit Turn(AuditKeeper& keeper) : keeper_(keeper) { keeper_.moving_ = true; }
  ~Turn() {
    keeper_.moving_ = false;
    keeper_.moved_.notify();
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  AuditKeeper& keeper_;
};

// Appends first, forgets then: a daemon that dies between the two appends again, which the log
// notices by the id.
Async<bool> AuditKeeper::move_some() {
  while (moving_) co_await moved_.wait();
  const Turn turn(*this);
  const auto prefix = "audit/" + to_text(parts_.self) + "/";
  std::vector<std::string> moved;
  std::vector<ports::AuditItem> items;
  const auto& audits = parts_.writer.inventory().audits();
  for (auto it = audits.lower_bound(prefix); it != audits.end(); ++it) {
    if (!it->first.starts_with(prefix) || items.size() >= kMostAtOnce) break;
    items.push_back(item_of(it->second->value));
    moved.push_back(it->first);
  }
  const auto refusals = refusals_.size();
  for (const auto& record : refusals_) items.push_back(item_of(record));
  if (items.empty()) co_return false;
  const auto end = co_await parts_.log.append(std::move(items));
  refusals_.erase(refusals_.begin(), refusals_.begin() + static_cast<std::ptrdiff_t>(refusals));
  co_await parts_.writer.insist([&](Draft& draft) {
    for (const auto& key : moved) draft.erase(key);
    draft.replace(keys::audit_head(parts_.self), model::AuditHead{end.sequence, end.hash});
  });
  co_return moved.size() >= kMostAtOnce;
}

Async<void> AuditKeeper::prune() {
  auto& clock = parts_.writer.clock();
  next_prune_ = clock.now() + kPruneInterval;
  const auto id = make_uuid7(clock.wall(), parts_.writer.random());
  const auto now = clock.wall();
  co_await parts_.log.prune({now.unix_ms - kKeepMs}, [id, now](ports::AuditMark pruned_to) {
    auto record = ports::prune_record(std::move(pruned_to));
    record.id = id;
    record.at = now;
    return item_of(record);
  });
}

Async<std::vector<ports::AuditEntry>> AuditKeeper::query(ports::AuditQuery query) {
  // Whoever asks sees what was acknowledged before, unless it cannot be written now.
  try {
    while (co_await move_some()) {
    }
  } catch (const Error& error) {
    parts_.messages.debug("core", "not all audit records are there yet",
                          {{"why", error.full_message()}});
  }
  co_return co_await parts_.log.query(std::move(query));
}

Async<ports::AuditVerdict> AuditKeeper::verify() {
  const auto& heads = parts_.writer.inventory().audit_heads();
  const auto head = heads.find(parts_.self.value);
  ports::AuditMark known;
  if (head != heads.end()) known = {head->second->value.sequence, head->second->value.hash};
  co_return co_await parts_.log.verify(std::move(known));
}

}  // namespace ruche::core
