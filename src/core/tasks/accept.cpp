#include "core/tasks/accept.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace ruche::core {

using model::Facet;

namespace {
constexpr Duration kGivesWayIn = std::chrono::seconds(30);
}  // namespace

bool conflicts(Facet a, Facet b) {
  return a == b || a == Facet::existence || b == Facet::existence;
}

void check_if_match(const Caller& caller, ports::Revision revision) {
  if (!caller.if_match || *caller.if_match == revision) return;
  throw Error(Reason::revision_mismatch, fmt::format("the object has revision {}, If-Match says {}",
                                                     revision.number, caller.if_match->number))
      .remedy("read the object again, then repeat the change");
}

model::AuditRecord audit_record(const Caller& caller, std::string method,
                                std::optional<model::ObjectRef> object) {
  model::AuditRecord record;
  record.user = caller.user;
  record.origin = caller.origin;
  record.method = std::move(method);
  record.object = std::move(object);
  return record;
}

namespace {

const model::Task* find_task(const Inventory& inventory, model::TaskId id) {
  const auto found = inventory.tasks().find(id.value);
  return found == inventory.tasks().end() ? nullptr : &found->second->value;
}

// An object that a task holds: its own, or what it makes a copy of.
struct Wanted {
  const model::Hold& hold;
  const std::string& name;
};

std::string name_of(const Draft& draft, Uuid object) {
  const auto found = draft.inventory().guests().find(object);
  const bool known = found != draft.inventory().guests().end() && found->second->spec;
  return known ? found->second->spec->value.name : to_text(object);
}

void claim(Draft& draft, const Proposal& proposal, const Wanted& wanted, model::TaskId task) {
  if (wanted.hold.claims.empty()) return;
  auto& placement = draft.placement(wanted.hold.object);
  for (const auto& held : placement.claims) {
    const auto in_the_way = [&](Facet facet) { return conflicts(facet, held.facet); };
    if (std::ranges::none_of(wanted.hold.claims, in_the_way)) continue;
    const auto* holder = find_task(draft.inventory(), held.task);
    if (proposal.cancel_holders && holder) {
      draft.task(held.task).cancel_requested = model::CancelKind::user;
      continue;
    }
    const std::string what = holder ? holder->summary : to_text(held.task);
    throw Error(Reason::claimed,
                fmt::format("{} is busy: task {} ({})", wanted.name, what, to_text(held.task)))
        .remedy(fmt::format("wait for it, or cancel it: ruche task cancel {}", to_text(held.task)));
  }
  for (const Facet facet : wanted.hold.claims) placement.claims.push_back({facet, task});
}

// What the task needs for itself until it ends: claims, and layers that stay.
void take_hold(Draft& draft, const Proposal& proposal, model::TaskId task) {
  const model::Hold own{proposal.object.id, proposal.claims};
  claim(draft, proposal, {own, proposal.object.name}, task);
  if (proposal.source) {
    const auto name = name_of(draft, proposal.source->object);
    claim(draft, proposal, {*proposal.source, name}, task);
  }
  for (const auto layer : proposal.reads) ++draft.layer(layer).references;
}

model::Task make_task(Draft& draft, const Caller& caller, const Proposal& proposal) {
  model::Task task;
  task.id = proposal.id.value_or(draft.new_id<model::TaskId>());
  task.method = proposal.method;
  task.summary = proposal.summary;
  task.object = proposal.object;
  task.claims = proposal.claims;
  task.source = proposal.source;
  task.reads = proposal.reads;
  task.host = proposal.host;
  task.user = caller.user;
  task.parent = proposal.parent;
  task.plan = proposal.plan;
  task.created_at = draft.now();
  return task;
}

Async<std::optional<Accepted>> replay(Writer& writer, const Caller& caller) {
  if (caller.idempotency_key.empty() || caller.dry_run) co_return std::nullopt;
  const auto key = keys::idempotency(caller.user, caller.idempotency_key);
  const auto entry = co_await writer.read(key);
  if (!entry) co_return std::nullopt;
  auto record = documents::decode<IdempotencyRecord>(keys::DocumentKind::idempotency, entry->value);
  if (!record) throw std::move(record.error());
  if (record->fingerprint != caller.request_fingerprint) {
    throw Error(Reason::idempotency_key_reused, "this Idempotency-Key was used for another request")
        .remedy("use a new key for a new request");
  }
  // The store is asked, not the inventory, so the task may not have been seen here yet.
  co_await writer.inventory().reached(entry->revision);
  Accepted accepted;
  accepted.replayed = true;
  accepted.revision = writer.inventory().revision();
  if (const auto* task = find_task(writer.inventory(), record->task)) {
    accepted.task = *task;
  } else {
    accepted.task.id = record->task;
    accepted.task.state = model::TaskState::done;
  }
  co_return accepted;
}

}  // namespace

