#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "core/guests/plan_hardware.hpp"
#include "core/guests/plan_parts.hpp"
#include "core/snapshots/copy_plans.hpp"
#include "core/snapshots/overlays.hpp"
#include "core/snapshots/snapshot_plans.hpp"
#include "core/storage/datastore_pool.hpp"
#include "model/guest_rules.hpp"

namespace ruche::core::plans {

namespace {

using model::Facet;
using model::GuestState;
using model::LayerContent;
using model::LayerId;

// What is copied, as it was or as it is now.
struct Original {
  const GuestRecord& record;
  model::VmSpec spec;
  std::string snapshot;  // its name; empty: as it is now
  bool still = false;    // its layers never change: a snapshot's, or a template's
  bool has_process = false;
  const model::Guest& guest() const { return record.spec->value; }
};

// A copy while it is planned.
struct Copy {
  model::Guest guest;
  std::vector<model::Step> plan;
  std::vector<LayerId> reads;
};

void check_state(const Original& original) {
  const auto& name = original.guest().name;
  switch (state_of(original.record)) {
    case GuestState::stopped:
    case GuestState::running:
    case GuestState::paused:
    case GuestState::crashed:
      return;
    case GuestState::suspended:
      throw Error(Reason::wrong_state,
                  fmt::format("{} is suspended: its disks agree with its memory only", name))
          .remedy(fmt::format("resume it first (ruche vm resume {0}), or give its memory up (ruche "
                              "vm discard {0})",
                              name));
    case GuestState::provisioning:
      throw Error(Reason::wrong_state, fmt::format("{} is still being provisioned", name))
          .remedy("wait for its task: ruche task list");
    case GuestState::broken:
      throw Error(Reason::object_broken, fmt::format("{} is broken", name))
          .remedy(fmt::format("see why: ruche vm show {}", name));
  }
}

// The process must have the disks that the document names: those are cut.
void check_same_disks(const Original& original) {
  const auto& running = original.record.status->value.running;
  const auto& name = original.guest().name;
  if (!running) {
    throw Error(Reason::wrong_state, fmt::format("what {} runs with is not known yet", name))
        .remedy("try again in a moment");
  }
  const auto same = [](const model::DiskSpec& a, const model::DiskSpec& b) {
    return a.name == b.name && a.layer == b.layer;
  };
  if (std::ranges::equal(running->spec.disks, original.spec.disks, same)) return;
  throw Error(Reason::wrong_state,
              fmt::format("disks of {} come or go with its next start only", name))
      .remedy(fmt::format("restart it first: ruche vm shutdown {0} && ruche vm start {0}", name));
}

Original find_original(const Draft& draft, const model::CloneVm& request) {
  const auto& record = find_whole(draft, request.vm);
  const auto& guest = record.spec->value;
  Original original{record, guest.spec, {}};
  if (!request.snapshot.empty()) {
    const auto& snapshot = find_snapshot(draft.inventory(), guest, request.snapshot);
    if (snapshot.state != model::SnapshotState::ready) {
      throw Error(Reason::wrong_state, fmt::format("{} is still being taken", snapshot.name))
          .at("/snapshot")
          .remedy("wait for its task: ruche task list");
    }
    original.spec = snapshot.spec;
    original.snapshot = snapshot.name;
    original.still = true;
    return original;
  }
  check_state(original);
  original.still = guest.is_template;
  original.has_process = has_process(state_of(record));
  if (original.has_process) check_same_disks(original);
  return original;
}

// What is copied without being held must not be on its way out, nor be merged: that was decided
// before anybody stood on it.
void check_stays(Draft& draft, const Original& original) {
  const auto& placement = original.record.placement->value;
  draft.depend(keys::placement(placement.host, placement.object));
  for (const auto& claim : placement.claims) {
    if (claim.facet != Facet::existence && claim.facet != Facet::storage) continue;
    throw Error(Reason::claimed, fmt::format("the disks of {} are busy: task {}",
                                             original.guest().name, to_text(claim.task)))
        .remedy(fmt::format("wait for it: ruche task show {}", to_text(claim.task)));
  }
}

// --- its documents -------------------------------------------------------------------------------

// What two guests cannot have is left out; the title says so.
std::vector<std::string> drop_what_is_single(model::VmSpec& spec) {
  std::vector<std::string> dropped;
  const auto drop = [&](auto& devices, const char* what) {
    if (!devices.empty()) dropped.emplace_back(what);
    devices.clear();
  };
  drop(spec.shares, "folders of the host");
  drop(spec.usb, "USB devices");
  drop(spec.pci, "PCI devices");
  bool forwards = false;
  for (auto& nic : spec.nics) {
    forwards = forwards || !nic.forwards.empty();
    nic.forwards.clear();
  }
  if (forwards) dropped.emplace_back("forwards");
  return dropped;
}

std::string title(const Original& original, const model::CloneVm& request, const std::string& name,
                  const std::vector<std::string>& dropped) {
  const auto& guest = original.guest();
  std::string from = guest.name;
  if (!original.snapshot.empty()) from += fmt::format(" (snapshot {})", original.snapshot);
  std::vector<std::string> notes;
  if (request.linked) notes.emplace_back("linked");
  if (!dropped.empty()) notes.push_back(fmt::format("without its {}", fmt::join(dropped, ", ")));
  if (!original.spec.cloud_init) notes.emplace_back("the system in it keeps its name and its keys");
  const auto note = notes.empty() ? "" : fmt::format(" ({})", fmt::join(notes, "; "));
  return fmt::format("Clone {} as {}{}", from, name, note);
}

model::Guest make_guest(Draft& draft, const Original& original, const model::CloneVm& request,
                        const std::optional<model::NewCopy>& chosen) {
  model::Guest guest;
  guest.id = chosen ? chosen->guest : draft.new_id<model::GuestId>();
  guest.name = chosen ? chosen->name : request.name;
  guest.display_name = request.display_name;
  guest.description = request.description;
  guest.tags = request.tags;
  guest.datastore = original.guest().datastore;
  guest.image = original.guest().image;
  guest.seed = original.guest().seed;
  guest.created_at = draft.now();
  guest.spec = original.spec;
  guest.spec.autostart = false;
  guest.spec.generation_id = to_text(draft.new_id<model::GuestId>());
  if (guest.spec.cloud_init) {
    guest.spec.cloud_init->host_name = guest.name;
    guest.spec.cloud_init->copied = true;
  }
  return guest;
}

void add_adapters(Draft& draft, const Site& site, const std::string& wished, model::Guest& guest) {
  for (auto& nic : guest.spec.nics) {
    const auto as_it_was = nic.network ? to_text(*nic.network) : std::string("user");
    nic.mac = take_mac(draft, guest.id);
    nic.kind = model::NicKind::user;
    nic.network.reset();
    nic.address.clear();
    plug_in(draft, site, wished.empty() ? as_it_was : wished, guest.id, nic);
  }
}

// Media and files to boot from belong to images. Of an old snapshot a medium may be gone.
void count_images(Draft& draft, model::VmSpec& spec) {
  for (auto& drive : spec.cdroms) {
    if (drive.layer && !draft.find_layer(*drive.layer)) {
      drive.layer.reset();
      drive.image.reset();
    }
    if (drive.layer) count_user(draft, *drive.layer, 1);
  }
  if (spec.boot.kernel) count_user(draft, *spec.boot.kernel, 1);
  if (spec.boot.initrd) count_user(draft, *spec.boot.initrd, 1);
}

// --- its volumes ---------------------------------------------------------------------------------

const model::Layer& layer_of(const Draft& draft, LayerId id) {
  if (const auto* layer = draft.find_layer(id)) return *layer;
  throw Error(Reason::document_unreadable, fmt::format("the layer {} is missing", to_text(id)));
}

LayerId add_own(Draft& draft, const model::Guest& guest, model::Layer layer) {
  layer.id = draft.new_id<LayerId>();
  layer.owner_kind = model::ObjectKind::guest;
  layer.owner = guest.id.value;
  layer.state = model::LayerState::creating;
  layer.references = 0;
  const auto id = layer.id;
  add_layer(draft, std::move(layer));
  return id;
}

// A copy is of what the layers of guests hold; it stands on the image again.
LayerId add_full_copy(Draft& draft, const model::DiskSpec& disk, Copy& copy) {
  const auto chain = chain_of(draft.inventory(), disk.layer);
  const auto image = std::ranges::find(chain, model::ObjectKind::image, &model::Layer::owner_kind);
  model::Layer layer = chain.front();
  layer.parent.reset();
  if (image != chain.end()) layer.parent = image->id;
  const auto parent = layer.parent;
  const auto id = add_own(draft, copy.guest, std::move(layer));
  copy.plan.push_back(model::CopyVolume{id, disk.layer, parent});
  copy.reads.push_back(disk.layer);
  return id;
}

void add_disks(Draft& draft, bool linked, Copy& copy) {
  for (auto& disk : copy.guest.spec.disks) {
    if (!linked) {
      disk.layer = add_full_copy(draft, disk, copy);
      continue;
    }
    const auto below = disk.layer;
    disk.layer = add_overlay(draft, copy.guest, disk.name, below, disk.size);
    copy.plan.push_back(model::CreateVolume{disk.layer, disk.size, below});
  }
}

// A TPM starts empty: its keys are the original's own.
void add_small_files(Draft& draft, Copy& copy) {
  auto& spec = copy.guest.spec;
  if (spec.boot.uefi_vars) {
    const auto source = *spec.boot.uefi_vars;
    spec.boot.uefi_vars = add_own(draft, copy.guest, layer_of(draft, source));
    copy.plan.push_back(model::CopyVolume{*spec.boot.uefi_vars, source, std::nullopt});
    copy.reads.push_back(source);
  }
  if (!spec.tpm) return;
  auto layer = layer_of(draft, spec.tpm->state);
  layer.content = LayerContent::tpm_state;
  spec.tpm->state = add_own(draft, copy.guest, std::move(layer));
  copy.plan.push_back(model::CreateTpmState{spec.tpm->state});
}

// The variables of a guest that runs are copied at the instant of the cut, into a file that is
// there already. What is made before a cut stays; so the same step comes again after it, where it
// finds the file and is the one that takes it away if the copy fails.
void cut_variables(Draft& draft, Copy& copy, model::TakeSnapshot& cut,
                   std::vector<model::Step>& again) {
  auto& variables = copy.guest.spec.boot.uefi_vars;
  if (!variables) return;
  const auto source = layer_of(draft, *variables);
  variables = add_own(draft, copy.guest, source);
  const model::CreateVolume make{*variables, source.size, std::nullopt};
  copy.plan.push_back(make);
  cut.files.push_back({source.id, *variables});
  again.push_back(make);
}

// The original goes on in overlays, and what its disks were stays as it is.
void add_cut(Draft& draft, const Original& original, Copy& copy) {
  model::TakeSnapshot cut;
  cut.guest = original.guest().id;
  cut.was_paused = state_of(original.record) == GuestState::paused;
  auto disks = cut_disks(draft, original.guest());
  copy.plan = std::move(disks.steps);
  cut.disks = std::move(disks.disks);
  std::vector<model::Step> again;
  if (original.has_process) cut_variables(draft, copy, cut, again);
  copy.plan.push_back(std::move(cut));
  copy.plan.insert(copy.plan.end(), again.begin(), again.end());
}

void add_volumes(Draft& draft, const Original& original, bool linked, Copy& copy) {
  const bool cuts = !original.still && (linked || original.has_process);
  if (cuts) add_cut(draft, original, copy);
  const auto variables = copy.guest.spec.boot.uefi_vars;
  const bool have_them = cuts && original.has_process;
  if (have_them) copy.guest.spec.boot.uefi_vars.reset();
  add_disks(draft, linked, copy);
  add_small_files(draft, copy);
  if (have_them) copy.guest.spec.boot.uefi_vars = variables;
}

}  // namespace

Proposal clone(Draft& draft, const Site& site, const model::CloneVm& request,
               std::optional<model::NewCopy> chosen) {
  auto original = find_original(draft, request);
  if (original.still) check_stays(draft, original);
  const auto& source = original.record.placement->value;
  auto there = site;
  there.self = source.host;  // where the disks of the original are
  const auto dropped = drop_what_is_single(original.spec);

  Copy copy{make_guest(draft, original, request, chosen)};
  auto& guest = copy.guest;
  const auto& datastore = draft.inventory().datastores().at(guest.datastore.value);
  stand_on(draft, datastore->placement, "the datastore " + datastore->spec->value.name);
  unwrap(model::check_tags(guest.tags));
  check_host(draft, there, guest);
  draft.take_name("vm", guest.name, guest.id.value);
  guest.uid = take_uid(draft, guest.id);
  guest.pool = pool_named(draft, request.pool, there.self);
  // Before its disks, which are counted in its pool.
  auto& placement = draft.create(keys::placement(there.self, guest.id.value),
                                 model::Placement{.kind = model::ObjectKind::guest,
                                                  .object = guest.id.value,
                                                  .host = there.self,
                                                  .pool = guest.pool});
  count_images(draft, guest.spec);
  add_volumes(draft, original, request.linked, copy);
  add_adapters(draft, there, request.network, guest);
  unwrap(model::check_spec(guest.spec));

  const auto id = guest.id;
  const model::ObjectRef object{model::ObjectKind::guest, id.value, guest.name};
  copy.plan.push_back(model::RegisterGuest{id});
  draft.create(keys::guest_status(id), model::GuestStatus{});
  if (request.start) {
    reserve_for_start(draft, there, guest, placement);
    copy.plan.push_back(model::LaunchMachine{id, std::nullopt, std::nullopt});
    copy.plan.push_back(model::ResumeMachine{id});
  }
  Proposal proposal{"vm.clone", title(original, request, guest.name, dropped),
                    object,     {Facet::existence},
                    there.self, std::move(copy.plan)};
  proposal.reads = std::move(copy.reads);
  if (!original.still) {
    proposal.source = model::Hold{original.guest().id.value,
                                  {Facet::power, Facet::configuration, Facet::storage}};
  }
  draft.create(keys::guest_spec(id), std::move(guest));
  return proposal;
}

}  // namespace ruche::core::plans
