// Going back to a snapshot: new overlays on its layers, its specification in the guest's document.
#include <fmt/format.h>

#include <algorithm>

#include "core/guests/guest_edit.hpp"
#include "core/guests/host_devices.hpp"
#include "core/guests/plan_parts.hpp"
#include "core/guests/share_place.hpp"
#include "core/guests/snapshot_documents.hpp"
#include "core/placement/admission.hpp"
#include "core/placement/reservations.hpp"
#include "core/snapshots/layer_graph.hpp"
#include "core/snapshots/overlays.hpp"
#include "core/snapshots/snapshot_plans.hpp"

namespace ruche::core::plans {

namespace {

using model::Facet;
using model::GuestState;
using model::LayerId;

// What can be found again of an adapter: nobody else may have got its addresses meanwhile.
class Adapters {
 public:
  Adapters(Draft& draft, const Site& site, const GuestRecord& record, bool with_memory)
      : draft_(draft),
        site_(site),
        guest_(record.spec->value),
        host_(record.placement->value.host),
        fixed_(with_memory) {}

  void plug_back(std::vector<model::NicSpec>& nics) {
    for (std::size_t i = 0; i < nics.size(); ++i) {
      const auto& now = guest_.spec.nics;
      auto& nic = nics[i];
      const auto same = std::ranges::find(now, nic.mac, &model::NicSpec::mac);
      if (same == now.end()) take_mac_back(nic);
      if (same == now.end() || same->forwards != nic.forwards) check_new_forwards(nic, i);
      const bool same_place = std::ranges::any_of(now, [&](const auto& other) {
        return other.network == nic.network && other.address == nic.address;
      });
      if (nic.network && !same_place) take_place_back(nic);
    }
  }

 private:
  void take_mac_back(model::NicSpec& nic) {
    if (!draft_.inventory().name_holder("mac", nic.mac)) {
      return draft_.take_name("mac", nic.mac, guest_.id.value);
    }
    if (fixed_) refuse(nic, "the hardware address " + nic.mac);
    nic.mac = take_mac(draft_, guest_.id);
  }

  void take_place_back(model::NicSpec& nic) {
    const auto& networks = draft_.inventory().networks();
    const auto found = networks.find(nic.network->value);
    const bool known = found != networks.end() && found->second->complete();
    const auto name = to_text(*nic.network) + "/" + nic.address;
    if (known && !draft_.inventory().name_holder("address", name)) {
      // It must not be on its way out.
      draft_.depend(keys::placement(found->second->placement->value.host, nic.network->value));
      return draft_.take_name("address", name, guest_.id.value);
    }
    if (fixed_) refuse(nic, "the address " + nic.address);
    const auto network = known ? to_text(*nic.network) : std::string();
    nic.kind = model::NicKind::user;
    nic.network.reset();
    nic.address.clear();
    plug_in(draft_, site_, network, guest_.id, nic);
  }

  void check_new_forwards(const model::NicSpec& nic, std::size_t index) {
    auto fresh = nic.forwards;
    std::erase_if(fresh, [&](const auto& forward) {
      return std::ranges::any_of(guest_.spec.nics, [&](const auto& other) {
        return std::ranges::count(other.forwards, forward) > 0;
      });
    });
    check_forwards(draft_, fresh, host_, fmt::format("/nics/{}/forwards", index));
  }

  [[noreturn]] void refuse(const model::NicSpec& nic, const std::string& what) {
    throw Error(Reason::wrong_state,
                fmt::format("{} of {} is another's now, and the memory of the snapshot knows it",
                            what, nic.name))
        .at("/snapshot")
        .remedy("free that address first: take the adapter from whoever has it");
  }

