// The steps of snapshots: the cut, the merge of two layers, and what documents become of them.
#pragma once

#include <map>
#include <set>

#include "core/guests/agent_watch.hpp"
#include "core/guests/live_guests.hpp"
#include "core/storage/datastore_pool.hpp"
#include "core/tasks/engine.hpp"
#include "ports/hypervisor.hpp"

namespace ruche::core {

class SnapshotSteps : public StepHandler {
 public:
  struct Parts {
    Writer& writer;
    DatastorePool& pool;
    ports::HypervisorEngine& hypervisor;
    LiveGuests& live;
    AgentWatch& agents;
    Clock& clock;
    Log& log;
  };
  explicit SnapshotSteps(Parts parts) : parts_(std::move(parts)) {}

  bool handles(const model::Step& step) const override;
  Async<Observation> observe(const model::Step& step, const StepContext& context) override;
  Async<void> apply(const model::Step& step, const StepContext& context) override;
  Async<void> revert(const model::Step& step, const StepContext& context) override;
  void settle(const model::Step& step, Outcome outcome, const Error* why, Draft& draft) override;
  bool is_pivot(const model::Step& step) const override;
  bool found_by_name(const model::Step& step) const override;
  bool can_be_cancelled(const model::Step& step) const override;
  Async<void> give_up(const model::Step& step) override;

 private:
  struct Taken {
    Bytes memory_size;
    Duration pause{0};
  };
  Async<void> take(const model::TakeSnapshot& step, const StepContext& context);
  Async<void> merge(const model::MergeLayer& step, const StepContext& context);
  Async<void> merge_alive(std::shared_ptr<ports::Machine> machine, model::GuestId guest,
                          ports::DiskMerge order, ports::ProgressSink report);
  Async<void> cut(const model::TakeSnapshot& step, const StepContext& context);
  Async<void> cut_only_disks(const model::TakeSnapshot& step);
  Async<bool> agrees_with(const model::TakeSnapshot& step);
  Async<bool> knows_whether_cut(const model::TakeSnapshot& step);
  Async<void> remove_halves(const model::TakeSnapshot& step);
  Async<void> require_frozen(const model::TakeSnapshot& step, ports::Machine& machine);
  Async<void> require_files(const model::RevertGuest& step);
  Async<bool> is_merged(const model::MergeLayer& step);
  void note_files(const model::TakeSnapshot& step);
  Async<void> thaw(model::GuestId guest);
  void settle_taken(const model::TakeSnapshot& step, bool done, const Error* why, Draft& draft);
  void drop_removed(Draft& draft, model::LayerId id) const;
  void settle_merged(const model::MergeLayer& step, bool done, Draft& draft);

  Parts parts_;
  std::map<model::GuestId, Taken> taken_;  // by the step that ends now
  std::map<model::GuestId, std::vector<model::DiskStatus>> seen_;  // files of the tops, after it
  std::set<model::LayerId> removed_;  // files of a snapshot that was given up
  std::set<model::GuestId> uncut_;  // a process that still writes to the old tops
  // A layer and what it took in, although the task that wanted it failed.
  std::set<std::pair<model::LayerId, model::LayerId>> merged_;
};

}  // namespace ruche::core
