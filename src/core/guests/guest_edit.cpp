#include "core/guests/guest_edit.hpp"

#include "base/json.hpp"

namespace ruche::core {

model::VmEdit editable(const model::Guest& guest) {
  model::VmEdit edit;
  edit.name = guest.name;
  edit.display_name = guest.display_name;
  edit.description = guest.description;
  edit.tags = guest.tags;
  if (guest.pool) edit.pool = to_text(*guest.pool);
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
  edit.boot_order = guest.spec.boot.order;
  edit.serial_ports = guest.spec.serial_ports;
  edit.display = guest.spec.display;
  edit.sound = guest.spec.sound;
  edit.smbios = guest.spec.smbios;
  edit.numa = guest.spec.numa;
  edit.huge_pages = guest.spec.huge_pages;
  edit.cpu_pins = guest.spec.cpu_pins;
  edit.watchdog = guest.spec.watchdog;
  edit.start_order = guest.spec.start_order;
  edit.start_delay = guest.spec.start_delay;
  edit.autostart = guest.spec.autostart;
  edit.restart_policy = guest.spec.restart_policy;
  edit.on_host_shutdown = guest.spec.on_host_shutdown;
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
  guest.spec.boot.order = edit.boot_order;
  guest.spec.serial_ports = edit.serial_ports;
  guest.spec.display = edit.display;
  guest.spec.sound = edit.sound;
  guest.spec.smbios = edit.smbios;
  guest.spec.numa = edit.numa;
  guest.spec.huge_pages = edit.huge_pages;
  guest.spec.cpu_pins = edit.cpu_pins;
  guest.spec.watchdog = edit.watchdog;
  guest.spec.start_order = edit.start_order;
  guest.spec.start_delay = edit.start_delay;
  guest.spec.autostart = edit.autostart;
  guest.spec.restart_policy = edit.restart_policy;
  guest.spec.on_host_shutdown = edit.on_host_shutdown;
}

model::GuestConfiguration configuration_of(const model::Guest& guest) {
  return {guest.name,     guest.display_name, guest.description, guest.tags,     guest.pool,
          guest.snapshot, guest.spec,         guest.is_template, guest.schedules};
}

std::string configuration_note(model::Guest guest) {
  guest.seed.reset();
  return json::encode(guest, {.pretty = true}) + "\n";
}

void restore_configuration(model::Guest& guest, const model::GuestConfiguration& before) {
  guest.name = before.name;
  guest.display_name = before.display_name;
  guest.description = before.description;
  guest.tags = before.tags;
  guest.pool = before.pool;
  guest.snapshot = before.snapshot;
  guest.spec = before.spec;
  guest.is_template = before.is_template;
  guest.schedules = before.schedules;
}

}  // namespace ruche::core
