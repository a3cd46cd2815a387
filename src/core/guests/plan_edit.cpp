#include <fmt/format.h>

#include "core/guests/plans.hpp"
#include "core/placement/admission.hpp"
#include "model/guest_rules.hpp"

namespace ruche::core::plans {

namespace {

model::VmEdit editable(const model::Guest& guest) {
  model::VmEdit edit;
  edit.name = guest.name;
  edit.display_name = guest.display_name;
  edit.description = guest.description;
  edit.tags = guest.tags;
  edit.cpus = guest.spec.cpus;
  edit.topology = guest.spec.topology;
  edit.cpu_baseline = guest.spec.cpu_baseline;
  edit.memory = guest.spec.memory;
  edit.memory_kind = guest.spec.memory_kind;
  edit.command_line = guest.spec.boot.command_line;
  edit.autostart = guest.spec.autostart;
  edit.restart_policy = guest.spec.restart_policy;
  return edit;
}

model::VmSpec changed_spec(const model::Guest& guest, const model::VmEdit& edit) {
  model::VmSpec spec = guest.spec;
  spec.cpus = edit.cpus;
  spec.topology = edit.topology;
  spec.cpu_baseline = edit.cpu_baseline;
  spec.memory = edit.memory;
  spec.memory_kind = edit.memory_kind;
  spec.boot.command_line = edit.command_line;
  spec.autostart = edit.autostart;
  spec.restart_policy = edit.restart_policy;
  return spec;
}

// What only takes effect when the process starts.
bool changes_hardware(const model::VmSpec& before, model::VmSpec after) {
  after.autostart = before.autostart;
  after.restart_policy = before.restart_policy;
  return json::encode(before) != json::encode(after);
}

void unwrap(std::expected<void, Error> checked) {
  if (!checked) throw std::move(checked.error());
}

}  // namespace

Proposal edit(Draft& draft, const Site& site, const Caller& caller, const std::string& vm,
              const std::function<void(model::VmEdit&)>& change) {
  const auto& record = find_guest(draft, vm);
  check_if_match(caller, record.spec->revision);
  const model::Guest before = record.spec->value;
  model::VmEdit wanted = editable(before);
  change(wanted);
  unwrap(model::check_tags(wanted.tags));
  const model::VmSpec spec = changed_spec(before, wanted);
  unwrap(model::check_spec(spec));
  const auto state = state_of(record);
  const bool has_process = state == model::GuestState::running || state == model::GuestState::paused;
  if (changes_hardware(before.spec, spec)) {
    if (has_process) {
      throw Error(Reason::wrong_state,
                  fmt::format("{} is {}; its hardware changes only while it is stopped",
                              before.name, enum_name(state)))
          .remedy(fmt::format("stop it first: ruche vm shutdown {}", before.name));
    }
    const auto host = draft.inventory().hosts().find(record.placement->value.host.value);
    if (host != draft.inventory().hosts().end() && host->second->ledger && host->second->status) {
      const auto wanted_resources = model::reservation_of(spec, site.capabilities.overhead);
      unwrap(could_ever_run(host->second->ledger->value, wanted_resources));
      unwrap(can_run_baseline(host->second->status->value, spec.cpu_baseline));
    }
  }
  if (wanted.name != before.name) {
    draft.take_name("vm", wanted.name, before.id.value);
    draft.free_name("vm", before.name);
  }
  auto& guest = draft.guest(before.id);
  guest.name = wanted.name;
  guest.display_name = wanted.display_name;
  guest.description = wanted.description;
  guest.tags = wanted.tags;
  guest.spec = spec;
  return Proposal{"vm.set", fmt::format("Change {}", before.name),
                  {model::ObjectKind::guest, before.id.value, wanted.name},
                  {model::Facet::configuration}, record.placement->value.host,
                  {model::ExportConfiguration{before.id}}};
}

}  // namespace ruche::core::plans
