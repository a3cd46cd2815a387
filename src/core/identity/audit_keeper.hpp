// Moves audit records from the state store, where each rode in the commit of its change, into this
// host's audit log; and writes those that belong to no commit: refusals.
#pragma once

#include <deque>

#include "base/log.hpp"
#include "core/inventory/writer.hpp"
#include "ports/audit.hpp"

namespace ruche::core {

class AuditKeeper {
 public:
  struct Parts {
    Writer& writer;
    ports::AuditLog& log;
    Log& messages;
    model::HostId self;
  };
  explicit AuditKeeper(Parts parts);

  Async<void> run();  // until cancelled

  // While the audit log cannot be written, records wait in the state store, and there is only so
  // much room for them. First configuration stands still; whatever keeps guests going is taken for
  // much longer. Throws audit_unavailable.
  void check_room(bool urgent) const;
  // Something that was not allowed. Those who ask too often are counted, not recorded.
  void refused(model::AuditRecord record);

  // Something that is no change of the state store (a command inside a guest, a certificate): the
  // record is safe when this returns. To be called before it is done.
  Async<void> tell(model::AuditRecord record);

  Async<std::vector<ports::AuditEntry>> query(ports::AuditQuery query);
  Async<ports::AuditVerdict> verify();

  static constexpr std::size_t kMostWaiting = 1000;
  static constexpr std::size_t kMostWaitingForUrgent = 5000;
  static constexpr double kRefusalBurst = 30;
  static constexpr double kRefusalsPerSecond = 0.5;

 private:
  class Turn;
  Async<bool> move_some();
  Async<void> prune();
  std::size_t waiting() const;
  bool has_work() const;

  Parts parts_;
  std::deque<model::AuditRecord> refusals_;
  double allowance_ = kRefusalBurst;
  Instant counted_;
  std::uint64_t unrecorded_ = 0;
  bool moving_ = false;
  Signal moved_;
  bool failing_ = false;
  Instant next_prune_;
};

}  // namespace ruche::core
