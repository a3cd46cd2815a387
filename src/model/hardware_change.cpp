#include "model/hardware_change.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "model/device_abilities.hpp"
#include "model/hardware.hpp"
#include "model/named.hpp"

namespace ruche::model {

namespace {

constexpr const char* kFixed = "it is fixed while the guest runs";
constexpr const char* kNoPort = "no PCI port of those that the guest was started with is free";

class Comparison {
 public:
  Comparison(const RunningHardware& running, const VmSpec& wanted)
      : running_(running), wanted_(wanted), plan_{running.spec, {}} {}

  ChangePlan take() && { return std::move(plan_); }

  void compare_cpus();
  void compare_memory();
  void compare_fixed();
  void compare_boot();
  void compare_board();
  void compare_disks();
  void compare_nics();
  void compare_cdroms();
  void compare_shares();
  void compare_usb();
  void compare_pci();
  // What is no hardware follows at once and is not told.
  void follow_policies() {
    plan_.reachable.autostart = wanted_.autostart;
    plan_.reachable.start_order = wanted_.start_order;
    plan_.reachable.start_delay = wanted_.start_delay;
    plan_.reachable.restart_policy = wanted_.restart_policy;
    plan_.reachable.on_host_shutdown = wanted_.on_host_shutdown;
    plan_.reachable.cloud_init = wanted_.cloud_init;
  }

 private:
  const VmSpec& now() const { return running_.spec; }
  void live(std::string device, std::string change) {
    plan_.changes.push_back({std::move(device), std::move(change), {}});
  }
  void waits(std::string device, std::string change, std::string why = kFixed) {
    plan_.changes.push_back({std::move(device), std::move(change), std::move(why)});
  }
  std::string why_cpus_wait() const;
  std::string why_memory_waits() const;
  std::string why_not_plugged(const DiskSpec& disk) const;
  // A folder that is to go keeps its port until the next start.
  bool has_port(std::uint32_t slot) const {
    return std::ranges::find(running_.ports, slot) != running_.ports.end() &&
           std::ranges::find(now().shares, slot, &ShareSpec::slot) == now().shares.end();
  }
  void compare_disk(DiskSpec& reachable, const DiskSpec& wanted);
  void compare_nic(NicSpec& reachable, const NicSpec& wanted);

