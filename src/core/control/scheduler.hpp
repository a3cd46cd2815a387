// Takes the snapshots that the schedules of this host's guests want, and removes those that have
// had their time. What fails is tried again after a minute.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "core/guests/plans.hpp"
#include "core/inventory/writer.hpp"
#include "core/snapshots/schedules.hpp"

namespace ruche::core {

class Scheduler {
 public:
  struct Parts {
    Writer& writer;
    std::function<plans::Site()> site;
    Clock& clock;
    Log& log;
  };
  explicit Scheduler(Parts parts) : parts_(std::move(parts)) {}
  Async<void> run();  // until cancelled

 private:
  struct Attempt {
    Instant at;
    std::string complaint;  // what was said of it, so that it is said once
  };
  Async<void> round();
  Async<void> carry_out(ScheduledAction action);
  Proposal plan(Draft& draft, const ScheduledAction& action) const;
  bool may_try(const std::string& what);

  Parts parts_;
  std::map<std::string, Attempt> attempts_;  // by what was tried
};

}  // namespace ruche::core
