// Several copies, templates that they are made from, and what `vm create --from-template` means.
#include <fmt/format.h>

#include <algorithm>

#include "base/json.hpp"
#include "core/guests/guest_edit.hpp"
#include "core/guests/plan_hardware.hpp"
#include "core/snapshots/copy_plans.hpp"
#include "core/snapshots/snapshot_plans.hpp"

namespace ruche::core::plans {

namespace {

using model::GuestState;

// app-01 … app-20
std::vector<std::string> names_of(const model::CloneVm& request) {
  const auto width = std::to_string(request.count).size();
  std::vector<std::string> names;
  for (std::uint32_t n = 1; n <= request.count; ++n) {
    names.push_back(fmt::format("{}-{:0{}}", request.name, n, width));
  }
  return names;
}

void check_names(const Draft& draft, const std::vector<std::string>& names) {
  for (const auto& name : names) {
    if (!is_valid_name(name)) {
      throw Error(Reason::bad_name, fmt::format("{} is no name: it is longer than 63", name))
          .at("/name")
          .remedy("choose a shorter one; the number is added to it");
    }
    if (draft.inventory().name_holder("vm", name)) {
      throw Error(Reason::name_in_use, fmt::format("the name {} is taken", name))
          .at("/name")
          .remedy("choose another; all of its numbers must be free");
    }
  }
}

}  // namespace

Proposal clone_many(Draft& draft, const Site& site, const model::CloneVm& request) {
  if (request.count <= 1) return clone(draft, site, request);
  const auto& record = find_whole(draft, request.vm);
  const auto& guest = record.spec->value;
  model::RunForEach each;
  each.copy = request;
  each.copy->vm = to_text(guest.id);
  each.copy->count = 1;
  if (!request.snapshot.empty()) {
    each.copy->snapshot = to_text(find_snapshot(draft.inventory(), guest, request.snapshot).id);
  } else if (!guest.is_template) {
    throw Error(
        Reason::wrong_state,
        fmt::format("{} goes on changing: each copy would be of another instant", guest.name))
        .at("/count")
        .remedy(fmt::format("take a snapshot (ruche snapshot create {0} base) and copy that "
                            "(--snapshot base), or make it a template: ruche vm template {0}",
                            guest.name));
  }
  each.names = names_of(request);
  check_names(draft, each.names);
  for (std::uint32_t n = 0; n < request.count; ++n) {
    each.guests.push_back(draft.new_id<model::GuestId>());
  }
  Proposal proposal;
  proposal.method = "vm.clone";
  proposal.summary = fmt::format("Clone {} as {} VMs, {} to {}", guest.name, request.count,
                                 each.names.front(), each.names.back());
  const auto host = draft.inventory().hosts().find(site.self.value);
  const bool known = host != draft.inventory().hosts().end() && host->second->spec;
  proposal.object = {model::ObjectKind::host, site.self.value,
                     known ? host->second->spec->value.name : to_text(site.self)};
  proposal.host = site.self;
  proposal.plan.emplace_back(std::move(each));
  return proposal;
}

// Every field that is not about the copy itself must be as if nobody had given it.
model::CloneVm copy_of_template(const model::CreateVm& request) {
  model::CreateVm plain;
  plain.name = request.name;
  plain.display_name = request.display_name;
  plain.description = request.description;
  plain.tags = request.tags;
  plain.from_template = request.from_template;
  plain.count = request.count;
  plain.network = request.network;
  plain.pool = request.pool;
  plain.start = request.start;
  const auto given = json::differences(type_of<model::CreateVm>(), &plain, &request);
  if (!given.empty()) {
    throw Error(Reason::bad_spec,
                fmt::format("the template {} decides that", request.from_template))
        .at(given.front().path)
        .remedy("leave it out, and change the VM when it is there: ruche vm set");
  }
  model::CloneVm copy;
  copy.vm = request.from_template;
  copy.name = request.name;
  copy.linked = true;
  copy.count = request.count;
  copy.start = request.start;
  copy.network = request.network;
  copy.pool = request.pool;
  copy.display_name = request.display_name;
  copy.description = request.description;
  copy.tags = request.tags;
  return copy;
}

// --- templates -----------------------------------------------------------------------------------

namespace {

void check_stopped(const GuestRecord& record) {
  const auto& name = record.spec->value.name;
  const auto state = state_of(record);
  if (state == GuestState::stopped || state == GuestState::crashed) return;
  const auto remedy = state == GuestState::suspended
                          ? fmt::format("give its memory up first: ruche vm discard {}", name)
                          : fmt::format("stop it first: ruche vm shutdown {}", name);
  throw Error(Reason::wrong_state,
              fmt::format("{} is {}; a template is a VM that is off", name, enum_name(state)))
      .remedy(remedy);
}

// What they stand on would change with the first start.
void check_no_copies(Draft& draft, const model::Guest& guest) {
  for (const auto& disk : guest.spec.disks) {
    draft.depend(keys::layer(disk.layer));
    const auto* layer = draft.find_layer(disk.layer);
    if (!layer || layer->references == 0) continue;
    const auto copies = layer->references == 1 ? std::string("one copy stands")
                                               : fmt::format("{} copies stand", layer->references);
    throw Error(Reason::in_use, fmt::format("{} on {} of {}", copies, disk.name, guest.name))
        .remedy("flatten them (ruche vm flatten NAME), or delete them first");
  }
}

}  // namespace

Proposal make_template(Draft& draft, const model::TemplateVm& request) {
  const auto& record = find_whole(draft, request.vm);
  const auto& guest = record.spec->value;
  if (guest.is_template != request.undo) {
    throw Error(Reason::wrong_state,
                fmt::format("{} is {} template", guest.name, request.undo ? "no" : "already a"));
  }
  if (request.undo) check_no_copies(draft, guest);
  if (!request.undo) check_stopped(record);
  auto& changed = draft.guest(guest.id);
  changed.is_template = !request.undo;
  if (!request.undo) changed.spec.autostart = false;
  const auto what = request.undo ? fmt::format("Make the template {} an ordinary VM", guest.name)
                                 : fmt::format("Make {} a template", guest.name);
  auto proposal = propose_change(record, "vm.template", what, {});
  proposal.claims.push_back(model::Facet::storage);
  return proposal;
}

// --- schedules -----------------------------------------------------------------------------------

namespace {

constexpr std::size_t kLongestSchedule = 47;  // "-20260102-030405" follows it in a name

auto find_schedule(std::vector<model::SnapshotSchedule>& schedules, const std::string& name) {
  return std::ranges::find(schedules, name, &model::SnapshotSchedule::name);
}

Proposal propose_schedule(const GuestRecord& record, std::string method, std::string summary) {
  auto proposal = propose_change(record, std::move(method), std::move(summary), {});
  proposal.claims = {model::Facet::configuration};
  return proposal;
}

}  // namespace

Proposal set_schedule(Draft& draft, const model::SetSchedule& request) {
  const auto& record = find_editable(draft, request.vm);
  const auto& guest = record.spec->value;
  if (request.name.size() > kLongestSchedule) {
    throw Error(Reason::too_long, fmt::format("the name of a schedule has at most {} letters: its "
                                              "snapshots add date and time to it",
                                              kLongestSchedule))
        .at("/name");
  }
  if (request.memory && request.quiesce) {
    throw Error(Reason::bad_spec, "with its memory a snapshot needs no frozen file systems")
        .at("/quiesce")
        .remedy("leave one of memory and quiesce out");
  }
  auto& schedules = draft.guest(guest.id).schedules;
  const model::SnapshotSchedule wanted{request.name, request.every, request.keep, request.memory,
                                       request.quiesce};
  const auto known = find_schedule(schedules, request.name);
  if (known != schedules.end()) {
    *known = wanted;
  } else if (schedules.size() < model::kMostSchedules) {
    schedules.push_back(wanted);
  } else {
    throw Error(Reason::wrong_state, fmt::format("{} has {} schedules, and no more are possible",
                                                 guest.name, schedules.size()))
        .remedy(fmt::format("see them: ruche snapshot schedule list {}", guest.name));
  }
  return propose_schedule(record, "snapshot.schedule.set",
                          fmt::format("Set the schedule {} of {}", request.name, guest.name));
}

Proposal remove_schedule(Draft& draft, const model::ScheduleRef& request) {
  const auto& record = find_whole(draft, request.vm);
  const auto& guest = record.spec->value;
  auto& schedules = draft.guest(guest.id).schedules;
  const auto known = find_schedule(schedules, request.schedule);
  if (known == schedules.end()) {
    throw Error(Reason::no_such_object,
                fmt::format("{} has no schedule {}", guest.name, request.schedule))
        .at("/schedule")
        .remedy(fmt::format("see them: ruche snapshot schedule list {}", guest.name));
  }
  schedules.erase(known);
  return propose_schedule(
      record, "snapshot.schedule.remove",
      fmt::format("Remove the schedule {} of {}", request.schedule, guest.name));
}

}  // namespace ruche::core::plans
