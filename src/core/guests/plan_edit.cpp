#include <fmt/format.h>

#include "core/guests/guest_edit.hpp"
#include "core/guests/plans.hpp"
#include "core/placement/admission.hpp"
#include "model/guest_rules.hpp"

namespace ruche::core::plans {

namespace {

// What only takes effect when the process starts.
bool changes_hardware(const model::VmSpec& before, model::VmSpec after) {
  after.autostart = before.autostart;
  after.restart_policy = before.restart_policy;
  return json::encode(before) != json::encode(after);
}

void check_editable(const GuestRecord& record) {
  const auto& guest = record.spec->value;
  if (guest.deleted_at) {
    throw Error(Reason::wrong_state, fmt::format("{} is in the recycle bin", guest.name))
        .remedy(fmt::format("take it out: ruche vm undelete {}", guest.name));
  }
  if (state_of(record) == model::GuestState::broken) {
    throw Error(Reason::object_broken, fmt::format("{} is broken", guest.name))
        .remedy(fmt::format("see why: ruche vm show {}", guest.name));
  }
}

void check_hardware(const Draft& draft, const Site& site, const GuestRecord& record,
                    const model::VmSpec& spec) {
  const auto state = state_of(record);
  const auto& name = record.spec->value.name;
  if (state == model::GuestState::running || state == model::GuestState::paused) {
    throw Error(Reason::wrong_state,
                fmt::format("{} is {}; its hardware changes only while it is stopped", name,
                            enum_name(state)))
        .remedy(fmt::format("stop it first: ruche vm shutdown {}", name));
  }
  const auto host = draft.inventory().hosts().find(record.placement->value.host.value);
  if (host == draft.inventory().hosts().end()) return;
  if (host->second->ledger) {
    const auto wanted = model::reservation_of(spec, site.capabilities.overhead);
    unwrap(could_ever_run(host->second->ledger->value, wanted));
  }
  if (host->second->status) {
    unwrap(can_run_baseline(host->second->status->value, spec.cpu_baseline));
  }
}

}  // namespace

Proposal edit(Draft& draft, const Site& site, const Caller& caller, const std::string& vm,
              const std::function<void(model::VmEdit&)>& change) {
  const auto& record = find_guest(draft, vm);
  check_if_match(caller, record.spec->revision);
  check_editable(record);
  const model::Guest before = record.spec->value;
  const model::VmEdit old = editable(before);
  model::VmEdit wanted = old;
  change(wanted);
  unwrap(model::check_tags(wanted.tags));
  model::Guest after = before;
  apply_edit(after, wanted);
  unwrap(model::check_spec(after.spec));

  std::vector<model::Facet> claims{model::Facet::configuration};
  if (changes_hardware(before.spec, after.spec)) {
    check_hardware(draft, site, record, after.spec);
    // A start that is under way has its reservation from the hardware as it was.
    claims.push_back(model::Facet::power);
  }
  // The old name stays reserved until the task ends, so that a failed one can go back to it.
  if (wanted.name != old.name) draft.take_name("vm", wanted.name, before.id.value);
  const auto host = record.placement->value.host;
  draft.guest(before.id) = after;
  return Proposal{"vm.set",
                  fmt::format("Change {}", before.name),
                  {model::ObjectKind::guest, before.id.value, wanted.name},
                  std::move(claims),
                  host,
                  {model::ExportConfiguration{before.id, old}}};
}

}  // namespace ruche::core::plans
