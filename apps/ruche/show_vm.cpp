#include "show_vm.hpp"

#include <fmt/format.h>

#include "model/serial_ports.hpp"

namespace ruche::cli {

namespace {

class Sheet {
 public:
  void row(std::string_view title, std::string_view value) {
    if (!value.empty()) text_ += fmt::format("  {}{}\n", padded(title, 14), value);
  }
  void more(std::string_view value) { text_ += fmt::format("  {}{}\n", padded("", 14), value); }
  std::string& text() { return text_; }

 private:
  std::string text_;
};

std::string ago(Timestamp time, const Look& look) {
  return fmt::format("{} ({} ago)", to_rfc3339(time), age_text(time, look.now));
}

std::string cpus_of(const model::VmSpec& spec) {
  auto text = fmt::format("{} × {}", spec.cpus, enum_name(spec.cpu_baseline));
  if (spec.cpus_max > spec.cpus) text += fmt::format(", up to {}", spec.cpus_max);
  if (spec.topology) {
    text += fmt::format(" ({} sockets, {} cores, {} threads)", spec.topology->sockets,
                        spec.topology->cores, spec.topology->threads);
  }
  return text;
}

std::string memory_of(const model::VmView& vm) {
  auto text = to_text(vm.spec.memory);
  if (vm.spec.memory_max > vm.spec.memory) {
    text += fmt::format(", up to {}", to_text(vm.spec.memory_max));
  }
  if (vm.spec.memory_target.count > 0) {
    text += fmt::format(", using at most {}", to_text(vm.spec.memory_target));
  }
  if (vm.spec.memory_min.count > 0) {
    text += fmt::format(", at least {}", to_text(vm.spec.memory_min));
  }
  if (vm.spec.memory_kind != model::MemoryKind::private_) {
    text += fmt::format(", {}", enum_name(vm.spec.memory_kind));
  }
  if (vm.placement.reserved.memory.count > 0) {
    text += fmt::format(" ({} reserved on the host)", to_text(vm.placement.reserved.memory));
  }
  return text;
}

std::string pins_of(const model::VmSpec& spec) {
  if (spec.cpu_pins.size() < 2) return fmt::format("{}", fmt::join(spec.cpu_pins, ""));
  std::string text;
  for (std::size_t cpu = 0; cpu < spec.cpu_pins.size(); ++cpu) {
    text += fmt::format("{}{} to {}", cpu == 0 ? "" : "; ", cpu, spec.cpu_pins[cpu]);
  }
  return text;
}

std::string numa_of(const model::NumaSpec& numa) {
  if (numa == model::NumaSpec{}) return {};
  return fmt::format("{} {}{}", numa.nodes, numa.nodes == 1 ? "node" : "nodes",
                     numa.bind ? ", each in the host's of that number" : "");
}

std::string boot_of(const model::BootSpec& boot) {
  std::string text(enum_name(boot.kind));
  if (boot.secure) text += ", Secure Boot";
  if (!boot.order.empty()) text += fmt::format(", tries {}", fmt::join(boot.order, ", "));
  return text;
}

std::string board_of(const model::SmbiosSpec& board) {
  std::string text;
  const auto add = [&](std::string_view name, const std::string& value) {
    if (!value.empty()) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name, value);
  };
  add("manufacturer", board.manufacturer);
  add("product", board.product);
  add("version", board.version);
  add("serial", board.serial);
  add("sku", board.sku);
  add("family", board.family);
  add("asset tag", board.asset_tag);
  return text;
}

std::string limits_of(const model::DiskLimits& limits) {
  std::string text;
  if (limits.iops > 0) text += fmt::format("  {} operations/s", limits.iops);
  if (limits.bytes_per_second.count > 0) {
    text += fmt::format("  {}/s", to_text(limits.bytes_per_second));
  }
  return text.empty() ? text : "  at most" + text;
}

void add_pending(Sheet& sheet, const model::VmView& vm) {
  std::string_view title = "Waits";
  for (const auto& change : vm.pending) {
    const auto line =
        fmt::format("{} {}: at the next start, {}", change.device, change.change, change.waits);
    title.empty() ? sheet.more(line) : sheet.row(title, line);
    title = {};
  }
}

void add_disks(Sheet& sheet, const model::VmView& vm) {
  std::string_view title = "Disks";
  for (const auto& disk : vm.spec.disks) {
    auto line = fmt::format("{}  {}  {}", disk.name, to_text(disk.size), enum_name(disk.bus));
    line += limits_of(disk.limits);
    for (const auto& status : vm.status.disks) {
      if (status.name == disk.name) line += "  " + status.path;
    }
    title.empty() ? sheet.more(line) : sheet.row(title, line);
    title = {};
  }
}

void add_nics(Sheet& sheet, const model::VmView& vm) {
  std::string_view title = "Network";
  for (const auto& nic : vm.spec.nics) {
    auto line = fmt::format("{}  {}  {}", nic.name, enum_name(nic.kind), nic.mac);
    if (nic.link == model::LinkState::down) line += "  cable pulled";
    for (const auto& forward : nic.forwards) {
      line += fmt::format("  127.0.0.1:{} → :{}", forward.host_port, forward.guest_port);
    }
    title.empty() ? sheet.more(line) : sheet.row(title, line);
    title = {};
  }
}

void add_host_devices(Sheet& sheet, const model::VmView& vm) {
  std::string_view title = "USB";
  for (const auto& device : vm.spec.usb) {
    auto line = fmt::format("{}  {}:{}", device.name, device.vendor_id, device.product_id);
    if (!device.serial.empty()) line += "  " + device.serial;
    title.empty() ? sheet.more(line) : sheet.row(title, line);
    title = {};
  }
  title = "PCI";
  for (const auto& device : vm.spec.pci) {
    auto line = fmt::format("{}  {}", device.name, device.address);
    if (!device.mediated.empty()) line += "  part " + device.mediated;
    title.empty() ? sheet.more(line) : sheet.row(title, line);
    title = {};
  }
}

std::string autostart_of(const model::VmSpec& spec) {
  std::string text = spec.autostart ? "yes" : "no";
  if (spec.start_order > 0) text += fmt::format(" (order {})", spec.start_order);
  if (spec.start_delay.count() > 0) text += fmt::format(", then {}", to_text(spec.start_delay));
  return text;
}

std::string policy_of(const model::VmSpec& spec) {
  auto text = fmt::format("autostart {}, after a crash: {}", autostart_of(spec),
                          enum_name(spec.restart_policy));
  if (spec.on_host_shutdown != model::HostShutdownAction::shut_down) {
    text += fmt::format(", when its host goes down: {}", enum_name(spec.on_host_shutdown));
  }
  return text;
}

std::string agent_of(const model::VmView& vm) {
  if (!vm.status.agent) return {};
  const auto& agent = *vm.status.agent;
  std::string text = agent.connected ? "answers" : "silent";
  if (!agent.version.empty()) text += fmt::format(", version {}", agent.version);
  if (vm.status.thaw_at) text += fmt::format(", frozen until {}", to_rfc3339(*vm.status.thaw_at));
  return text;
}

std::string system_of(const model::VmView& vm) {
  if (!vm.status.agent || vm.status.agent->os.empty()) return {};
  const auto& agent = *vm.status.agent;
  return agent.kernel.empty() ? agent.os : fmt::format("{}, {}", agent.os, agent.kernel);
}

std::string cloud_init_of(const model::VmView& vm) {
  if (!vm.spec.cloud_init) return {};
  const auto& init = *vm.spec.cloud_init;
  auto text = "host " + init.host_name;
  if (!init.user.empty()) {
    text += fmt::format(", user {} ({} keys{})", init.user, init.ssh_keys.size(),
                        init.has_password ? ", a password" : "");
  }
  if (!init.packages.empty()) text += fmt::format(", {} packages", init.packages.size());
  if (init.user_data_length > 0) text += ", own user-data";
  if (init.vendor_data_length > 0) text += ", own vendor-data";
  return text;
}

std::string snapshots_of(const model::VmView& vm) {
  if (vm.snapshots == 0) return {};
  const auto count = fmt::format("{}", vm.snapshots);
  return vm.snapshot.empty() ? count : fmt::format("{}, goes on from {}", count, vm.snapshot);
}

std::string headline_of(const model::VmView& vm, const Look& look) {
  const auto state = vm.is_template ? "template" : enum_name(vm.status.state);
  auto headline = fmt::format("{}  {}", vm.name, coloured_state(state, look));
  const bool asked =
      vm.status.pause_cause.value_or(model::PauseCause::asked) == model::PauseCause::asked;
  if (!asked) headline += fmt::format(" ({})", enum_name(*vm.status.pause_cause));
  if (vm.status.started_at && vm.status.state == model::GuestState::running) {
    headline += fmt::format(" for {}", age_text(*vm.status.started_at, look.now));
  }
  if (vm.status.saved) headline += fmt::format(" for {}", age_text(vm.status.saved->at, look.now));
  if (vm.deleted_at)
    headline += fmt::format(", in the recycle bin for {}", age_text(*vm.deleted_at, look.now));
  return headline;
}

}  // namespace

