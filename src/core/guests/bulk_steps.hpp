// The step of a request for many guests: it makes a task for each, some at a time, and waits for
// them. All that it knows is in the store, so that a daemon that comes back goes on from there.
#pragma once

#include <functional>

#include "core/guests/plan_bulk.hpp"
#include "core/inventory/writer.hpp"
#include "core/tasks/engine.hpp"

namespace ruche::core {

class BulkSteps : public StepHandler {
 public:
  struct Parts {
    Writer& writer;
    std::function<plans::Site()> site;
    plans::PlanCopy copy;
  };
  explicit BulkSteps(Parts parts) : parts_(std::move(parts)) {}

  bool handles(const model::Step& step) const override;
  Async<Observation> observe(const model::Step& step, const StepContext& context) override;
  // Throws some_failed when all have ended and not all are done.
  Async<void> apply(const model::Step& step, const StepContext& context) override;
  // Asks those to end that have begun, and waits until they have. What is done stays done.
  Async<void> revert(const model::Step& step, const StepContext& context) override;
  void settle(const model::Step& step, Outcome outcome, const Error* why, Draft& draft) override;
  bool is_pivot(const model::Step& step) const override;
  bool found_by_name(const model::Step& step) const override;

 private:
  struct Member;
  using Members = std::vector<Member>;
  Members members_of(const model::Task& task, const model::RunForEach& each) const;
  const Member* next(const Members& members, std::size_t at_once) const;
  bool is_begun(const Member& member) const;
  bool is_open(const Member& member) const;
  Async<void> begin(model::TaskId parent, model::GuestId guest);
  void write_part(Draft& draft, model::TaskId parent, model::GuestId guest) const;
  Async<void> cancel(std::vector<model::TaskId> tasks);

  Parts parts_;
};

}  // namespace ruche::core
