#include "ports/audit.hpp"

#include <fmt/format.h>

#include "base/json.hpp"
#include "base/sha256.hpp"

namespace ruche::ports {

std::string audit_hash(std::string_view before, std::int64_t sequence, std::string_view json) {
  // Hash and number have no line feed, so the parts cannot run into each other.
  const auto text = fmt::format("ruche-audit-1\n{}\n{}\n{}", before, sequence, json);
  Sha256 sum;
  sum.add(std::span(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()));
  return sum.hex();
}

model::AuditRecord prune_record(AuditMark pruned_to) {
  model::AuditRecord record;
  record.user = "ruche";
  record.method = kPruneMethod;
  const model::AuditHead head{pruned_to.sequence, std::move(pruned_to.hash)};
  record.origin.request.text = json::encode(head);
  return record;
}

namespace {

bool confirms(const AuditItem& item, const AuditMark& begin) {
  if (item.json.find(kPruneMethod) == item.json.npos) return false;
  constexpr json::DecodeOptions kNewer{.unknown_fields = json::UnknownFields::ignore};
  const auto record = json::try_decode<model::AuditRecord>(item.json, kNewer);
  if (!record || record->method != kPruneMethod) return false;
  const auto head = json::try_decode<model::AuditHead>(record->origin.request.text, kNewer);
  return head && AuditMark{head->sequence, head->hash} == begin;
}

}  // namespace

AuditChecker::AuditChecker(AuditMark begin, AuditMark known)
    : known_(std::move(known)),
      known_seen_(known_.sequence < begin.sequence || known_ == begin),
      begin_confirmed_(begin.sequence == 0 && begin.hash.empty()) {
  verdict_.begin = begin;
  verdict_.end = std::move(begin);
}

void AuditChecker::fault(std::string problem) {
  if (verdict_.problem.empty()) verdict_.problem = std::move(problem);
}

void AuditChecker::add(const AuditEntry& entry) {
  const auto expected = verdict_.end.sequence + 1;
  if (entry.sequence != expected) {
    fault(fmt::format("record {} is missing: after {} comes {}", expected, expected - 1,
                      entry.sequence));
  }
  if (audit_hash(verdict_.end.hash, entry.sequence, entry.item.json) != entry.hash) {
    fault(fmt::format("record {} is not what was written", entry.sequence));
  }
  if (entry.sequence == known_.sequence) {
    known_seen_ = true;
    if (entry.hash != known_.hash) {
      fault(fmt::format("record {} is not the one that the state store remembers", entry.sequence));
    }
  }
  begin_confirmed_ = begin_confirmed_ || confirms(entry.item, verdict_.begin);
  verdict_.end = {entry.sequence, entry.hash};
  ++verdict_.records;
}

AuditVerdict AuditChecker::finish() {
  if (!begin_confirmed_) {
    fault(fmt::format("the records up to {} were removed, and no record tells of it",
                      verdict_.begin.sequence));
  }
  if (!known_seen_) {
    fault(fmt::format("the log ends at record {}, the state store remembers record {}",
                      verdict_.end.sequence, known_.sequence));
  }
  return std::move(verdict_);
}

}  // namespace ruche::ports
