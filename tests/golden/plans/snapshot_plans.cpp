#include "golden/plans/snapshot_plans.hpp"

#include <fmt/format.h>

#include "base/json.hpp"
#include "core/snapshots/snapshot_plans.hpp"
#include "simulation/sim_client.hpp"

namespace ruche::core {

void live_through(sim::SimCluster& cluster, const SnapshotHistory& history) {
  auto& alpha = cluster.host("alpha");
  const auto done = [&](const sim::Request& request) {
    const auto task = sim::ask_and_wait(cluster, alpha, request);
    if (task.state == model::TaskState::done) return;
    throw Error(Reason::internal_error, task.summary + " failed");
  };
  for (const auto& taken : history.taken) done(sim::requests::snapshot(taken));
  if (history.copy) done(sim::requests::clone(*history.copy));
  for (const auto& name : history.deleted) done(sim::requests::delete_snapshot("web1", name));
  if (!history.purged.empty()) done(sim::requests::remove(history.purged, true));
}

std::optional<Proposal> propose_snapshot(const std::string& plan, const std::string& request,
                                         const plans::Site& site, Draft& draft) {
  if (plan == "snapshot") {
    return plans::take_snapshot(draft, site, json::decode<model::CreateSnapshot>(request));
  }
  if (plan == "revert") {
    return plans::revert(draft, site, json::decode<model::RevertToSnapshot>(request));
  }
  if (plan == "snapshot-delete") {
    return plans::delete_snapshot(draft, site, json::decode<model::DeleteSnapshot>(request));
  }
  if (plan == "flatten") {
    return plans::flatten(draft, site, json::decode<model::FlattenVm>(request));
  }
  if (plan == "tidy") {
    const auto wanted = json::decode<model::VmRef>(request);
    return plans::tidy_layers(draft, plans::find_guest(draft, wanted.vm).spec->value.id);
  }
  return std::nullopt;
}

void name_snapshots(const Proposal& proposal, const Inventory& inventory,
                    const std::function<void(Uuid, const std::string&)>& name) {
  for (const auto& [id, guest] : inventory.guests()) {
    if (!guest->spec) continue;
    const auto& spec = guest->spec->value.spec;
    const auto& called = guest->spec->value.name;
    if (spec.boot.uefi_vars) name(spec.boot.uefi_vars->value, called + "-variables");
    if (spec.tpm) name(spec.tpm->state.value, called + "-tpm");
  }
  for (const auto& [id, stored] : inventory.snapshots()) {
    const auto& snapshot = stored->value;
    name(id, snapshot.name);
    for (const auto& disk : snapshot.spec.disks) {
      name(disk.layer.value, fmt::format("{}-{}", snapshot.name, disk.name));
    }
    if (snapshot.spec.boot.uefi_vars) {
      name(snapshot.spec.boot.uefi_vars->value, snapshot.name + "-variables");
    }
    if (snapshot.spec.tpm) name(snapshot.spec.tpm->state.value, snapshot.name + "-tpm");
    if (snapshot.memory) name(snapshot.memory->layer.value, snapshot.name + "-memory");
  }
  for (const auto& step : proposal.plan) {
    const auto* take = std::get_if<model::TakeSnapshot>(&step);
    if (take == nullptr) continue;
    if (take->snapshot) name(take->snapshot->value, "new-snapshot");
    if (take->memory) name(take->memory->value, "new-memory");
    for (const auto& overlay : take->disks) name(overlay.layer.value, "new-" + overlay.disk);
    for (std::size_t i = 0; i < take->files.size(); ++i) {
      name(take->files[i].layer.value, fmt::format("new-file-{}", i));
    }
  }
  int others = 0;
  for (const auto& [id, layer] : inventory.layers()) {
    name(id, fmt::format("layer-{}", others++));
  }
}

}  // namespace ruche::core
