#include "core/guests/plan_bulk.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "core/tasks/task_parts.hpp"

namespace ruche::core::plans {

using model::BulkAction;
using model::BulkVms;

namespace {

std::string_view verb_of(const BulkVms& order) {
  switch (order.action) {
    case BulkAction::start:
      return "Start";
    case BulkAction::shutdown:
      return "Shut down";
    case BulkAction::stop:
      return "Stop";
    case BulkAction::reset:
      return "Reset";
    case BulkAction::pause:
      return "Pause";
    case BulkAction::resume:
      return "Resume";
    case BulkAction::suspend:
      return "Suspend";
    case BulkAction::freeze:
      return "Freeze";
    case BulkAction::thaw:
      return "Thaw";
    case BulkAction::delete_:
      return order.purge ? "Purge" : "Delete";
    case BulkAction::undelete:
      return "Undelete";
  }
  broken_invariant("an action without a verb");
}

// Each parameter is of one action; with another it would be ignored, which nobody means.
void check_parameters(const BulkVms& request) {
  struct Parameter {
    std::string_view name;
    bool given;
    BulkAction action;
  };
  const std::array parameters = {
      Parameter{"timeout_ms", request.timeout.has_value(), BulkAction::shutdown},
      Parameter{"then_stop", request.then_stop, BulkAction::shutdown},
      Parameter{"force", request.force, BulkAction::stop},
      Parameter{"hold_ms", request.hold.has_value(), BulkAction::freeze},
      Parameter{"purge", request.purge, BulkAction::delete_},
      Parameter{"stop", request.stop, BulkAction::delete_},
  };
  for (const auto& parameter : parameters) {
    if (!parameter.given || parameter.action == request.action) continue;
    throw Error(Reason::bad_request,
                fmt::format("`{}` is of the action {}, not of {}", parameter.name,
                            enum_name(parameter.action), enum_name(request.action)))
        .at(fmt::format("/{}", parameter.name))
        .remedy("leave it out");
  }
  if (request.vms.empty() != request.filter.empty()) return;
  throw Error(Reason::bad_request, request.vms.empty()
                                       ? "neither names nor a filter say which VMs are meant"
                                       : "names and a filter are given")
      .at(request.vms.empty() ? "/vms" : "/filter")
      .remedy("give exactly one of `vms` and `filter`");
}

// As the method for one guest finds it. What is wrong with its state is told by its own task.
model::GuestId meant_by(const Draft& draft, const BulkVms& request, const std::string& reference) {
  if (request.action == BulkAction::undelete) {
    if (const auto* deleted = latest_deleted(draft, reference)) return deleted->spec->value.id;
  }
  const bool bin_too = request.action != BulkAction::delete_ || request.purge;
  return find_guest(draft, reference, bin_too).spec->value.id;
}

std::vector<model::GuestId> named(const Draft& draft, const BulkVms& request) {
  std::vector<model::GuestId> guests;
  for (std::size_t i = 0; i < request.vms.size(); ++i) {
    try {
      const auto id = meant_by(draft, request, request.vms[i]);
      if (std::ranges::find(guests, id) == guests.end()) guests.push_back(id);
    } catch (const Error& error) {
      throw Error(error).at(fmt::format("/vms/{}", i));
    }
  }
  return guests;
}

std::vector<model::GuestId> found(const BulkVms& request, const FindGuests& find) {
  auto guests = find(request.filter, request.action == BulkAction::undelete);
  if (guests.empty()) {
    throw Error(Reason::nothing_matches, fmt::format("no VM matches {}", request.filter))
        .at("/filter")
        .remedy("see what it finds: ruche vm list --filter");
  }
  if (guests.size() > model::kMostBulkVms) {
    throw Error(Reason::too_many_objects,
                fmt::format("{} VMs match {}; one request is for at most {}", guests.size(),
                            request.filter, model::kMostBulkVms))
        .at("/filter")
        .remedy("narrow it, with host=… or name~… for example");
  }
  return guests;
}

Proposal propose_for(Draft& draft, const Site& site, const BulkVms& order, model::GuestId guest) {
  const auto vm = to_text(guest);
  switch (order.action) {
    case BulkAction::start:
      return start(draft, site, {vm});
    case BulkAction::shutdown:
      return shutdown(draft,
                      {vm, order.timeout.value_or(model::ShutdownVm{}.timeout), order.then_stop});
    case BulkAction::stop:
      return stop(draft, {vm, order.force});
    case BulkAction::reset:
      return reset(draft, {vm});
    case BulkAction::pause:
      return pause(draft, {vm});
    case BulkAction::resume:
      return resume(draft, site, {vm});
    case BulkAction::suspend:
      return suspend(draft, {vm});
    case BulkAction::freeze:
      return freeze(draft, {vm, order.hold.value_or(model::FreezeVm{}.hold)});
    case BulkAction::thaw:
      return thaw(draft, {vm});
    case BulkAction::delete_:
      return remove(draft, {vm, order.purge, order.stop});
    case BulkAction::undelete:
      return undelete(draft, {vm, {}});
  }
  broken_invariant("an action without a plan");
}

const model::RunForEach& each_of(const model::Task& parent) {
  return std::get<model::RunForEach>(parent.plan.front());
}

model::NewCopy copy_of(const model::RunForEach& each, model::GuestId guest) {
  const auto index = std::ranges::find(each.guests, guest) - each.guests.begin();
  return {guest, each.names.at(static_cast<std::size_t>(index))};
}

}  // namespace

Proposal for_each(Draft& draft, const Site& site, const BulkVms& request, const FindGuests& find) {
  check_parameters(request);
  model::RunForEach each;
  each.order = request;
  each.order.vms.clear();
  each.guests = request.filter.empty() ? named(draft, request) : found(request, find);
  const auto count = each.guests.size();
  Proposal proposal;
  proposal.method = "vm.bulk";
  proposal.summary = fmt::format("{} {} VM{}", verb_of(request), count, count == 1 ? "" : "s");
  const auto host = draft.inventory().hosts().find(site.self.value);
  const bool known = host != draft.inventory().hosts().end() && host->second->spec;
  proposal.object = {model::ObjectKind::host, site.self.value,
                     known ? host->second->spec->value.name : to_text(site.self)};
  proposal.host = site.self;
  proposal.plan.emplace_back(std::move(each));
  return proposal;
}

model::Task part_for(Draft& draft, const Site& site, const model::Task& parent,
                     model::GuestId guest, const PlanCopy& copy) {
  const auto& each = each_of(parent);
  auto proposal = each.copy ? copy(draft, *each.copy, copy_of(each, guest))
                            : propose_for(draft, site, each.order, guest);
  proposal.id = part_id(parent.id, guest.value);
  proposal.parent = parent.id;
  Caller caller;
  caller.user = parent.user;
  return add_task(draft, caller, proposal);
}

model::Task refused_part(const Draft& draft, const model::Task& parent, model::GuestId guest,
                         const Error& why) {
  const auto& each = each_of(parent);
  model::Task task;
  task.id = part_id(parent.id, guest.value);
  task.object = {model::ObjectKind::guest, guest.value, to_text(guest)};
  task.host = parent.host;
  const auto record = draft.inventory().guests().find(guest.value);
  if (record != draft.inventory().guests().end() && record->second->complete()) {
    task.object.name = record->second->spec->value.name;
    task.host = record->second->placement->value.host;
  }
  if (each.copy) {
    task.object.name = copy_of(each, guest).name;
    task.method = parent.method;
    task.summary = fmt::format("Make {}", task.object.name);
  } else {
    task.method = fmt::format("vm.{}", enum_name(each.order.action));
    task.summary = fmt::format("{} {}", verb_of(each.order), task.object.name);
  }
  task.user = parent.user;
  task.parent = parent.id;
  task.state = model::TaskState::failed;
  task.error = model::to_problem(why);
  task.created_at = draft.now();
  task.ended_at = task.created_at;
  return task;
}

std::vector<model::Task> plan_parts(Draft& draft, const Site& site, const model::Task& parent,
                                    const PlanCopy& copy) {
  std::vector<model::Task> parts;
  for (const auto guest : each_of(parent).guests) {
    try {
      parts.push_back(part_for(draft, site, parent, guest, copy));
    } catch (const Error& refusal) {
      parts.push_back(refused_part(draft, parent, guest, refusal));
    }
  }
  return parts;
}

}  // namespace ruche::core::plans