  const RunningHardware& running_;
  const VmSpec& wanted_;
  ChangePlan plan_;
};

std::string from_to(std::string_view from, std::string_view to) {
  return fmt::format("{} → {}", from, to);
}

std::string in_turn(const std::vector<std::string>& names) {
  return names.empty() ? "all in turn" : fmt::format("{}", fmt::join(names, ", "));
}

std::string or_none(Bytes size) { return size.count > 0 ? to_text(size) : "none"; }

std::string or_all(Bytes size) { return size.count > 0 ? to_text(size) : "all"; }

std::string Comparison::why_cpus_wait() const {
  if (now().cpus_max == 0) return "the guest was started with no room for more or fewer CPUs";
  if (wanted_.cpus <= now().cpus_max) return {};
  return fmt::format("the guest was started with room for {} CPUs", now().cpus_max);
}

void Comparison::compare_cpus() {
  if (now().cpus != wanted_.cpus) {
    const auto change = fmt::format("{} → {}", now().cpus, wanted_.cpus);
    const auto why = why_cpus_wait();
    if (why.empty()) {
      live("cpus", change);
      plan_.reachable.cpus = wanted_.cpus;
    } else {
      waits("cpus", change, why);
    }
  }
  if (now().cpus_max != wanted_.cpus_max) {
    waits("cpus_max", fmt::format("{} → {}", now().cpus_max, wanted_.cpus_max));
  }
  if (now().topology != wanted_.topology) waits("topology", "changed");
  if (now().cpu_baseline != wanted_.cpu_baseline) {
    waits("cpu_baseline", from_to(enum_name(now().cpu_baseline), enum_name(wanted_.cpu_baseline)));
  }
  if (now().cpu_pins != wanted_.cpu_pins) {
    live("cpu_pins", wanted_.cpu_pins.empty() ? "removed" : "changed");
    plan_.reachable.cpu_pins = wanted_.cpu_pins;
  }
}

std::string Comparison::why_memory_waits() const {
  if (now().memory_max.count == 0) {
    return "the guest was started with no room for more memory (memory_max)";
  }
  if (wanted_.memory > now().memory_max) {
    return fmt::format("the guest was started with room for {}", to_text(now().memory_max));
  }
  if (wanted_.memory < running_.base_memory) {
    return fmt::format("the guest was started with {}, which cannot be taken out",
                       to_text(running_.base_memory));
  }
  return {};
}

void Comparison::compare_memory() {
  if (now().memory != wanted_.memory) {
    const auto change = from_to(to_text(now().memory), to_text(wanted_.memory));
    const auto why = why_memory_waits();
    if (why.empty()) {
      live("memory", change);
      plan_.reachable.memory = wanted_.memory;
    } else {
      waits("memory", change, why);
    }
  }
  if (now().memory_max != wanted_.memory_max) {
    waits("memory_max", from_to(or_none(now().memory_max), or_none(wanted_.memory_max)));
  }
  if (now().memory_min != wanted_.memory_min) {
    const bool balloon = now().memory_min.count > 0;
    const auto change = from_to(or_none(now().memory_min), or_none(wanted_.memory_min));
    if (balloon && wanted_.memory_min.count > 0) {
      live("memory_min", change);
      plan_.reachable.memory_min = wanted_.memory_min;
    } else {
      waits("memory_min", change, "the balloon comes and goes with a start");
    }
  }
  if (now().memory_target != wanted_.memory_target) {
    const auto change = from_to(or_all(now().memory_target), or_all(wanted_.memory_target));
    if (now().memory_min.count > 0) {
      live("memory_target", change);
      plan_.reachable.memory_target = wanted_.memory_target;
    } else {
      waits("memory_target", change, "the guest was started without a balloon");
    }
  }
  if (now().memory_kind != wanted_.memory_kind) {
    waits("memory_kind", from_to(enum_name(now().memory_kind), enum_name(wanted_.memory_kind)));
  }
}

void Comparison::compare_fixed() {
  const auto& before = now();
  if (before.system != wanted_.system) {
    waits("system", from_to(enum_name(before.system), enum_name(wanted_.system)));
  }
  if (before.watchdog != wanted_.watchdog) {
    const auto name = [](const auto& action) {
      return action ? enum_name(*action) : std::string_view("none");
    };
    waits("watchdog", from_to(name(before.watchdog), name(wanted_.watchdog)));
  }
  if (before.tpm != wanted_.tpm) {
    waits("tpm", !wanted_.tpm ? "removed" : before.tpm ? "replaced" : "added");
  }
  if (before.machine_type != wanted_.machine_type) {
    waits("machine_type", from_to(before.machine_type, wanted_.machine_type));
  }
  if (before.hardware_version != wanted_.hardware_version) {
    waits("hardware_version",
          fmt::format("{} → {}", before.hardware_version, wanted_.hardware_version));
  }
  if (before.serial != wanted_.serial) waits("serial", wanted_.serial ? "added" : "removed");
  if (before.serial_ports != wanted_.serial_ports) {
    waits("serial_ports", fmt::format("{} → {}", before.serial_ports, wanted_.serial_ports));
  }
  if (before.display != wanted_.display) {
    waits("display", from_to(enum_name(before.display), enum_name(wanted_.display)));
  }
  if (before.generation_id != wanted_.generation_id) waits("generation_id", "changed");
}

// A process keeps the boot order that it was started with; what has left it is tried no more.
void Comparison::compare_boot() {
  auto before = now().boot;
  std::erase_if(before.order, [&](const auto& name) { return !has_device(plan_.reachable, name); });
  if (before.order != wanted_.boot.order) {
    waits("boot_order", from_to(in_turn(before.order), in_turn(wanted_.boot.order)),
          "the firmware reads it at a start");
  }
  before.order = wanted_.boot.order;
  if (before != wanted_.boot) waits("boot", "changed");
}

void Comparison::compare_board() {
  const auto& before = now();
  if (before.sound != wanted_.sound) {
    waits("sound", from_to(enum_name(before.sound), enum_name(wanted_.sound)));
  }
  if (before.smbios != wanted_.smbios) waits("smbios", "changed");
  if (before.numa != wanted_.numa) {
    const auto name = [](const NumaSpec& numa) {
      return fmt::format("{}{}", numa.nodes, numa.bind ? ", bound" : "");
    };
    waits("numa", from_to(name(before.numa), name(wanted_.numa)));
  }
  if (before.huge_pages != wanted_.huge_pages) {
    waits("huge_pages", from_to(enum_name(before.huge_pages), enum_name(wanted_.huge_pages)));
  }
}

std::string Comparison::why_not_plugged(const DiskSpec& disk) const {
  const auto why = why_not(kind_of(disk), Ability::hot_plug);
  if (!why.empty()) return std::string(why);
  const bool on_port = disk.bus == DiskBus::virtio_blk || disk.bus == DiskBus::nvme;
  return on_port && !has_port(disk.slot) ? kNoPort : "";
}

void Comparison::compare_disk(DiskSpec& reachable, const DiskSpec& wanted) {
  if (reachable.bus != wanted.bus || reachable.slot != wanted.slot ||
      reachable.layer != wanted.layer) {
    waits(wanted.name, "replaced");
    return;
  }
  if (reachable.size != wanted.size) {
    live(wanted.name, from_to(to_text(reachable.size), to_text(wanted.size)));
    reachable.size = wanted.size;
  }
  if (reachable.limits != wanted.limits) {
    live(wanted.name, "limits changed");
    reachable.limits = wanted.limits;
  }
  if (reachable.cache != wanted.cache) {
    waits(wanted.name, "cache " + from_to(enum_name(reachable.cache), enum_name(wanted.cache)));
  }
  if (reachable.discard != wanted.discard) {
    waits(wanted.name, wanted.discard ? "discard on" : "discard off");
  }
}

void Comparison::compare_disks() {
  auto& disks = plan_.reachable.disks;
  std::erase_if(disks, [&](const DiskSpec& disk) {
    if (find_named(wanted_.disks, disk.name)) return false;
    const bool fixed = !why_not(kind_of(disk), Ability::hot_plug).empty();
    if (fixed) waits(disk.name, "removed", why_not_plugged(disk));
    if (!fixed) live(disk.name, "removed");
    return !fixed;
  });
  for (auto& disk : disks) {
    if (const auto* wanted = find_named(wanted_.disks, disk.name)) compare_disk(disk, *wanted);
  }
  for (const auto& wanted : wanted_.disks) {
    if (find_named(now().disks, wanted.name)) continue;
    const auto why = why_not_plugged(wanted);
    if (!why.empty()) {
      waits(wanted.name, "added", why);
      continue;
    }
    live(wanted.name, "added");
    disks.push_back(wanted);
  }
}

void Comparison::compare_nic(NicSpec& reachable, const NicSpec& wanted) {
  if (reachable.link != wanted.link) {
    live(wanted.name, fmt::format("link {}", enum_name(wanted.link)));
    reachable.link = wanted.link;
  }
  if (reachable != wanted) waits(wanted.name, "changed", "an adapter is replaced at a start");
}

void Comparison::compare_nics() {
  auto& nics = plan_.reachable.nics;
  std::erase_if(nics, [&](const NicSpec& nic) {
    if (find_named(wanted_.nics, nic.name)) return false;
    live(nic.name, "removed");
    return true;
  });
  for (auto& nic : nics) {
    if (const auto* wanted = find_named(wanted_.nics, nic.name)) compare_nic(nic, *wanted);
  }
  for (const auto& wanted : wanted_.nics) {
    if (find_named(now().nics, wanted.name)) continue;
    if (!has_port(wanted.slot)) {
      waits(wanted.name, "added", kNoPort);
      continue;
    }
    live(wanted.name, "added");
    nics.push_back(wanted);
  }
}

void Comparison::compare_cdroms() {
  for (auto& drive : plan_.reachable.cdroms) {
    const auto* wanted = find_named(wanted_.cdroms, drive.name);
    if (!wanted) {
      waits(drive.name, "removed", std::string(why_not(DeviceKind::cdrom, Ability::hot_plug)));
      continue;
    }
    if (drive.layer == wanted->layer) continue;
    live(drive.name, wanted->layer ? "medium inserted" : "medium ejected");
    drive.image = wanted->image;
    drive.layer = wanted->layer;
  }
  for (const auto& wanted : wanted_.cdroms) {
    if (find_named(now().cdroms, wanted.name)) continue;
    waits(wanted.name, "added", std::string(why_not(DeviceKind::cdrom, Ability::hot_plug)));
  }
}

void Comparison::compare_shares() {
  const std::string why = "virtiofs comes and goes with a start";
  for (const auto& share : now().shares) {
    const auto* wanted = find_named(wanted_.shares, share.name);
    if (!wanted) waits(share.name, "removed", why);
    if (wanted && *wanted != share) waits(share.name, "replaced", why);
  }
  for (const auto& wanted : wanted_.shares) {
    if (!find_named(now().shares, wanted.name)) waits(wanted.name, "added", why);
  }
}

void Comparison::compare_usb() {
  auto& devices = plan_.reachable.usb;
  std::erase_if(devices, [&](const UsbSpec& device) {
    const auto* wanted = find_named(wanted_.usb, device.name);
    if (wanted && *wanted != device) waits(device.name, "replaced");
    if (wanted) return false;
    live(device.name, "removed");
    return true;
  });
  for (const auto& wanted : wanted_.usb) {
    if (find_named(now().usb, wanted.name)) continue;
    if (!has_port(kUsbSlot)) {
      waits(wanted.name, "added", "the guest was started without a USB controller");
      continue;
    }
    live(wanted.name, "added");
    devices.push_back(wanted);
  }
}

void Comparison::compare_pci() {
  const std::string why(why_not(DeviceKind::pci, Ability::hot_plug));
  for (const auto& device : now().pci) {
    const auto* wanted = find_named(wanted_.pci, device.name);
    if (!wanted) waits(device.name, "removed", why);
    if (wanted && *wanted != device) waits(device.name, "replaced", why);
  }
  for (const auto& wanted : wanted_.pci) {
    if (!find_named(now().pci, wanted.name)) waits(wanted.name, "added", why);
  }
}

}  // namespace

ChangePlan plan_change(const RunningHardware& running, const VmSpec& wanted) {
  Comparison comparison(running, wanted);
  comparison.compare_cpus();
  comparison.compare_memory();
  comparison.compare_disks();
  comparison.compare_nics();
  comparison.compare_cdroms();
  comparison.compare_shares();
  comparison.compare_usb();
  comparison.compare_pci();
  comparison.compare_fixed();
  comparison.compare_boot();
  comparison.compare_board();
  comparison.follow_policies();
  return std::move(comparison).take();
}

std::vector<HardwareChange> pending_changes(const RunningHardware& running, const VmSpec& wanted) {
  auto changes = plan_change(running, wanted).changes;
  for (auto& change : changes) {
    if (change.waits.empty()) change.waits = "it is being made, or the guest did not follow";
  }
  return changes;
}

RunningHardware hardware_at_start(const VmSpec& spec) {
  const auto ports = root_ports(spec);
  return {spec, spec.memory, {ports.begin(), ports.end()}};
}

constexpr auto describe(Type<HardwareChange>) {
  using C = HardwareChange;
  return structure<C>("HardwareChange", "A difference between what a process has and the wish.",
                      field<&C::device>("device", "The device."),
                      field<&C::change>("change", "What changes."),
                      field<&C::waits>("waits", "Why it waits for the next start."));
}

}  // namespace ruche::model

template const ruche::TypeInfo& ruche::type_of<ruche::model::HardwareChange>();
