// Views from inventory records. A Renderer is made for one answer: it remembers names and counts,
// and must not outlive the turn of the loop in which it was made.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "api/https.hpp"
#include "core/inventory/inventory.hpp"
#include "core/tasks/progress.hpp"
#include "core/tasks/request.hpp"
#include "model/views.hpp"

namespace ruche::api {

struct RenderParts {
  const core::Inventory& inventory;
  const core::ProgressBoard& progress;
  model::HostId self;
  const Https* https = nullptr;
};

enum class Detail {
  full,
  list,  // without what is long and of interest only for one object: qemu_argv, parts
};

using TaskRecord = core::Stored<model::Task>;

class Renderer {
 public:
  explicit Renderer(RenderParts parts) : parts_(parts) {}

  // The records are complete: they have their spec.
  model::VmView vm(const core::GuestRecord& record, Detail detail = Detail::full) const;
  model::ImageView image(const core::ImageRecord& record) const;
  model::DatastoreView datastore(const core::DatastoreRecord& record) const;
  model::NetworkView network(const core::NetworkRecord& record) const;
  model::PoolView pool(const core::PoolRecord& record) const;
  model::HostView host(const core::HostRecord& record) const;
  model::TaskView task(const model::Task& task, Detail detail = Detail::full) const;
  model::PlanView plan(const core::Accepted& accepted) const;

  model::ForwardView forward_view(const model::Network& network,
                                  const model::NetworkForward& forward) const;

  std::string host_name(model::HostId id) const;  // the id when it is unknown
  std::string datastore_name(model::DatastoreId id) const;
  std::string image_name(model::ImageId id) const;
  std::string pool_name(model::PoolId id) const;
  std::string snapshot_name(model::SnapshotId id) const;

 private:
  struct Counts {
    std::map<model::ImageId, std::uint32_t> guests_of_image;
    std::map<model::DatastoreId, std::uint32_t> layers_of_datastore;
    std::map<model::NetworkId, std::uint32_t> guests_of_network;
    std::map<model::PoolId, std::uint32_t> guests_of_pool;
    std::map<model::HostId, std::pair<std::uint32_t, std::uint32_t>>
        guests_of_host;  // all, running
  };
  const Counts& counts() const;
  std::uint32_t snapshots_of(model::GuestId guest) const;
  std::vector<std::string> steps_of(const model::Task& task) const;

  RenderParts parts_;
  mutable std::optional<Counts> counts_;
  mutable std::optional<std::map<model::GuestId, std::uint32_t>> snapshots_of_guest_;
};

// "{store}.{revision}", as in the ETag header without its quotes.
std::string etag_of(const core::Inventory& inventory, ports::Revision revision);
// The revision in an If-Match value, quoted or not; nullopt for "*". Throws revision_mismatch when
// it is of another store and bad_format when it is none of ours.
std::optional<ports::Revision> parse_etag(const core::Inventory& inventory, std::string_view text);

}  // namespace ruche::api
