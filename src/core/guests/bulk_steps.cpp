#include "core/guests/bulk_steps.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>

#include "core/tasks/task_parts.hpp"

namespace ruche::core {

using model::RunForEach;

namespace {

// On each host. A launch is work; somebody who shuts down is only waited for.
constexpr std::size_t kAtOnce = 16;
constexpr std::size_t kWaitedForAtOnce = 64;
constexpr std::size_t kMostNamed = 10;
constexpr std::size_t kMostPerCommit = 50;
constexpr Duration kRetryPause{500};

std::size_t at_once(const RunForEach& each) {
  return each.order.action == model::BulkAction::shutdown ? kWaitedForAtOnce : kAtOnce;
}

// The task as the store has it, as long as it shall go forward.
const model::Task* going_forward(const Inventory& inventory, model::TaskId id) {
  const auto found = inventory.tasks().find(id.value);
  if (found == inventory.tasks().end()) return nullptr;
  const auto& task = found->second->value;
  const bool forward =
      task.state == model::TaskState::waiting || task.state == model::TaskState::running;
  return forward && !task.cancel_requested ? &task : nullptr;
}

void throw_if_some_failed(const Inventory& inventory, const model::Task& task) {
  const auto parts = parts_of(inventory, task);
  std::vector<std::string> failed;
  for (const auto& part : parts) {
    if (part.state != model::TaskState::done) failed.push_back(part.object.name);
  }
  if (failed.empty()) return;
  const auto count = failed.size();
  failed.resize(std::min(count, kMostNamed));
  const auto more =
      count > kMostNamed ? fmt::format(" and {} more", count - kMostNamed) : std::string();
  throw Error(Reason::some_failed, fmt::format("{} of {} failed: {}{}", count, parts.size(),
                                               fmt::join(failed, ", "), more))
      .remedy(fmt::format("see why: ruche task show {}", to_text(task.id)));
}

}  // namespace

struct BulkSteps::Member {
  model::GuestId guest;
  model::TaskId task;
  std::string key;  // of that task; asked for often
  bool is_copy = false;
};

bool BulkSteps::handles(const model::Step& step) const {
  return std::holds_alternative<RunForEach>(step);
}
bool BulkSteps::is_pivot(const model::Step&) const { return false; }
bool BulkSteps::found_by_name(const model::Step&) const { return true; }
void BulkSteps::settle(const model::Step&, Outcome, const Error*, Draft&) {}

// Applying looks first at what is there.
Async<Observation> BulkSteps::observe(const model::Step&, const StepContext&) {
  co_return Observation::absent;
}

BulkSteps::Members BulkSteps::members_of(const model::Task& task, const RunForEach& each) const {
  Members members;
  members.reserve(each.guests.size());
  for (const auto guest : each.guests) {
    const auto id = part_id(task.id, guest.value);
    members.push_back({guest, id, keys::task(id), each.copy.has_value()});
  }
  return members;
}

// A document that cannot be read was written all the same.
bool BulkSteps::is_begun(const Member& member) const {
  return parts_.writer.inventory().key_revision(member.key) != ports::Revision{};
}

bool BulkSteps::is_open(const Member& member) const {
  const auto& tasks = parts_.writer.inventory().tasks();
  const auto found = tasks.find(member.task.value);
  return found != tasks.end() && model::is_open(found->second->value.state);
}

// The first that is not begun and whose host is not busy with the others.
const BulkSteps::Member* BulkSteps::next(const Members& members, std::size_t at_once) const {
  const auto& guests = parts_.writer.inventory().guests();
  // All copies are made where their original is.
  const auto host_of = [&](const Member& member) {
    if (member.is_copy) return model::HostId{};
    const auto found = guests.find(member.guest.value);
    const bool known = found != guests.end() && found->second->placement;
    return known ? found->second->placement->value.host : model::HostId{};
  };
  std::map<model::HostId, std::size_t> open;
  for (const auto& member : members) {
    if (is_open(member)) ++open[host_of(member)];
  }
  const auto found = std::ranges::find_if(members, [&](const Member& member) {
    return !is_begun(member) && open[host_of(member)] < at_once;
  });
  return found == members.end() ? nullptr : &*found;
}

// One commit, which compares the parent's document: it comes about only while the parent goes
// forward. Whoever has seen that it shall end has also seen every part that was begun before; a
// commit that is still on its way then will find the document changed.
void BulkSteps::write_part(Draft& draft, model::TaskId parent, model::GuestId guest) const {
  const auto key = keys::task(part_id(parent, guest.value));
  if (draft.inventory().key_revision(key) != ports::Revision{}) return;
  const auto* task = going_forward(draft.inventory(), parent);
  if (task == nullptr) return;
  try {
    plans::part_for(draft, parts_.site(), *task, guest, parts_.copy);
  } catch (const Error& refusal) {
    draft.clear();
    auto part = plans::refused_part(draft, *task, guest, refusal);
    Caller caller;
    caller.user = task->user;
    auto record = audit_record(caller, part.method, part.object);
    record.task = part.id;
    record.outcome = model::AuditOutcome::refused;
    record.reason = refusal.message();
    draft.record(task->host, std::move(record));
    draft.create(key, std::move(part));
  }
  draft.depend(keys::task(parent));
}

Async<void> BulkSteps::begin(model::TaskId parent, model::GuestId guest) {
  std::optional<Error> failure;
  try {
    co_await parts_.writer.transact([&](Draft& draft) { write_part(draft, parent, guest); });
  } catch (const Error& error) {
    failure = error;
  }
  if (!failure) co_return;
  const bool may_pass =
      failure->code() == ErrorCode::unavailable || failure->reason() == Reason::store_conflict;
  if (!may_pass) throw std::move(*failure);
  co_await sleep_for(parts_.writer.clock(), kRetryPause);
}

Async<void> BulkSteps::apply(const model::Step& step, const StepContext& context) {
  const auto& each = std::get<RunForEach>(step);
  const auto members = members_of(context.task, each);
  auto& inventory = parts_.writer.inventory();
  while (true) {
    const auto* member =
        going_forward(inventory, context.task.id) ? next(members, at_once(each)) : nullptr;
    if (member != nullptr) {
      co_await begin(context.task.id, member->guest);
      continue;
    }
    const bool through = std::ranges::all_of(
        members, [this](const Member& one) { return is_begun(one) && !is_open(one); });
    if (through) break;
    co_await inventory.changed();
  }
  throw_if_some_failed(inventory, context.task);
}

Async<void> BulkSteps::cancel(std::vector<model::TaskId> tasks) {
  co_await parts_.writer.insist([&](Draft& draft) {
    for (const auto id : tasks) {
      const auto& known = draft.inventory().tasks();
      const auto found = known.find(id.value);
      if (found == known.end() || !model::is_open(found->second->value.state)) continue;
      draft.task(id).cancel_requested = model::CancelKind::user;
    }
  });
}

Async<void> BulkSteps::revert(const model::Step& step, const StepContext& context) {
  const auto members = members_of(context.task, std::get<RunForEach>(step));
  auto& inventory = parts_.writer.inventory();
  while (true) {
    std::vector<model::TaskId> to_end;
    bool any_open = false;
    for (const auto& member : members) {
      if (!is_open(member)) continue;
      any_open = true;
      const bool asked =
          inventory.tasks().at(member.task.value)->value.cancel_requested.has_value();
      if (!asked && to_end.size() < kMostPerCommit) to_end.push_back(member.task);
    }
    if (!any_open) co_return;
    if (to_end.empty()) {
      co_await inventory.changed();
    } else {
      co_await cancel(std::move(to_end));
    }
  }
}

}  // namespace ruche::core
