// The audit log's tables in the history's file. Used by the history's thread.
#pragma once

#include <vector>

#include "drivers/sqlite/connection.hpp"
#include "ports/audit.hpp"

namespace ruche::drivers::sqlite {

class AuditTable {
 public:
  explicit AuditTable(Connection& connection) : connection_(connection) {}

  static const char* schema();
  ports::AuditMark append(const std::vector<ports::AuditItem>& items);
  std::vector<ports::AuditEntry> query(const ports::AuditQuery& query);
  ports::AuditVerdict verify(ports::AuditMark known);
  std::size_t prune(Timestamp oldest, const ports::AuditLog::PruneNote& note);

 private:
  class Durable;
  ports::AuditMark begin();
  ports::AuditMark end();
  ports::AuditMark add(const ports::AuditMark& after, const ports::AuditItem& item);

  Connection& connection_;
};

}  // namespace ruche::drivers::sqlite
