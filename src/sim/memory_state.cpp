#include <fmt/format.h>

#include "sim/memory_handle.hpp"

namespace ruche::sim {

using ports::Batch;
using ports::Change;
using ports::Commit;
using ports::CommitResult;
using ports::Committed;
using ports::Conflict;
using ports::Delete;
using ports::Entry;
using ports::LeaseId;
using ports::ListPage;
using ports::ListRequest;
using ports::Put;
using ports::Revision;

std::shared_ptr<MemoryStoreState> MemoryStoreState::make(Clock& clock, std::string store_id) {
  return std::shared_ptr<MemoryStoreState>(new MemoryStoreState(clock, std::move(store_id)));
}

MemoryStoreState::MemoryStoreState(Clock& clock, std::string store_id)
    : clock_(clock), store_id_(std::move(store_id)) {}

MemoryStoreState::~MemoryStoreState() {
  for (const auto& [id, lease] : leases_) clock_.disarm(lease.timer);
}

std::unique_ptr<MemoryStore> MemoryStoreState::open(std::string host_name) {
  return std::make_unique<MemoryStore>(shared_from_this(), std::move(host_name));
}

CommitResult MemoryStoreState::apply(const Commit& commit) {
  if (const auto before = nonces_.find(commit.nonce); before != nonces_.end()) {
    if (before->second.revision) return Committed{*before->second.revision};
    return Conflict{commit.compares.at(0).key};
  }
  for (const auto& compare : commit.compares) {
    const auto found = current_.find(compare.key);
    const Revision actual = found == current_.end() ? Revision{} : found->second.revision;
    if (actual == compare.revision) continue;
    // A copy of it that is still on its way must not happen after this answer.
    decide(commit.nonce, std::nullopt);
    return Conflict{compare.key};
  }
  const Revision next{revision_.number + 1};
  std::map<std::string, std::optional<Entry>> effects;
  for (const auto& write : commit.writes) {
    if (const auto* put = std::get_if<Put>(&write)) {
      if (put->lease != LeaseId{} && !leases_.contains(put->lease)) {
        throw Error(Reason::no_such_object, fmt::format("lease {} has ended", put->lease.number));
      }
      effects[put->key] = Entry{put->key, put->value, next, put->lease};
    } else if (const auto& key = std::get<Delete>(write).key; current_.contains(key)) {
      effects[key] = std::nullopt;
    }
  }
  const Revision revision = effects.empty() ? revision_ : next;
  decide(commit.nonce, revision);
  if (!effects.empty()) {
    LoggedRevision logged{next, clock_.now(), {}};
    for (auto& [key, after] : effects) set_entry(logged, key, std::move(after));
    publish(std::move(logged));
  }
  return Committed{revision};
}

// A conflict that is none, but as final as a real one.
CommitResult MemoryStoreState::make_up_conflict(const Commit& commit) {
  if (!nonces_.contains(commit.nonce)) decide(commit.nonce, std::nullopt);
  return apply(commit);
}

void MemoryStoreState::decide(const std::string& nonce, std::optional<Revision> revision) {
  nonces_[nonce] = Nonce{revision, clock_.now()};
  nonces_by_age_.push_back(nonce);
}

std::optional<Revision> MemoryStoreState::settled(const std::string& nonce) const {
  const auto found = nonces_.find(nonce);
  if (found == nonces_.end()) return std::nullopt;
  return found->second.revision;
}

// The one place that changes current_, so that the log and the leases always agree with it.
void MemoryStoreState::set_entry(LoggedRevision& logged, const std::string& key,
                                 std::optional<Entry> after) {
  std::optional<Entry> before;
  if (const auto found = current_.find(key); found != current_.end()) {
    before = std::move(found->second);
    current_.erase(found);
    if (const auto lease = leases_.find(before->lease); lease != leases_.end()) {
      lease->second.keys.erase(key);
    }
  }
  if (after) {
    current_.emplace(key, *after);
    if (after->lease != LeaseId{}) leases_.at(after->lease).keys.insert(key);
  }
  logged.changes.push_back({key, std::move(before), std::move(after)});
}

void MemoryStoreState::publish(LoggedRevision logged) {
  revision_ = logged.revision;
  log_.push_back(std::move(logged));
  forget_old();
  wake_handles();
}

void MemoryStoreState::forget_old() {
  const Instant now = clock_.now();
  while (log_.front().at + ports::kHistoryRetention < now) {
    compacted_ = log_.front().revision;
    log_.pop_front();
  }
  while (!nonces_by_age_.empty() &&
         nonces_.at(nonces_by_age_.front()).at + ports::kHistoryRetention < now) {
    nonces_.erase(nonces_by_age_.front());
    nonces_by_age_.pop_front();
  }
}

void MemoryStoreState::compact(Revision revision) {
  while (!log_.empty() && log_.front().revision <= revision) {
    compacted_ = log_.front().revision;
    log_.pop_front();
  }
  wake_handles();
}

std::map<std::string, Entry> MemoryStoreState::snapshot(Revision at) const {
  auto entries = current_;
  for (auto logged = log_.rbegin(); logged != log_.rend() && logged->revision > at; ++logged) {
    for (const auto& change : logged->changes) {
      entries.erase(change.key);
      if (change.before) entries.emplace(change.key, *change.before);
    }
  }
  return entries;
}

ListPage MemoryStoreState::list(const ListRequest& request) const {
  const Revision at = request.at == Revision{} ? revision_ : request.at;
  if (at > revision_) {
    throw Error(Reason::bad_request, fmt::format("revision {} is in the future", at.number));
  }
  if (at < compacted_) {
    throw Error(Reason::history_compacted, fmt::format("revision {} is gone", at.number))
        .remedy("list again from the start");
  }
  std::optional<std::map<std::string, Entry>> past;
  if (at != revision_) past = snapshot(at);
  const auto& entries = past ? *past : current_;

  ListPage page{{}, at, false};
  std::size_t bytes = 0;
  auto entry = request.after < request.prefix ? entries.lower_bound(request.prefix)
                                              : entries.upper_bound(request.after);
  for (; entry != entries.end() && entry->first.starts_with(request.prefix); ++entry) {
    if (page.entries.size() == request.limit || bytes >= ports::kMaxPageBytes) {
      page.more = true;
      break;
    }
    bytes += entry->second.value.size();
    page.entries.push_back(entry->second);
  }
  return page;
}

std::optional<Batch> MemoryStoreState::next_batch(const std::string& prefix, Revision& from) const {
  const auto first = std::lower_bound(
      log_.begin(), log_.end(), from,
      [](const LoggedRevision& logged, Revision wanted) { return logged.revision < wanted; });
  for (auto logged = first; logged != log_.end(); ++logged) {
    from = Revision{logged->revision.number + 1};
    Batch batch{logged->revision, {}};
    for (const auto& change : logged->changes) {
      if (!change.key.starts_with(prefix)) continue;
      if (change.after) {
        batch.changes.push_back(Change{change.key, change.after->value, change.after->lease});
      } else {
        batch.changes.push_back(Change{change.key, std::nullopt, {}});
      }
    }
    if (!batch.changes.empty()) return batch;
  }
  return std::nullopt;
}

LeaseId MemoryStoreState::grant(Duration ttl) {
  const LeaseId id{++last_lease_};
  leases_[id].ttl = ttl;
  keep_alive(id);
  return id;
}

bool MemoryStoreState::keep_alive(LeaseId id) {
  const auto lease = leases_.find(id);
  if (lease == leases_.end()) return false;
  clock_.disarm(lease->second.timer);
  lease->second.timer = clock_.arm(clock_.now() + lease->second.ttl, [this, id] { end_lease(id); });
  return true;
}

void MemoryStoreState::end_lease(LeaseId id) {
  const auto lease = leases_.find(id);
  if (lease == leases_.end()) return;
  clock_.disarm(lease->second.timer);
  const auto keys = std::move(lease->second.keys);
  leases_.erase(lease);
  if (keys.empty()) return;
  LoggedRevision logged{Revision{revision_.number + 1}, clock_.now(), {}};
  for (const auto& key : keys) set_entry(logged, key, std::nullopt);
  publish(std::move(logged));
}

void MemoryStoreState::restart() {
  for (const auto& [id, lease] : leases_) keep_alive(id);
  for (const auto& weak : handles_) {
    if (const auto handle = weak.lock()) ++handle->watch_generation;
  }
  wake_handles();
}

void MemoryStoreState::wake_handles() {
  std::erase_if(handles_, [](const auto& weak) { return weak.expired(); });
  for (const auto& weak : handles_) {
    if (const auto handle = weak.lock()) handle->changed.notify();
  }
}

}  // namespace ruche::sim
