#include <fmt/format.h>

#include "core/guests/guest_edit.hpp"
#include "core/guests/plan_hardware.hpp"
#include "core/guests/plan_parts.hpp"
#include "core/guests/plans.hpp"
#include "core/placement/reservations.hpp"
#include "model/guest_rules.hpp"

namespace ruche::core::plans {

namespace {

bool changes_hardware(const model::VmSpec& before, model::VmSpec after) {
  after.autostart = before.autostart;
  after.start_order = before.start_order;
  after.start_delay = before.start_delay;
  after.restart_policy = before.restart_policy;
  after.on_host_shutdown = before.on_host_shutdown;
  return json::encode(before) != json::encode(after);
}

// Who asks for more than there is room for gets the room too.
void make_room(const model::VmEdit& old, model::VmEdit& wanted) {
  const bool cpus_grew = wanted.cpus > old.cpus && wanted.cpus_max == old.cpus_max;
  if (cpus_grew && wanted.cpus_max > 0) wanted.cpus_max = std::max(wanted.cpus, wanted.cpus_max);
  const bool memory_grew = wanted.memory > old.memory && wanted.memory_max == old.memory_max;
  if (memory_grew && wanted.memory_max.count > 0) {
    wanted.memory_max = std::max(wanted.memory, wanted.memory_max);
  }
}

}  // namespace

Proposal edit(Draft& draft, const Site& site, const Caller& caller, const std::string& vm,
              const std::function<void(model::VmEdit&)>& change) {
  const auto& record = find_guest(draft, vm);
  check_if_match(caller, record.spec->revision);
  find_whole(draft, vm);
  const model::Guest before = record.spec->value;
  const model::VmEdit old = editable(before);
  model::VmEdit wanted = old;
  change(wanted);
  make_room(old, wanted);
  if (wanted.autostart) refuse_template(before);
  unwrap(model::check_tags(wanted.tags));
  model::Guest after = before;
  apply_edit(after, wanted);
  // Before the hardware, so that what it grows by is counted where it will be.
  if (wanted.pool != old.pool) {
    after.pool = pool_named(draft, wanted.pool, record.placement->value.host);
    enter_pool(draft, draft.placement(before.id.value), after.pool);
  }

  // The old name stays reserved until the task ends, so that a failed one can go back to it.
  if (wanted.name != old.name) draft.take_name("vm", wanted.name, before.id.value);
  Proposal proposal;
  if (changes_hardware(before.spec, after.spec)) {
    const auto hardware = change_hardware(draft, site, record, after);
    proposal = propose_change(
        record, "vm.set", summary_of(fmt::format("Change {}", before.name), hardware), hardware);
  } else {
    draft.guest(before.id) = after;
    proposal = propose_change(record, "vm.set", fmt::format("Change {}", before.name), {});
    proposal.claims = {model::Facet::configuration};
  }
  proposal.object.name = wanted.name;
  return proposal;
}

}  // namespace ruche::core::plans
