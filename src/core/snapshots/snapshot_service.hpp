// What users can ask of snapshots, templates and copies, accepted in one commit as every request.
#pragma once

#include <string>
#include <vector>

#include "core/guests/plans.hpp"
#include "core/inventory/writer.hpp"
#include "core/storage/datastore_pool.hpp"
#include "core/tasks/request.hpp"
#include "model/snapshot_requests.hpp"

namespace ruche::core {

class SnapshotService {
 public:
  struct Parts {
    Writer& writer;
    model::HostId self;
    ports::EngineCapabilities capabilities;
    ports::NetworkDriver& networks;
    DatastorePool& pool;
  };
  explicit SnapshotService(Parts parts) : parts_(std::move(parts)) {}

  Async<Accepted> create(Caller caller, model::CreateSnapshot request);
  Async<Accepted> revert(Caller caller, model::RevertToSnapshot request);
  Async<Accepted> remove(Caller caller, model::DeleteSnapshot request);
  Async<Accepted> flatten(Caller caller, model::FlattenVm request);
  Async<Accepted> clone(Caller caller, model::CloneVm request);
  Async<Accepted> make_template(Caller caller, model::TemplateVm request);
  Async<Accepted> set_schedule(Caller caller, model::SetSchedule request);
  Async<Accepted> remove_schedule(Caller caller, model::ScheduleRef request);

  // In the order of the tree: every snapshot after its parent, children of one by age.
  std::vector<model::SnapshotView> list(const std::string& vm) const;
  std::vector<model::ScheduleView> schedules(const std::string& vm) const;
  // Disk by disk, top first, down to the image; then what else the guest has. Asks the datastores.
  Async<std::vector<model::LayerView>> layers(std::string vm) const;

 private:
  plans::Site site() const {
    return {parts_.self, parts_.capabilities, parts_.networks.capabilities()};
  }

  Parts parts_;
};

}  // namespace ruche::core