model::Task add_task(Draft& draft, const Caller& caller, const Proposal& proposal) {
  model::Task task = make_task(draft, caller, proposal);
  take_hold(draft, proposal, task.id);
  auto record = audit_record(caller, proposal.method, proposal.object);
  record.task = task.id;
  record.outcome = model::AuditOutcome::accepted;
  draft.record(proposal.host, std::move(record));
  draft.create(keys::task(task.id), task);
  return task;
}

namespace {

// Tidying begins again by itself, and may be broken off anywhere: nobody is refused for it.
bool gives_way(const model::Task& task) { return task.method == "vm.tidy"; }

std::optional<model::TaskId> giving_way(Draft& draft, const Proposal& proposal) {
  const auto* placement = draft.find_placement(proposal.object.id);
  if (!placement) return std::nullopt;
  for (const auto& held : placement->claims) {
    const auto in_the_way = [&](Facet facet) { return conflicts(facet, held.facet); };
    const auto* holder = find_task(draft.inventory(), held.task);
    if (!holder || !gives_way(*holder)) continue;
    if (std::ranges::any_of(proposal.claims, in_the_way)) return held.task;
  }
  return std::nullopt;
}

Async<void> wait_until_ended(Writer& writer, model::TaskId id) {
  while (true) {
    const auto* task = find_task(writer.inventory(), id);
    if (!task || !model::is_open(task->state)) co_return;
    co_await writer.inventory().changed();
  }
}

Async<void> end_what_gives_way(Writer& writer, model::TaskId id) {
  co_await writer.transact([&](Draft& draft) {
    const auto* task = find_task(draft.inventory(), id);
    if (!task || !model::is_open(task->state)) return;
    draft.task(id).cancel_requested = model::CancelKind::user;
  });
  co_await with_deadline(writer.clock(), kGivesWayIn, "the end of the task in the way",
                         wait_until_ended(writer, id));
}

// In one commit. `in_the_way`: what it was refused for, when that would give way.
Async<Accepted> accept_now(Writer& writer, const Caller& caller,
                           const std::function<Proposal(Draft&)>& propose,
                           std::optional<model::TaskId>& in_the_way) {
  Accepted accepted;
  const auto key = keys::idempotency(caller.user, caller.idempotency_key);
  bool twin_was_first = false;
  accepted.revision = co_await writer.transact([&](Draft& draft) {
    in_the_way.reset();
    twin_was_first =
        !caller.idempotency_key.empty() && draft.inventory().key_revision(key) != ports::Revision{};
    if (twin_was_first) return;
    const auto proposal = propose(draft);
    in_the_way = giving_way(draft, proposal);
    accepted.task = add_task(draft, caller, proposal);
    if (caller.idempotency_key.empty()) return;
    draft.create(key, IdempotencyRecord{caller.request_fingerprint, accepted.task.id, draft.now()});
  });
  if (!twin_was_first) co_return accepted;
  auto replayed = co_await replay(writer, caller);
  if (replayed) co_return std::move(*replayed);
  throw Error(Reason::store_conflict, "the same request was made at the same time and is gone")
      .remedy("make it again");
}

}  // namespace

Async<Accepted> accept(Writer& writer, Caller caller, std::function<Proposal(Draft&)> propose) {
  co_await writer.inventory().ready();
  auto replayed = co_await replay(writer, caller);
  if (replayed) co_return std::move(*replayed);
  if (caller.dry_run) {
    Accepted accepted;
    accepted.dry_run = true;
    Draft draft(writer.inventory(), writer.clock(), writer.random());
    accepted.task = add_task(draft, caller, propose(draft));
    co_return accepted;
  }
  std::optional<model::TaskId> in_the_way;
  try {
    co_return co_await accept_now(writer, caller, propose, in_the_way);
  } catch (const Error& error) {
    if (error.reason() != Reason::claimed || !in_the_way) throw;
  }
  co_await end_what_gives_way(writer, *in_the_way);
  // What it did changes the plan.
  co_return co_await accept_now(writer, caller, propose, in_the_way);
}

}  // namespace ruche::core
