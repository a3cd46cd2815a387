// Taking a snapshot: overlays for the disks, copies of the small files, one cut.
#include <fmt/format.h>

#include <algorithm>

#include "core/guests/plan_parts.hpp"
#include "core/guests/snapshot_documents.hpp"
#include "core/snapshots/overlays.hpp"
#include "core/snapshots/snapshot_plans.hpp"
#include "model/device_abilities.hpp"

namespace ruche::core::plans {

namespace {

using model::Facet;
using model::GuestState;
using model::LayerContent;
using model::LayerId;

// 2026-11-30-191530, and -2 … when there is one.
std::string name_by_time(const Draft& draft, model::GuestId guest) {
  auto text = to_rfc3339(draft.now()).substr(0, 19);
  text[10] = '-';
  text.erase(std::remove(text.begin(), text.end(), ':'), text.end());
  auto name = text;
  for (int n = 2; draft.inventory().name_holder("snapshot", snapshot_name_key(guest, name)); ++n) {
    name = fmt::format("{}-{}", text, n);
  }
  return name;
}

void require_possible(const GuestRecord& record) {
  const auto& guest = record.spec->value;
  const auto state = state_of(record);
  if (state == GuestState::suspended) {
    throw Error(
        Reason::wrong_state,
        fmt::format("{} is suspended, and its memory belongs to its disks as they are", guest.name))
        .remedy(fmt::format("resume it first: ruche vm resume {0}, or give its memory up: ruche "
                            "vm discard {0}",
                            guest.name));
  }
  const auto& status = record.status->value;
  if (status.thaw_at) {
    throw Error(Reason::wrong_state, fmt::format("the file systems of {} are frozen", guest.name))
        .remedy(fmt::format("thaw them first: ruche vm thaw {}", guest.name));
  }
  if (has_process(state) && !status.running) {
    throw Error(Reason::wrong_state, fmt::format("what {} runs with is not known yet", guest.name))
        .remedy("try again in a moment");
  }
}

void check_quiesce(const GuestRecord& record, const model::CreateSnapshot& request) {
  if (!request.quiesce) return;
  const auto& name = record.spec->value.name;
  if (request.memory) {
    throw Error(Reason::bad_spec, "with its memory a snapshot needs no frozen file systems")
        .at("/quiesce")
        .remedy("leave one of memory and quiesce out");
  }
  if (state_of(record) != GuestState::running) {
    throw Error(Reason::wrong_state, fmt::format("{} does not run", name))
        .at("/quiesce")
        .remedy("take the snapshot without quiesce");
  }
  const auto& agent = record.status->value.agent;
  if (agent && agent->connected) return;
  throw Error(Reason::no_agent, fmt::format("{} has no agent that answers", name))
      .at("/quiesce")
      .remedy("install qemu-guest-agent in it, or take the snapshot without quiesce");
}

void check_memory(const Draft& draft, const GuestRecord& record,
                  const model::CreateSnapshot& request) {
  if (!request.memory) return;
  const auto& guest = record.spec->value;
  if (!has_process(state_of(record))) {
    throw Error(Reason::wrong_state, fmt::format("{} does not run and has no memory", guest.name))
        .at("/memory")
        .remedy(
            fmt::format("leave the memory out, or start it first: ruche vm start {}", guest.name));
  }
  const auto& hardware = record.status->value.running->spec;
  for (const auto& device : model::devices_of(hardware)) {
    const auto why = model::why_not(device.kind, model::Ability::memory_snapshot);
    if (why.empty()) continue;
    throw Error(Reason::device_forbids,
                fmt::format("no snapshot of {} with its memory can be taken because of its {}: {}",
                            guest.name, device.name, why))
        .at("/memory")
        .remedy("take it without the memory");
  }
  check_room(draft, guest, hardware.memory, "take the snapshot without the memory");
}

std::string take_name(Draft& draft, const model::Guest& guest, const std::string& wished,
                      model::SnapshotId id) {
  const auto name = wished.empty() ? name_by_time(draft, guest.id) : wished;
  const auto key = snapshot_name_key(guest.id, name);
  if (draft.inventory().name_holder("snapshot", key)) {
    throw Error(Reason::name_in_use, fmt::format("{} has a snapshot {} already", guest.name, name))
        .at("/name")
        .remedy("choose another name");
  }
  draft.take_name("snapshot", key, id.value);
  return name;
}

// Plans while the steps are written down.
class Taking {
 public:
  Taking(Draft& draft, const GuestRecord& record, const model::CreateSnapshot& request)
      : draft_(draft), record_(record), request_(request), guest_(record.spec->value) {
    const auto state = state_of(record);
    alive_ = has_process(state);
    take_.guest = guest_.id;
    take_.was_paused = state == GuestState::paused;
    take_.thaw = request.quiesce;
    snapshot_.id = draft.new_id<model::SnapshotId>();
    take_.snapshot = snapshot_.id;
  }