std::string vm_text(const model::VmView& vm, const Look& look) {
  Sheet sheet;
  sheet.text() = headline_of(vm, look) + '\n';
  sheet.row("Last error", vm.status.last_error);
  sheet.row("Display name", vm.display_name);
  sheet.row("Description", vm.description);
  sheet.row("Tags", fmt::format("{}", fmt::join(vm.tags, ", ")));
  sheet.row("Id", to_text(vm.id));
  sheet.row("Host", fmt::format("{} (epoch {})", vm.placement.host, vm.placement.epoch));
  sheet.row("Image", vm.image);
  sheet.row("Snapshots", snapshots_of(vm));
  sheet.row("Datastore", vm.datastore);
  if (!vm.pool.empty()) sheet.row("Pool", vm.pool);
  sheet.row("CPUs", cpus_of(vm.spec));
  sheet.row("Memory", memory_of(vm));
  if (vm.status.saved) sheet.row("Saved memory", to_text(vm.status.saved->size));
  if (vm.spec.huge_pages != model::HugePageSize::none) {
    sheet.row("Huge pages", enum_name(vm.spec.huge_pages));
  }
  sheet.row("NUMA", numa_of(vm.spec.numa));
  sheet.row("CPU pins", pins_of(vm.spec));
  sheet.row("Boot", boot_of(vm.spec.boot));
  if (vm.spec.tpm) sheet.row("TPM", "2.0");
  sheet.row("Board", board_of(vm.spec.smbios));
  if (vm.spec.display != model::DisplayKind::none) {
    sheet.row("Display", enum_name(vm.spec.display));
  }
  if (vm.spec.sound != model::SoundKind::none) sheet.row("Sound", enum_name(vm.spec.sound));
  const auto ports = model::serial_port_count(vm.spec);
  if (ports > 1) sheet.row("Serial ports", fmt::format("{}", ports));
  sheet.row("First boot", cloud_init_of(vm));
  add_disks(sheet, vm);
  for (const auto& cdrom : vm.spec.cdroms) {
    const auto medium = cdrom.image ? "image " + to_text(*cdrom.image) : std::string("empty");
    sheet.row("CD-ROM", fmt::format("{}  {}", cdrom.name, medium));
  }
  add_nics(sheet, vm);
  for (const auto& share : vm.spec.shares) {
    sheet.row("Folder", fmt::format("{}  {}{}", share.name, share.path,
                                    share.read_only ? "  read-only" : ""));
  }
  add_host_devices(sheet, vm);
  add_pending(sheet, vm);
  sheet.row("Addresses", fmt::format("{}", fmt::join(vm.status.addresses, ", ")));
  sheet.row("Agent", agent_of(vm));
  if (vm.status.agent) sheet.row("Host name", vm.status.agent->host_name);
  sheet.row("System", system_of(vm));
  sheet.row("Machine",
            fmt::format("{}, hardware version {}", vm.spec.machine_type, vm.spec.hardware_version));
  sheet.row("Accelerator", vm.status.accelerator);
  if (vm.status.pid) sheet.row("Process", fmt::format("{}  {}", *vm.status.pid, vm.status.cgroup));
  sheet.row("Policy", policy_of(vm.spec));
  if (vm.spec.watchdog) sheet.row("Watchdog", enum_name(*vm.spec.watchdog));
  std::string_view title = "Tasks";
  for (const auto& claim : vm.claims) {
    const auto line = fmt::format("{} holds {}", to_text(claim.task), enum_name(claim.facet));
    title.empty() ? sheet.more(line) : sheet.row(title, line);
    title = {};
  }
  sheet.row("Created", ago(vm.created_at, look));
  sheet.row("Etag", vm.etag);
  return sheet.text();
}

}  // namespace ruche::cli
