// An audit log in memory that keeps the port's contract, and fails when it is told to.
#pragma once

#include <functional>
#include <vector>

#include "ports/audit.hpp"

namespace ruche::sim {

class FakeAudit : public ports::AuditLog {
 public:
  Async<ports::AuditMark> append(std::vector<ports::AuditItem> items) override;
  Async<std::vector<ports::AuditEntry>> query(ports::AuditQuery query) override;
  Async<ports::AuditVerdict> verify(ports::AuditMark known) override;
  Async<std::size_t> prune(Timestamp oldest, PruneNote note) override;

  std::vector<ports::AuditEntry>& entries() { return entries_; }  // also for tampering
  bool full = false;  // the disk has no room
  // Around an append; false from the first: the daemon is dead, nothing happens.
  std::function<bool()> before_append;
  std::function<void()> after_append;

 private:
  void add(ports::AuditItem item);
  ports::AuditMark end() const;

  std::vector<ports::AuditEntry> entries_;
  ports::AuditMark begin_;
};

}  // namespace ruche::sim
