#include "core/guests/guest_edit.hpp"

namespace ruche::core {

model::VmEdit editable(const model::Guest& guest) {
  model::VmEdit edit;
  edit.name = guest.name;
  edit.display_name = guest.display_name;
  edit.description = guest.description;
  edit.tags = guest.tags;
  edit.cpus = guest.spec.cpus;
  edit.cpus_max = guest.spec.cpus_max;
  edit.topology = guest.spec.topology;
  edit.cpu_baseline = guest.spec.cpu_baseline;
  edit.memory = guest.spec.memory;
  edit.memory_max = guest.spec.memory_max;
  edit.memory_min = guest.spec.memory_min;
  edit.memory_target = guest.spec.memory_target;
  edit.memory_kind = guest.spec.memory_kind;
  edit.command_line = guest.spec.boot.command_line;
  edit.watchdog = guest.spec.watchdog;
  edit.start_order = guest.spec.start_order;
  edit.start_delay = guest.spec.start_delay;
  edit.autostart = guest.spec.autostart;
  edit.restart_policy = guest.spec.restart_policy;
  return edit;
}

void apply_edit(model::Guest& guest, const model::VmEdit& edit) {
  guest.name = edit.name;
  guest.display_name = edit.display_name;
  guest.description = edit.description;
  guest.tags = edit.tags;
  guest.spec.cpus = edit.cpus;
  guest.spec.cpus_max = edit.cpus_max;
  guest.spec.topology = edit.topology;
  guest.spec.cpu_baseline = edit.cpu_baseline;
  guest.spec.memory = edit.memory;
  guest.spec.memory_max = edit.memory_max;
  guest.spec.memory_min = edit.memory_min;
  guest.spec.memory_target = edit.memory_target;
  guest.spec.memory_kind = edit.memory_kind;
  guest.spec.boot.command_line = edit.command_line;
  guest.spec.watchdog = edit.watchdog;
  guest.spec.start_order = edit.start_order;
  guest.spec.start_delay = edit.start_delay;
  guest.spec.autostart = edit.autostart;
  guest.spec.restart_policy = edit.restart_policy;
}

model::GuestConfiguration configuration_of(const model::Guest& guest) {
  return {guest.name, guest.display_name, guest.description, guest.tags, guest.spec};
}

void restore_configuration(model::Guest& guest, const model::GuestConfiguration& before) {
  guest.name = before.name;
  guest.display_name = before.display_name;
  guest.description = before.description;
  guest.tags = before.tags;
  guest.spec = before.spec;
}

}  // namespace ruche::core