  std::vector<model::Step> steps() {
    auto cut = cut_disks(draft_, guest_);
    plan_ = std::move(cut.steps);
    take_.disks = std::move(cut.disks);
    describe();
    keep_files();
    if (request_.memory) keep_memory();
    if (request_.quiesce) plan_.push_back(model::FreezeGuest{guest_.id});
    for (const auto layer : layers_held(snapshot_.spec)) count_user(draft_, layer, 1);
    const auto key = keys::snapshot(snapshot_.id);
    draft_.create(key, snapshot_);
    plan_.push_back(std::move(take_));
    plan_.push_back(model::ExportConfiguration{guest_.id, std::nullopt});
    return std::move(plan_);
  }
  const std::string& name() const { return snapshot_.name; }

 private:
  void describe() {
    snapshot_.guest = guest_.id;
    snapshot_.name = take_name(draft_, guest_, request_.name, snapshot_.id);
    snapshot_.description = request_.description;
    snapshot_.parent = guest_.snapshot;
    snapshot_.spec = guest_.spec;
    snapshot_.quiesced = request_.quiesce;
    snapshot_.crash_consistent = alive_ && !request_.memory && !request_.quiesce;
    snapshot_.created_at = draft_.now();
    if (request_.memory) snapshot_.running = record_.status->value.running;
  }

  // Nobody writes to the files of a guest that is off. Else the copies are filled at the instant of
  // the cut.
  LayerId keep(LayerId source) {
    const auto* original = draft_.find_layer(source);
    if (original == nullptr) {
      throw Error(Reason::document_unreadable, fmt::format("layer {} is gone", to_text(source)));
    }
    const auto size = original->size;
    const auto copy = add_file(draft_, guest_, original->content, size);
    if (!alive_) {
      plan_.push_back(model::CopyVolume{copy, source, std::nullopt});
    } else {
      plan_.push_back(model::CreateVolume{copy, size, std::nullopt});
      take_.files.push_back({source, copy});
    }
    return copy;
  }

  void keep_files() {
    auto& spec = snapshot_.spec;
    if (spec.boot.uefi_vars) spec.boot.uefi_vars = keep(*spec.boot.uefi_vars);
    if (spec.tpm) spec.tpm->state = keep(spec.tpm->state);
  }

  void keep_memory() {
    const auto size = snapshot_.running->spec.memory;
    take_.memory = add_file(draft_, guest_, LayerContent::memory, size);
    plan_.push_back(model::CreateVolume{*take_.memory, size, std::nullopt});
  }

  Draft& draft_;
  const GuestRecord& record_;
  const model::CreateSnapshot& request_;
  const model::Guest guest_;
  bool alive_ = false;
  model::TakeSnapshot take_;
  model::Snapshot snapshot_;
  std::vector<model::Step> plan_;
};

std::string title(const Site& site, const model::CreateSnapshot& request, const std::string& name,
                  const model::Guest& guest) {
  auto text = fmt::format("Take the snapshot {} of {}", name, guest.name);
  if (!request.memory) return text;
  text += ", with its memory";
  const auto& why = site.capabilities.no_write_tracking;
  if (!why.empty()) text += fmt::format(" (it stands still while that is saved: {})", why);
  return text;
}

}  // namespace

Proposal take_snapshot(Draft& draft, const Site& site, const model::CreateSnapshot& request) {
  const auto& record = find_guest(draft, request.vm, true);
  const auto& guest = record.spec->value;
  require_changeable(record, "takes no snapshots");
  require_possible(record);
  check_quiesce(record, request);
  check_memory(draft, record, request);
  if (snapshots_of(draft.inventory(), guest.id).size() >= model::kMostSnapshots) {
    throw Error(Reason::wrong_state, fmt::format("{} has {} snapshots, and more are not kept",
                                                 guest.name, model::kMostSnapshots))
        .remedy(fmt::format("delete some; see them: ruche snapshot tree {}", guest.name));
  }
  Taking taking(draft, record, request);
  auto plan = taking.steps();
  auto proposal = propose(record, "snapshot.create", "Take a snapshot of",
                          {Facet::power, Facet::configuration, Facet::storage}, std::move(plan));
  proposal.summary = title(site, request, taking.name(), guest);
  return proposal;
}

}  // namespace ruche::core::plans
