#include "sim/fake_audit.hpp"

#include <algorithm>

#include "base/error.hpp"

namespace ruche::sim {

ports::AuditMark FakeAudit::end() const {
  if (entries_.empty()) return begin_;
  return {entries_.back().sequence, entries_.back().hash};
}

void FakeAudit::add(ports::AuditItem item) {
  const bool known =
      std::ranges::any_of(entries_, [&](const auto& entry) { return entry.item.id == item.id; });
  if (known) return;
  const auto before = end();
  const auto sequence = before.sequence + 1;
  auto hash = ports::audit_hash(before.hash, sequence, item.json);
  entries_.push_back({sequence, std::move(hash), std::move(item)});
}

Async<ports::AuditMark> FakeAudit::append(std::vector<ports::AuditItem> items) {
  if (before_append && !before_append()) throw Error(Reason::io_failed, "the daemon is dead");
  if (full) throw Error(Reason::io_failed, "no space left on device");
  for (auto& item : items) add(std::move(item));
  const auto mark = end();
  if (after_append) after_append();
  co_return mark;
}

Async<std::vector<ports::AuditEntry>> FakeAudit::query(ports::AuditQuery query) {
  std::vector<ports::AuditEntry> found;
  for (auto entry = entries_.rbegin(); entry != entries_.rend(); ++entry) {
    if (query.before != 0 && entry->sequence >= query.before) continue;
    if (!query.object_id.empty() && entry->item.object_id != query.object_id) continue;
    if (found.size() >= query.limit) break;
    found.push_back(*entry);
  }
  co_return found;
}

Async<ports::AuditVerdict> FakeAudit::verify(ports::AuditMark known) {
  ports::AuditChecker checker(begin_, std::move(known));
  for (const auto& entry : entries_) checker.add(entry);
  co_return checker.finish();
}

Async<std::size_t> FakeAudit::prune(Timestamp oldest, PruneNote note) {
  std::size_t gone = 0;
  while (gone + 1 < entries_.size() && entries_[gone].item.time < oldest) ++gone;
  if (gone == 0) co_return 0;
  begin_ = {entries_[gone - 1].sequence, entries_[gone - 1].hash};
  add(note(begin_));
  entries_.erase(entries_.begin(), entries_.begin() + static_cast<std::ptrdiff_t>(gone));
  co_return gone;
}

}  // namespace ruche::sim
