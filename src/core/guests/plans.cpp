#include "core/guests/plans.hpp"

#include <fmt/format.h>

#include "core/guests/plan_hardware.hpp"
#include "core/guests/snapshot_documents.hpp"
#include "core/placement/admission.hpp"
#include "core/placement/reservations.hpp"
#include "core/storage/datastore_pool.hpp"
#include "model/guest_rules.hpp"

namespace ruche::core::plans {

using model::Facet;
using model::GuestState;
using model::ObjectKind;
using model::PowerRequest;

void check_power(PowerRequest request, const GuestRecord& record) {
  const auto& guest = record.spec->value;
  if (guest.deleted_at) {
    throw Error(Reason::wrong_state, fmt::format("{} is in the recycle bin", guest.name))
        .remedy(fmt::format("take it out: ruche vm undelete {}", guest.name));
  }
  if (request != PowerRequest::remove) refuse_template(guest);
  auto refusal = model::refuse_power(request, state_of(record), guest.name);
  if (refusal) throw std::move(*refusal);
}

Proposal propose(const GuestRecord& record, std::string method, std::string_view verb,
                 std::vector<Facet> claims, std::vector<model::Step> plan) {
  const auto& guest = record.spec->value;
  return Proposal{std::move(method),
                  fmt::format("{} {}", verb, guest.name),
                  {ObjectKind::guest, guest.id.value, guest.name},
                  std::move(claims),
                  record.placement->value.host,
                  std::move(plan)};
}

namespace {

bool has_process(GuestState state) {
  return state == GuestState::running || state == GuestState::paused || state == GuestState::broken;
}

}  // namespace

void unwrap(std::expected<void, Error> checked) {
  if (!checked) throw std::move(checked.error());
}

const GuestRecord& find_guest(const Draft& draft, const std::string& reference, bool deleted) {
  const auto found = draft.inventory().find_guest(reference, deleted);
  if (!found || !found->complete()) {
    throw Error(Reason::no_such_object, fmt::format("no VM {}", reference))
        .at("/vm")
        .remedy("see them: ruche vm list");
  }
  // The inventory keeps the record as long as no batch is applied, and a draft is written without
  // waiting.
  return *found;
}

GuestState state_of(const GuestRecord& record) {
  return record.status ? record.status->value.state : GuestState::provisioning;
}

void reserve_for_start(Draft& draft, const Site& site, const model::Guest& guest,
                       model::Placement& placement) {
  const auto wanted = model::reservation_of(guest.spec, site.capabilities.overhead);
  reserve_more(draft, placement, wanted);
  placement.wish = model::PowerWish::on;
}

std::vector<model::Step> start_steps(const GuestRecord& record) {
  const auto id = record.spec->value.id;
  if (state_of(record) != GuestState::suspended || !record.status->value.saved) {
    return {model::LaunchMachine{id, std::nullopt}, model::ResumeMachine{id}};
  }
  const auto memory = record.status->value.saved->layer;
  return {model::LaunchMachine{id, memory}, model::ResumeMachine{id, true},
          model::DeleteVolume{memory}};
}

namespace {

// What a suspended guest goes on with is what its process had; nothing of it changes meanwhile.
model::Guest as_it_starts(const GuestRecord& record) {
  auto guest = record.spec->value;
  if (state_of(record) == GuestState::suspended && record.status->value.running) {
    guest.spec = record.status->value.running->spec;
  }
  return guest;
}

Proposal propose_start(Draft& draft, const Site& site, const GuestRecord& record,
                       std::string method, std::string_view verb) {
  const auto guest = as_it_starts(record);
  const auto host = draft.inventory().hosts().find(record.placement->value.host.value);
  if (host != draft.inventory().hosts().end() && host->second->status) {
    unwrap(can_run_baseline(host->second->status->value, guest.spec.cpu_baseline));
    unwrap(can_place(host->second->status->value, site.capabilities.numa_nodes, guest.spec));
  }
  reserve_for_start(draft, site, guest, draft.placement(guest.id.value));
  draft.guest_status(guest.id).crashes = 0;  // the restart policy counts from a wished start
  return propose(record, std::move(method), verb, {Facet::power}, start_steps(record));
}

}  // namespace

Proposal start(Draft& draft, const Site& site, const model::VmRef& request) {
  const auto& record = find_guest(draft, request.vm, true);
  check_power(PowerRequest::start, record);
  return propose_start(draft, site, record, "vm.start", "Start");
}

Proposal shutdown(Draft& draft, const model::ShutdownVm& request) {
  const auto& record = find_guest(draft, request.vm, true);
  check_power(PowerRequest::shutdown, record);
  const auto id = record.spec->value.id;
  return propose(record, "vm.shutdown", "Shut down", {Facet::power},
                 {model::ShutdownMachine{id, request.timeout, request.then_stop}});
}

Proposal stop(Draft& draft, const model::StopVm& request) {
  const auto& record = find_guest(draft, request.vm, true);
  // A forced stop also ends a start that is under way; what ends a creation is cancelling it.
  const bool being_made = state_of(record) == GuestState::provisioning;
  if (!request.force || being_made) check_power(PowerRequest::stop, record);
  auto proposal = propose(record, "vm.stop", "Stop", {Facet::power},
                          {model::StopMachine{record.spec->value.id}});
  proposal.cancel_holders = request.force;
  return proposal;
}

Proposal reset(Draft& draft, const model::VmRef& request) {
  const auto& record = find_guest(draft, request.vm, true);
  check_power(PowerRequest::reset, record);
  return propose(record, "vm.reset", "Reset", {Facet::power},
                 {model::ResetMachine{record.spec->value.id}});
}

Proposal pause(Draft& draft, const model::VmRef& request) {
  const auto& record = find_guest(draft, request.vm, true);
  check_power(PowerRequest::pause, record);
  return propose(record, "vm.pause", "Pause", {Facet::power},
                 {model::PauseMachine{record.spec->value.id}});
}

Proposal resume(Draft& draft, const Site& site, const model::VmRef& request) {
  const auto& record = find_guest(draft, request.vm, true);
  check_power(PowerRequest::resume, record);
  if (state_of(record) == GuestState::suspended) {
    return propose_start(draft, site, record, "vm.resume", "Resume");
  }
  return propose(record, "vm.resume", "Resume", {Facet::power},
                 {model::ResumeMachine{record.spec->value.id}});
}

namespace {

// Its agent can only be asked while it runs.
const GuestRecord& find_running(const Draft& draft, const std::string& reference) {
  const auto& record = find_guest(draft, reference);
  const auto& guest = record.spec->value;
  if (state_of(record) != GuestState::running) {
    throw Error(Reason::wrong_state,
                fmt::format("{} is {}", guest.name, enum_name(state_of(record))))
        .remedy("only the file systems of a VM that runs can be frozen or thawed");
  }
  return record;
}

}  // namespace

Proposal freeze(Draft& draft, const model::FreezeVm& request) {
  const auto& record = find_running(draft, request.vm);
  const auto& guest = record.spec->value;
  const auto& status = record.status->value;
  if (status.thaw_at) {
    throw Error(Reason::wrong_state, fmt::format("{} is frozen already", guest.name))
        .remedy(fmt::format("thaw it first: ruche vm thaw {}", guest.name));
  }
  if (!status.agent || !status.agent->connected) {
    throw Error(Reason::no_agent, fmt::format("{} has no agent that answers", guest.name))
        .remedy("install qemu-guest-agent in it, or pause it in place of freezing");
  }
  return propose(record, "vm.freeze", "Freeze", {Facet::power},
                 {model::FreezeGuest{guest.id, request.hold}});
}

Proposal thaw(Draft& draft, const model::VmRef& request) {
  const auto& record = find_running(draft, request.vm);
  return propose(record, "vm.thaw", "Thaw", {Facet::power},
                 {model::ThawGuest{record.spec->value.id}});
}

namespace {

// By owner, so that nothing stays behind of a guest whose document cannot be read; what stands on
// others comes first.
std::vector<model::Layer> own_layers(const Inventory& inventory, model::GuestId guest) {
  std::map<model::LayerId, std::size_t> heights;
  const auto is_own = [&](const model::Layer& layer) {
    return layer.owner_kind == ObjectKind::guest && layer.owner == guest.value;
  };
  std::vector<model::Layer> own;
  for (const auto& [id, stored] : inventory.layers()) {
    if (!is_own(stored->value)) continue;
    own.push_back(stored->value);
    auto below = stored->value.parent;
    std::size_t height = 0;
    while (below && height < model::kLongestChain) {
      const auto layer = inventory.layer(*below);
      if (!layer || !is_own(layer->value)) break;
      below = layer->value.parent;
      ++height;
    }
    heights[{id}] = height;
  }
  std::ranges::sort(own, [&](const model::Layer& a, const model::Layer& b) {
    const auto above = heights.at(a.id), below = heights.at(b.id);
    return above != below ? above > below : a.id < b.id;
  });
  return own;
}

// The name of a guest that stands on another's layer; empty: nobody's disk does.
std::string a_copy_on(const Inventory& inventory, const model::Guest& guest, model::LayerId below) {
  for (const auto& [id, layer] : inventory.layers()) {
    if (layer->value.parent != below || layer->value.owner == guest.id.value) continue;
    const auto copy = inventory.guests().find(layer->value.owner);
    const bool known = copy != inventory.guests().end() && copy->second->spec;
    return known ? copy->second->spec->value.name : to_text(layer->value.owner);
  }
  return {};
}

// What its own layers and snapshots do not explain is somebody else's use.
void refuse_users(const Inventory& inventory, const model::Guest& guest,
                  const std::vector<model::Layer>& own) {
  std::map<model::LayerId, std::uint32_t> explained;
  for (const auto& layer : own) {
    if (layer.parent) ++explained[*layer.parent];
  }
  for (const auto& [id, snapshot] : inventory.snapshots()) {
    if (snapshot->value.guest != guest.id) continue;
    for (const auto layer : layers_held(snapshot->value.spec)) ++explained[layer];
  }
  for (const auto& layer : own) {
    const auto known = explained[layer.id];
    if (layer.references <= known) continue;
    const auto others = layer.references - known;
    const auto copy = a_copy_on(inventory, guest, layer.id);
    if (copy.empty()) {
      throw Error(Reason::in_use, fmt::format("{} others need a volume of {}", others, guest.name))
          .remedy("wait for the tasks that read it: ruche task list");
    }
    const auto more = others > 1 ? fmt::format(" and {} more stand", others - 1) : " stands";
    throw Error(Reason::in_use, fmt::format("{}{} on a disk of {}", copy, more, guest.name))
        .remedy(fmt::format("delete what stands on it first, or let it stand by itself: ruche vm "
                            "flatten {}",
                            copy));
  }
}

}  // namespace

Proposal remove(Draft& draft, const model::DeleteVm& request) {
  const auto& record = find_guest(draft, request.vm, request.purge);
  const auto& guest = record.spec->value;
  if (guest.deleted_at && !request.purge) {
    throw Error(Reason::wrong_state, fmt::format("{} is in the recycle bin already", guest.name))
        .remedy(fmt::format("remove it for good: ruche vm delete {} --purge", to_text(guest.id)));
  }
  std::vector<model::Step> plan;
  if (request.stop && has_process(state_of(record))) {
    plan.push_back(model::StopMachine{guest.id});
  } else if (!guest.deleted_at) {
    check_power(PowerRequest::remove, record);
  }
  if (!request.purge) {
    plan.push_back(model::RecycleGuest{guest.id});
    return propose(record, "vm.delete", "Delete", {Facet::existence}, std::move(plan));
  }
  // Whoever begins to stand on one of them depends on the guest's placement, which this changes.
  const auto own = own_layers(draft.inventory(), guest.id);
  refuse_users(draft.inventory(), guest, own);
  for (const auto& layer : own) plan.push_back(model::DeleteVolume{layer.id});
  const auto& snapshots = draft.inventory().snapshots();
  for (auto at = snapshots.rbegin(); at != snapshots.rend(); ++at) {
    if (at->second->value.guest != guest.id) continue;
    plan.push_back(model::ForgetSnapshot{guest.id, {at->first}});
  }
  plan.push_back(model::ForgetGuest{guest.id});
  return propose(record, "vm.delete", "Purge", {Facet::existence}, std::move(plan));
}

// A guest that lives may have the name of one that was deleted: the deleted one is meant.
const GuestRecord* latest_deleted(const Draft& draft, const std::string& reference) {
  const GuestRecord* latest = nullptr;
  for (const auto& [id, record] : draft.inventory().guests()) {
    if (!record->complete() || !record->spec->value.deleted_at) continue;
    if (record->spec->value.name != reference && to_text(id) != reference) continue;
    const auto when = *record->spec->value.deleted_at;
    if (!latest || *latest->spec->value.deleted_at < when) latest = record.get();
  }
  return latest;
}

namespace {

const GuestRecord& find_deleted(const Draft& draft, const std::string& reference) {
  if (const auto* latest = latest_deleted(draft, reference)) return *latest;
  const auto& guest = find_guest(draft, reference).spec->value;
  throw Error(Reason::wrong_state, fmt::format("{} is not in the recycle bin", guest.name));
}

}  // namespace

Proposal undelete(Draft& draft, const model::UndeleteVm& request) {
  const auto& record = find_deleted(draft, request.vm);
  const auto& guest = record.spec->value;
  const std::string name = request.new_name.empty() ? guest.name : request.new_name;
  if (draft.inventory().name_holder("vm", name)) {
    throw Error(Reason::name_in_use, fmt::format("the name {} was taken meanwhile", name))
        .at("/new_name")
        .remedy(fmt::format("give it another: ruche vm undelete {} --new-name NAME",
                            to_text(guest.id)));
  }
  draft.take_name("vm", name, guest.id.value);
  return propose(
      record, "vm.undelete", "Undelete", {Facet::existence},
      {model::RestoreGuest{guest.id, name}, model::ExportConfiguration{guest.id, std::nullopt}});
}

namespace {

// What ties a guest to its host.
void check_not_bound(const GuestRecord& record) {
  const auto& guest = record.spec->value;
  if (state_of(record) == GuestState::suspended) {
    throw Error(
        Reason::wrong_state,
        fmt::format("{} is suspended, and its memory goes on on this host only", guest.name))
        .remedy(fmt::format("give its memory up first: ruche vm discard {}", guest.name));
  }
  if (guest.pool) {
    throw Error(Reason::wrong_state,
                fmt::format("{} is in a resource pool, which belongs to its host", guest.name))
        .remedy(fmt::format("take it out first: ruche vm set {} --pool ''", guest.name));
  }
  if (!guest.spec.usb.empty() || !guest.spec.pci.empty()) {
    const bool usb = !guest.spec.usb.empty();
    const auto& device = usb ? guest.spec.usb.front().name : guest.spec.pci.front().name;
    throw Error(Reason::device_forbids,
                fmt::format("{} has {}, a device of its host", guest.name, device))
        .remedy(fmt::format("take it out first: ruche vm {} remove {} {}", usb ? "usb" : "pci",
                            guest.name, device));
  }
  // The folder of that name on another host is another's, and was not meant.
  if (!guest.spec.shares.empty()) {
    const auto& share = guest.spec.shares.front();
    throw Error(Reason::device_forbids,
                fmt::format("{} mounts {}, a folder of its host", guest.name, share.path))
        .remedy(fmt::format("take it first: ruche vm share remove {} {}", guest.name, share.name));
  }
}

}  // namespace

Proposal move(Draft& draft, const model::MoveVm& request) {
  const auto& record = find_guest(draft, request.vm);
  const auto& guest = record.spec->value;
  if (guest.deleted_at) {
    throw Error(Reason::wrong_state, fmt::format("{} is in the recycle bin", guest.name))
        .remedy(fmt::format("take it out: ruche vm undelete {}", guest.name));
  }
  if (has_process(state_of(record)) || state_of(record) == GuestState::provisioning) {
    throw Error(Reason::wrong_state,
                fmt::format("{} is {}", guest.name, enum_name(state_of(record))))
        .remedy("a cold move needs a stopped VM");
  }
  check_not_bound(record);
  const auto target = draft.inventory().find_host(request.host);
  if (!target) {
    throw Error(Reason::no_such_object, fmt::format("no host {}", request.host))
        .at("/host")
        .remedy("see them: ruche host list");
  }
  const auto& host = target->spec->value;
  if (record.placement->value.host == host.id) {
    throw Error(Reason::wrong_state, fmt::format("{} is on {} already", guest.name, host.name));
  }
  auto disks = guest.spec.disks;
  for (const auto& [id, snapshot] : draft.inventory().snapshots()) {
    if (snapshot->value.guest != guest.id) continue;
    const auto& then = snapshot->value.spec.disks;
    disks.insert(disks.end(), then.begin(), then.end());
  }
  for (const auto& disk : disks) {
    for (const auto& layer : chain_of(draft.inventory(), disk.layer)) {
      const auto store = draft.inventory().datastores().find(layer.datastore.value);
      if (store != draft.inventory().datastores().end() && store->second->spec &&
          is_visible(store->second->spec->value, host.id)) {
        continue;
      }
      throw Error(Reason::needs_shared_storage,
                  fmt::format("{} does not see the storage of {}", host.name, guest.name))
          .at("/host");
    }
  }
  return propose(record, "vm.move", "Move", {Facet::existence},
                 {model::MoveGuest{guest.id, host.id}});
}

}  // namespace ruche::core::plans
