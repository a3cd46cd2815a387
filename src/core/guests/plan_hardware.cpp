#include "core/guests/plan_hardware.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/guests/device_changes.hpp"
#include "core/guests/guest_edit.hpp"
#include "core/placement/admission.hpp"
#include "core/placement/reservations.hpp"
#include "model/guest_rules.hpp"
#include "model/hardware.hpp"

namespace ruche::core::plans {

namespace {

void check_counts(const model::VmSpec& spec) {
  const auto check = [](std::size_t count, std::size_t most, const char* what, const char* field) {
    if (count <= most) return;
    throw Error(Reason::out_of_range, fmt::format("a VM has at most {} {}", most, what)).at(field);
  };
  check(spec.disks.size(), model::kMostDisks, "disks", "/disks");
  check(spec.nics.size(), model::kMostNics, "network adapters", "/nics");
  check(spec.cdroms.size(), model::kMostDrives, "CD-ROM drives", "/cdroms");
  check(spec.shares.size(), model::kMostFolders, "folders of its host", "/shares");
  check(spec.usb.size(), model::kMostUsb, "USB devices of the host", "/usb");
  check(spec.pci.size(), model::kMostPci, "PCI devices of the host", "/pci");
}

// A device that is taken away is nothing to boot from.
void forget_what_leaves(const model::VmSpec& before, model::VmSpec& after) {
  std::erase_if(after.boot.order, [&](const std::string& name) {
    return model::has_device(before, name) && !model::has_device(after, name);
  });
}

void check_host_of(const Draft& draft, const Site& site, const GuestRecord& record,
                   const model::VmSpec& spec) {
  const auto host = draft.inventory().hosts().find(record.placement->value.host.value);
  if (host == draft.inventory().hosts().end()) return;
  if (host->second->ledger) {
    const auto wanted = model::reservation_of(spec, site.capabilities.overhead);
    unwrap(could_ever_run(host->second->ledger->value, wanted));
  }
  if (host->second->status) {
    unwrap(can_run_baseline(host->second->status->value, spec.cpu_baseline));
    unwrap(can_place(host->second->status->value, site.capabilities.numa_nodes, spec));
  }
}

// While it changes, the host promises the larger of what it has and what it becomes; the end of the
// task says which of the two it is.
void reserve_growth(Draft& draft, const Site& site, model::GuestId guest,
                    const model::VmSpec& reachable) {
  auto& placement = draft.placement(guest.value);
  const auto held = placement.reserved;
  if (held == model::Reservation{}) return;
  const auto wanted = model::reservation_of(reachable, site.capabilities.overhead);
  const model::Reservation most{std::max(held.memory, wanted.memory),
                                std::max(held.cpus, wanted.cpus)};
  if (most == held) return;
  unwrap(could_ever_run(draft.ledger(placement.host), most));
  reserve_more(draft, placement, {most.memory - held.memory, most.cpus - held.cpus});
}

void check_paused(const GuestRecord& record, const model::VmSpec& from, const model::VmSpec& to) {
  if (state_of(record) != model::GuestState::paused) return;
  const auto changes = device_changes(from, to);
  if (std::ranges::none_of(changes, needs_guest)) return;
  const auto& name = record.spec->value.name;
  throw Error(Reason::wrong_state, fmt::format("{} is paused and cannot do its part", name))
      .remedy(fmt::format("resume it first: ruche vm resume {}", name));
}

}  // namespace

void refuse_template(const model::Guest& guest) {
  if (!guest.is_template) return;
  throw Error(Reason::wrong_state,
              fmt::format("{} is a template, which never starts or changes", guest.name))
      .remedy(fmt::format("make a VM from it: ruche vm create NAME --from-template {0}; or make it "
                          "an ordinary one again: ruche vm template {0} --undo",
                          guest.name));
}

const GuestRecord& find_editable(const Draft& draft, const std::string& reference) {
  const auto& record = find_whole(draft, reference);
  refuse_template(record.spec->value);
  return record;
}

const GuestRecord& find_whole(const Draft& draft, const std::string& reference) {
  const auto& record = find_guest(draft, reference);
  const auto& guest = record.spec->value;
  if (guest.deleted_at) {
    throw Error(Reason::wrong_state, fmt::format("{} is in the recycle bin", guest.name))
        .remedy(fmt::format("take it out: ruche vm undelete {}", guest.name));
  }
  if (state_of(record) == model::GuestState::broken) {
    throw Error(Reason::object_broken, fmt::format("{} is broken", guest.name))
        .remedy(fmt::format("see why: ruche vm show {}", guest.name));
  }
  return record;
}

void refuse_suspended(const GuestRecord& record) {
  if (state_of(record) != model::GuestState::suspended) return;
  const auto& name = record.spec->value.name;
  throw Error(Reason::wrong_state,
              fmt::format("{} is suspended, and its memory knows its hardware as it is", name))
      .remedy(fmt::format("resume it first: ruche vm resume {}", name));
}

HardwareEdit change_hardware(Draft& draft, const Site& site, const GuestRecord& record,
                             model::Guest after) {
  refuse_template(record.spec->value);
  refuse_suspended(record);
  forget_what_leaves(record.spec->value.spec, after.spec);
  check_counts(after.spec);
  unwrap(model::assign_slots(after.spec));
  unwrap(model::check_spec(after.spec));
  check_host_of(draft, site, record, after.spec);
  HardwareEdit edit;
  const auto id = after.id;
  const auto& status = record.status;
  const auto state = state_of(record);
  const bool has_process =
      state == model::GuestState::running || state == model::GuestState::paused;
  if (has_process && !status->value.running) {
    throw Error(Reason::wrong_state,
                fmt::format("what {} runs with is not known yet", record.spec->value.name))
        .remedy("try again in a moment");
  }
  if (status && status->value.running) {
    const auto& running = *status->value.running;
    auto plan = model::plan_change(running, after.spec);
    check_paused(record, running.spec, plan.reachable);
    reserve_growth(draft, site, id, plan.reachable);
    edit.live = true;
    edit.changes = std::move(plan.changes);
  }
  draft.guest(id) = std::move(after);
  return edit;
}

std::string summary_of(std::string_view what, const HardwareEdit& edit) {
  std::vector<std::string> waiting;
  for (const auto& change : edit.changes) {
    if (!change.waits.empty()) waiting.push_back(change.device);
  }
  if (waiting.empty()) return std::string(what);
  return fmt::format("{} (waits for a restart: {})", what, fmt::join(waiting, ", "));
}

Proposal propose_change(const GuestRecord& record, std::string method, std::string summary,
                        const HardwareEdit& edit, std::vector<model::Step> before,
                        std::vector<model::Step> after) {
  const auto& guest = record.spec->value;
  auto plan = std::move(before);
  if (edit.live) plan.push_back(model::ChangeHardware{guest.id});
  plan.push_back(model::ExportConfiguration{guest.id, configuration_of(guest)});
  plan.insert(plan.end(), after.begin(), after.end());
  // Power too: a start that is under way has its hardware as it was.
  return Proposal{std::move(method),
                  std::move(summary),
                  {model::ObjectKind::guest, guest.id.value, guest.name},
                  {model::Facet::configuration, model::Facet::power},
                  record.placement->value.host,
                  std::move(plan)};
}

}  // namespace ruche::core::plans