  Draft& draft_;
  const Site& site_;
  const model::Guest guest_;
  const model::HostId host_;
  const bool fixed_;
};

const model::Snapshot& find_usable(const Draft& draft, const GuestRecord& record,
                                   const std::string& reference) {
  const auto& guest = record.spec->value;
  const auto& snapshot = find_snapshot(draft.inventory(), guest, reference);
  if (snapshot.state != model::SnapshotState::ready) {
    throw Error(Reason::wrong_state,
                fmt::format("the snapshot {} is still being taken", snapshot.name))
        .at("/snapshot")
        .remedy("wait for its task: ruche task list");
  }
  if (snapshot.memory && !snapshot.running) {
    throw Error(
        Reason::memory_unusable,
        fmt::format("what {} ran with at the snapshot {} is not known", guest.name, snapshot.name))
        .at("/snapshot");
  }
  return snapshot;
}

// Devices of the host that it had then, and folders.
void check_devices(const Draft& draft, const GuestRecord& record, const model::VmSpec& then) {
  const auto host = record.placement->value.host;
  const auto& now = record.spec->value.spec;
  for (const auto& device : then.usb) {
    const bool has_it = std::ranges::any_of(now.usb, [&](const auto& other) {
      return other.vendor_id == device.vendor_id && other.product_id == device.product_id &&
             other.serial == device.serial;
    });
    if (has_it) continue;
    if (auto held = why_held(draft.inventory(), host, device)) {
      throw std::move(*held).at("/snapshot");
    }
  }
  require_apart(draft.inventory(), host, then);
}

// The media that it has more of then; those that it has less of are given back with the task.
void count_media(Draft& draft, const model::VmSpec& now, const model::VmSpec& then) {
  std::map<LayerId, int> more;
  for (const auto& drive : then.cdroms) {
    if (drive.layer) ++more[*drive.layer];
  }
  for (const auto& drive : now.cdroms) {
    if (drive.layer) --more[*drive.layer];
  }
  for (const auto& [layer, count] : more) {
    if (count > 0) count_user(draft, layer, count);
  }
}

// Its specification of then on volumes of now, with the steps that make those.
model::VmSpec on_new_volumes(Draft& draft, const model::Guest& guest,
                             const model::Snapshot& snapshot, std::vector<model::Step>& plan) {
  auto spec = snapshot.spec;
  for (auto& disk : spec.disks) {
    const auto below = disk.layer;
    disk.layer = add_overlay(draft, guest, disk.name, below, disk.size);
    plan.push_back(model::CreateVolume{disk.layer, disk.size, below});
  }
  const auto copy = [&](LayerId kept) {
    const auto* original = draft.find_layer(kept);
    if (original == nullptr) {
      throw Error(Reason::document_unreadable, fmt::format("layer {} is gone", to_text(kept)));
    }
    const auto own = add_file(draft, guest, original->content, original->size);
    plan.push_back(model::CopyVolume{own, kept, std::nullopt});
    return own;
  };
  if (spec.boot.uefi_vars) spec.boot.uefi_vars = copy(*spec.boot.uefi_vars);
  if (spec.tpm) spec.tpm->state = copy(spec.tpm->state);
  spec.generation_id = to_text(draft.new_id<model::GuestId>());
  return spec;
}

// What only the guest of now needs: of no use when it has gone back.
std::vector<model::Step> removals(const Inventory& inventory, const GuestRecord& record) {
  const auto& guest = record.spec->value;
  std::set<LayerId> needed;
  for (const auto& snapshot : snapshots_of(inventory, guest.id)) {
    for (const auto& disk : snapshot.spec.disks) needed.insert(disk.layer);
  }
  std::vector<model::Step> plan;
  for (const auto layer : find_loose(graph_of(inventory, guest.id), needed).unused) {
    plan.push_back(model::DeleteVolume{layer});
  }
  if (guest.spec.boot.uefi_vars) {
    plan.push_back(model::DeleteVolume{*guest.spec.boot.uefi_vars});
  }
  if (guest.spec.tpm) plan.push_back(model::DeleteVolume{guest.spec.tpm->state});
  const auto& saved = record.status->value.saved;
  if (saved) plan.push_back(model::DeleteVolume{saved->layer});
  return plan;
}

// While it changes, the host promises the larger of what it has and what it becomes.
void reserve(Draft& draft, const Site& site, const GuestRecord& record,
             const model::VmSpec& hardware) {
  const auto& guest = record.spec->value;
  const auto host = draft.inventory().hosts().find(record.placement->value.host.value);
  if (host != draft.inventory().hosts().end() && host->second->status) {
    unwrap(can_run_baseline(host->second->status->value, hardware.cpu_baseline));
    unwrap(can_place(host->second->status->value, site.capabilities.numa_nodes, hardware));
  }
  auto& placement = draft.placement(guest.id.value);
  const auto wanted = model::reservation_of(hardware, site.capabilities.overhead);
  const auto held = placement.reserved;
  const model::Reservation more{std::max(held.memory, wanted.memory) - held.memory,
                                std::max(held.cpus, wanted.cpus) - held.cpus};
  if (more != model::Reservation{}) reserve_more(draft, placement, more);
  placement.wish = model::PowerWish::on;
  draft.guest_status(guest.id).crashes = 0;
}

// The configuration is exported when the process is there, and before its CPUs run: until then all
// of it may be taken back, from then on nothing (as of a guest that goes on from memory).
void add_start(const model::Snapshot& snapshot, const model::Guest& guest, bool start,
               std::vector<model::Step>& plan) {
  if (snapshot.memory) {
    plan.push_back(model::LaunchMachine{guest.id, snapshot.memory->layer, snapshot.id});
  } else if (start) {
    plan.push_back(model::LaunchMachine{guest.id, std::nullopt, std::nullopt});
  }
  plan.push_back(model::ExportConfiguration{guest.id, configuration_of(guest)});
  if (snapshot.memory || start) {
    plan.push_back(model::ResumeMachine{guest.id, true});
  }
}

}  // namespace

Proposal revert(Draft& draft, const Site& site, const model::RevertToSnapshot& request) {
  const auto& record = find_guest(draft, request.vm, true);
  require_changeable(record, "never changes");
  const auto guest = record.spec->value;
  const auto snapshot = find_usable(draft, record, request.snapshot);
  check_devices(draft, record, snapshot.spec);
  std::vector<model::Step> plan;
  auto after = guest;
  after.spec = on_new_volumes(draft, guest, snapshot, plan);
  after.snapshot = snapshot.id;
  Adapters(draft, site, record, snapshot.memory.has_value()).plug_back(after.spec.nics);
  count_media(draft, guest.spec, after.spec);

  const auto state = state_of(record);
  plan.push_back(model::RevertGuest{guest.id, snapshot.id});
  if (has_process(state)) plan.push_back(model::StopMachine{guest.id, std::nullopt});
  if (state == GuestState::suspended) plan.push_back(model::DiscardMemory{guest.id});
  if (snapshot.memory || request.start) {
    reserve(draft, site, record, snapshot.memory ? snapshot.running->spec : after.spec);
  }
  add_start(snapshot, guest, request.start, plan);
  for (auto& step : removals(draft.inventory(), record)) plan.push_back(std::move(step));
  draft.guest(guest.id) = std::move(after);

  std::vector<Facet> claims = {Facet::power, Facet::configuration, Facet::storage};
  if (state == GuestState::suspended) claims.push_back(Facet::memory);
  auto proposal = propose(record, "snapshot.revert", "", std::move(claims), std::move(plan));
  proposal.summary = fmt::format("Let {} go back to the snapshot {}", guest.name, snapshot.name);
  return proposal;
}

}  // namespace ruche::core::plans
