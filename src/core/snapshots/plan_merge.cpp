// Deleting snapshots, flattening, tidying up: layers that take in what they stand on.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "core/guests/snapshot_documents.hpp"
#include "core/snapshots/layer_graph.hpp"
#include "core/snapshots/overlays.hpp"
#include "core/snapshots/snapshot_plans.hpp"
#include "core/storage/datastore_pool.hpp"

namespace ruche::core::plans {

namespace {

using model::Facet;
using model::LayerId;

// What a document holds; a plan is a part of one (256 KiB).
constexpr std::size_t kMostSteps = 1000;
constexpr std::size_t kMostChildren = 50;  // re-parented in one commit

using Snapshots = std::set<model::SnapshotId>;

// Tops of disks: of the guest, of what its process has, of its snapshots but for those that go.
std::set<LayerId> needed_tops(const Inventory& inventory, const GuestRecord& record,
                              const Snapshots& going) {
  std::set<LayerId> needed;
  const auto add = [&](const model::VmSpec& spec) {
    for (const auto& disk : spec.disks) needed.insert(disk.layer);
  };
  add(record.spec->value.spec);
  if (record.status && record.status->value.running) add(record.status->value.running->spec);
  for (const auto& snapshot : snapshots_of(inventory, record.spec->value.id)) {
    if (!going.contains(snapshot.id)) add(snapshot.spec);
  }
  return needed;
}

// Copies of small files that belong to no snapshot: a cut whose task failed left them, or a
// reversion. Memory is seen to by remove_used_memory().
std::vector<LayerId> loose_files(const Inventory& inventory, const GuestRecord& record) {
  const auto& guest = record.spec->value;
  std::set<LayerId> used;
  const auto add = [&](const model::VmSpec& spec) {
    if (spec.boot.uefi_vars) used.insert(*spec.boot.uefi_vars);
    if (spec.tpm) used.insert(spec.tpm->state);
  };
  add(guest.spec);
  if (record.status && record.status->value.running) add(record.status->value.running->spec);
  for (const auto& snapshot : snapshots_of(inventory, guest.id)) add(snapshot.spec);
  std::vector<LayerId> loose;
  for (const auto& [id, layer] : inventory.layers()) {
    const auto content = layer->value.content;
    const bool file =
        content == model::LayerContent::uefi_vars || content == model::LayerContent::tpm_state;
    if (file && layer->value.owner == guest.id.value && !used.contains({id})) loose.push_back({id});
  }
  return loose;
}

// A merge never makes a stop wait, so it claims the power of a guest that is off only: nobody
// starts it in the middle.
Proposal propose_merges(const GuestRecord& record, std::string method, std::string summary,
                        std::vector<model::Step> plan) {
  std::vector<Facet> claims = {Facet::storage, Facet::configuration};
  if (!has_process(state_of(record))) claims.push_back(Facet::power);
  auto proposal = propose(record, std::move(method), "", std::move(claims), std::move(plan));
  proposal.summary = std::move(summary);
  return proposal;
}

void add_merges(const LooseLayers& loose, model::GuestId guest, std::vector<model::Step>& plan) {
  for (const auto& merge : loose.merges) {
    plan.push_back(model::MergeLayer{guest, merge.layer, merge.below});
  }
}

void add_removals(const std::vector<LayerId>& layers, std::vector<model::Step>& plan) {
  for (const auto layer : layers) plan.push_back(model::DeleteVolume{layer});
}

// With all that stand on it, the later ones first.
std::vector<model::Snapshot> with_children(const Inventory& inventory,
                                           const model::Snapshot& first) {
  std::map<model::SnapshotId, std::vector<model::Snapshot>> children;
  for (const auto& snapshot : snapshots_of(inventory, first.guest)) {
    if (snapshot.parent) children[*snapshot.parent].push_back(snapshot);
  }
  std::vector<model::Snapshot> found = {first};
  for (std::size_t i = 0; i < found.size(); ++i) {
    const auto next = children.extract(found[i].id);
    if (!next.empty()) found.insert(found.end(), next.mapped().begin(), next.mapped().end());
  }
  std::ranges::reverse(found);
  return found;
}

void check_children(const Inventory& inventory, const model::Snapshot& snapshot) {
  const auto all = snapshots_of(inventory, snapshot.guest);
  const auto count = std::ranges::count(all, std::optional(snapshot.id), &model::Snapshot::parent);
  if (count <= static_cast<std::ptrdiff_t>(kMostChildren)) return;
  throw Error(Reason::too_many_objects,
              fmt::format("{} snapshots go on from {}", count, snapshot.name))
      .at("/snapshot")
      .remedy("delete some of those first, or all of them with it (--children)");
}

}  // namespace

Proposal delete_snapshot(Draft& draft, const Site&, const model::DeleteSnapshot& request) {
  const auto& record = find_guest(draft, request.vm, true);
  require_changeable(record, "stays as it is");
  const auto& guest = record.spec->value;
  const auto& inventory = draft.inventory();
  const auto& snapshot = find_snapshot(inventory, guest, request.snapshot);
  if (!request.children) check_children(inventory, snapshot);
  const auto going = request.children ? with_children(inventory, snapshot) : std::vector{snapshot};
  Snapshots ids;
  for (const auto& one : going) ids.insert(one.id);
  const auto loose = find_loose(graph_of(inventory, guest.id), needed_tops(inventory, record, ids));
  std::vector<model::Step> plan;
  add_merges(loose, guest.id, plan);
  for (const auto& one : going) plan.push_back(model::ForgetSnapshot{guest.id, one.id});
  add_removals(loose.merged, plan);
  add_removals(loose.unused, plan);
  for (const auto& one : going) add_removals(layers_kept(one), plan);
  if (plan.size() > kMostSteps) {
    throw Error(Reason::too_many_objects,
                fmt::format("{} snapshots are too many at once", going.size()))
        .at("/snapshot")
        .remedy("delete later ones first");
  }
  auto summary = fmt::format("Delete the snapshot {} of {}", snapshot.name, guest.name);
  if (going.size() > 1) summary += fmt::format(", and {} that go on from it", going.size() - 1);
  return propose_merges(record, "snapshot.delete", std::move(summary), std::move(plan));
}

namespace {

// Whoever stands on the layer that would be written to may have it open.
void refuse_others(const Inventory& inventory, const model::Guest& guest,
                   const model::DiskSpec& disk) {
  for (const auto& [id, layer] : inventory.layers()) {
    if (layer->value.parent != disk.layer) continue;
    const auto other = inventory.guests().find(layer->value.owner);
    const bool known = other != inventory.guests().end() && other->second->spec;
    const auto name = known ? other->second->spec->value.name : to_text(layer->value.owner);
    throw Error(Reason::in_use, fmt::format("{} stands on {} of {}", name, disk.name, guest.name))
        .at("/vm")
        .remedy(fmt::format("flatten that one: ruche vm flatten {}", name));
  }
}

}  // namespace

Proposal flatten(Draft& draft, const Site&, const model::FlattenVm& request) {
  const auto& record = find_guest(draft, request.vm, true);
  require_changeable(record, "stays as it is");
  const auto& guest = record.spec->value;
  const auto& inventory = draft.inventory();
  std::vector<model::Step> plan;
  auto graph = graph_of(inventory, guest.id);
  for (const auto& disk : guest.spec.disks) {
    const auto chain = chain_of(inventory, disk.layer);
    if (chain.size() == 1) continue;
    refuse_others(inventory, guest, disk);
    for (std::size_t i = 1; i < chain.size(); ++i) {
      plan.push_back(model::MergeLayer{guest.id, disk.layer, chain[i].id});
    }
    const auto top = std::ranges::find(graph, disk.layer, &GraphLayer::id);
    if (top != graph.end()) top->parent.reset();
  }
  if (plan.empty()) {
    throw Error(Reason::wrong_state,
                fmt::format("the disks of {} stand on nothing already", guest.name))
        .remedy("nothing to do");
  }
  // What snapshots and copies need stays.
  const auto loose = find_loose(graph, needed_tops(inventory, record, {}));
  add_removals(loose.unused, plan);
  return propose_merges(record, "vm.flatten",
                        fmt::format("Let the disks of {} stand on nothing", guest.name),
                        std::move(plan));
}

Proposal tidy_layers(Draft& draft, model::GuestId id) {
  const auto& record = find_guest(draft, to_text(id), true);
  const auto& inventory = draft.inventory();
  const auto loose = find_loose(graph_of(inventory, id), needed_tops(inventory, record, {}));
  std::vector<model::Step> plan;
  add_merges(loose, id, plan);
  add_removals(loose.merged, plan);
  add_removals(loose.unused, plan);
  add_removals(loose_files(inventory, record), plan);
  return propose_merges(record, "vm.tidy",
                        fmt::format("Tidy the layers of {}", record.spec->value.name),
                        std::move(plan));
}

bool has_loose_layers(const Inventory& inventory, model::GuestId guest) {
  const auto found = inventory.guests().find(guest.value);
  if (found == inventory.guests().end() || !found->second->complete()) return false;
  const auto& record = *found->second;
  const auto needed = needed_tops(inventory, record, {});
  const bool all_needed = std::ranges::all_of(inventory.layers(), [&](const auto& entry) {
    const auto& layer = entry.second->value;
    const bool disk = layer.content == model::LayerContent::disk;
    return layer.owner != guest.value || !disk || needed.contains({entry.first});
  });
  if (!all_needed && !find_loose(graph_of(inventory, guest), needed).empty()) return true;
  return !loose_files(inventory, record).empty();
}

}  // namespace ruche::core::plans
