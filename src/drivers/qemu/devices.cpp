#include "drivers/qemu/devices.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/overloaded.hpp"
#include "drivers/qemu/command_line.hpp"
#include "drivers/qemu/cpu.hpp"
#include "drivers/qemu/host_devices.hpp"
#include "drivers/qemu/hot_plug.hpp"
#include "drivers/qemu/nics.hpp"
#include "drivers/qemu/pinning.hpp"
#include "model/hardware.hpp"

namespace ruche::drivers::qemu {

namespace {

using Core = std::shared_ptr<MachineCore>;

constexpr Duration kPoll = std::chrono::milliseconds(50);

// --- disks -----------------------------------------------------------------------------------

// A limit belongs to the device's backend, which virtio-blk keeps one level below.
std::string backend_path(const model::DiskSpec& disk) {
  const auto device = "/machine/peripheral/" + disk_id(disk.name);
  return disk.bus == model::DiskBus::virtio_blk ? device + "/virtio-backend" : device;
}

Async<void> limit_disk(Core core, model::DiskSpec disk) {
  const auto& limits = disk.limits;
  json::Object wanted{{"id", backend_path(disk)},
                      {"bps", limits.bytes_per_second.count},
                      {"bps_rd", 0},
                      {"bps_wr", 0},
                      {"iops", limits.iops},
                      {"iops_rd", 0},
                      {"iops_wr", 0}};
  if (limits.bytes_per_second_burst.count > 0) {
    wanted["bps_max"] = limits.bytes_per_second_burst.count;
  }
  if (limits.iops_burst > 0) wanted["iops_max"] = limits.iops_burst;
  co_await core->qmp().execute("block_set_io_throttle", std::move(wanted));
}

Async<void> plug_disk(Core core, ports::PlugDisk change) {
  if (auto ok = check_disk(change.disk, change.files, 0); !ok) throw std::move(ok.error());
  HotPlug plug(core);
  const auto id = disk_id(change.disk.name);
  const bool there = co_await plug.has_device(id);
  if (!there) {
    for (auto& nodes : disk_nodes(change.disk, change.files)) {
      co_await plug.add_nodes(std::move(nodes));
    }
    co_await plug.add_device(disk_device(change.disk, change.files));
  }
  if (change.disk.limits != model::DiskLimits{}) co_await limit_disk(core, change.disk);
  co_await core->change_record([&](RuntimeRecord& record) {
    std::erase_if(record.disks, [&](const auto& disk) { return disk.name == change.disk.name; });
    record.disks.push_back(recorded_disk(change.disk, change.files));
  });
}

Async<void> remove_disk(Core core, model::DiskSpec disk) {
  HotPlug plug(core);
  const auto id = disk_id(disk.name);
  co_await plug.remove_device(id);
  co_await plug.remove_nodes(node_prefix(disk.bus, disk.slot));
}

// Out of the record first: what is in it must be in QEMU.
Async<void> unplug_disk(Core core, model::DiskSpec disk) {
  const auto before = core->record().disks;
  co_await core->change_record([&](RuntimeRecord& record) {
    std::erase_if(record.disks, [&](const auto& known) { return known.name == disk.name; });
  });
  co_await with_undo(remove_disk(core, disk), [core, before](this auto) -> Async<void> {
    co_await core->change_record([&](RuntimeRecord& record) { record.disks = before; });
  });
}

// --- adapters --------------------------------------------------------------------------------

Async<void> set_link(Core core, model::NicSpec nic) {
  json::Object wanted{{"name", nic_id(nic.name)}, {"up", nic.link == model::LinkState::up}};
  co_await core->qmp().execute("set_link", std::move(wanted));
}

Async<void> plug_nic(Core core, ports::PlugNic change) {
  if (auto ok = check_nic(change.nic, 0); !ok) throw std::move(ok.error());
  HotPlug plug(core);
  const auto& nic = change.nic;
  const bool there = co_await plug.has_device(nic_id(nic.name));
  if (!there) {
    // What an interrupted change left of it.
    co_await plug.remove_network(netdev_id(nic.name));
    json::Object network;
    if (nic.kind == model::NicKind::user) {
      network = user_network(core->record().name, nic);
    } else if (change.port) {
      network = co_await plug.hand_over_port(nic, *change.port);
    } else {
      throw Error(Reason::bad_spec, nic.name + " is plugged in nowhere").at("/nics");
    }
    co_await plug.add_network(std::move(network));
    co_await plug.add_device(nic_device(nic, change.boots));
  }
  if (nic.link == model::LinkState::down) co_await set_link(core, nic);
  if (there) co_return;
  const auto address = known_addresses({nic}).front();
  co_await core->change_record([&](RuntimeRecord& record) { record.addresses.push_back(address); });
}

Async<void> unplug_nic(Core core, model::NicSpec nic) {
  HotPlug plug(core);
  co_await plug.remove_device(nic_id(nic.name));
  co_await plug.remove_network(netdev_id(nic.name));
  const auto address = known_addresses({nic}).front();
  co_await core->change_record([&](RuntimeRecord& record) {
    const auto known = std::ranges::find(record.addresses, address);
    if (known != record.addresses.end()) record.addresses.erase(known);
  });
}

// --- USB devices of the host -----------------------------------------------------------------

Async<void> plug_usb(Core core, ports::PlugUsb change) {
  HotPlug plug(core);
  const bool there = co_await plug.has_device(usb_id(change.device.name));
  if (there) co_return;
  co_await plug.add_usb(change.device.name, change.path);
}

Async<void> unplug_usb(Core core, model::UsbSpec device) {
  HotPlug plug(core);
  co_await plug.remove_device(usb_id(device.name));
}

// --- CD-ROM drives ---------------------------------------------------------------------------

Async<void> change_medium(Core core, ports::ChangeMedium change) {
  HotPlug plug(core);
  const auto id = cdrom_id(change.drive.name);
  std::string wanted;
  NodePair nodes;
  if (!change.path.empty()) {
    nodes = medium_nodes(change.drive, change.path);
    wanted = nodes.format["node-name"].as_string();
  }
  const auto present = co_await plug.node_of(id);
  json::Object drive{{"id", id}};
  if (present != wanted) {
    json::Object open{{"id", id}, {"force", true}};
    co_await core->qmp().execute("blockdev-open-tray", std::move(open));
    co_await core->qmp().execute("blockdev-remove-medium", drive);
  }
  if (present != wanted && !wanted.empty()) {
    co_await plug.add_nodes(std::move(nodes));
    json::Object insert{{"id", id}, {"node-name", wanted}};
    co_await core->qmp().execute("blockdev-insert-medium", std::move(insert));
  }
  // Also when the medium is the right one already: an earlier daemon may have ended in between,
  // with the tray open and the old medium's file in QEMU.
  co_await core->qmp().execute("blockdev-close-tray", drive);
  co_await plug.remove_nodes(fmt::format("c{}m", change.drive.slot), {wanted});
}

// --- processors ------------------------------------------------------------------------------

struct CpuPlace {
  std::array<std::int64_t, 3> place;  // socket, core, thread
  json::Object props;
  std::string type;
  std::uint32_t node = 0;  // of NUMA
  bool present = false;
};

// In the order in which they come.
std::vector<CpuPlace> parse_cpus(const json::Value& answer) {
  if (!answer.is_array()) throw Error(Reason::hypervisor_failed, "QEMU's CPUs are no list");
  std::vector<CpuPlace> cpus;
  for (const auto& entry : answer.get_array()) {
    const auto& cpu = as_object(entry);
    const auto& props = as_object(member(cpu, "props"));
    CpuPlace found;
    found.place = {number_member(props, "socket-id"), number_member(props, "core-id"),
                   number_member(props, "thread-id")};
    found.props = props;
    if (props.if_contains("node-id") != nullptr) {
      found.node = static_cast<std::uint32_t>(number_member(props, "node-id"));
    }
    found.type = text_member(cpu, "type");
    found.present = cpu.if_contains("qom-path") != nullptr;
    cpus.push_back(std::move(found));
  }
  std::ranges::sort(cpus, {}, &CpuPlace::place);
  std::vector<std::uint32_t> nodes;
  for (const auto& cpu : cpus) nodes.push_back(cpu.node);
  std::vector<CpuPlace> in_order;
  for (const auto place : order_of_coming(nodes)) in_order.push_back(std::move(cpus[place]));
  return in_order;
}

// The first CPU is the board's and stays.
Async<void> set_cpus(Core core, std::uint32_t wanted) {
  HotPlug plug(core);
  const auto answer = co_await core->qmp().execute("query-hotpluggable-cpus");
  const auto cpus = parse_cpus(answer);
  if (wanted == 0 || wanted > cpus.size()) {
    throw Error(Reason::bad_spec, fmt::format("the guest can have 1 to {} CPUs", cpus.size()));
  }
  for (std::size_t i = 1; i < wanted; ++i) {
    if (cpus[i].present) continue;
    json::Object device = cpus[i].props;
    device.erase("node-id");  // it follows from the topology
    device["driver"] = cpus[i].type;
    device["id"] = cpu_id(i);
    co_await plug.add_device(std::move(device));
  }
  for (std::size_t i = cpus.size(); i-- > wanted;) {
    if (!cpus[i].present) continue;
    // QEMU's translator counts every CPU that ever was and ends at one too many (tcg_max_ctxs).
    if (core->record().accelerator == enum_name(model::Accelerator::tcg)) {
      throw Error(Reason::guest_did_not_follow,
                  "under emulation a CPU that is there stays until the next start")
          .at("/cpus")
          .remedy("stop the guest, then take CPUs from it");
    }
    co_await plug.remove_device(cpu_id(i));
  }
}

// --- memory ----------------------------------------------------------------------------------

Async<std::int64_t> added_memory(Core core, std::string property) {
  json::Object what{{"path", fmt::format("/machine/peripheral/{}", kMemoryDevice)},
                    {"property", std::move(property)}};
  const auto answer = co_await core->qmp().execute("qom-get", std::move(what));
  if (!answer.is_int64()) throw Error(Reason::hypervisor_failed, "QEMU's memory is no number");
  co_return answer.get_int64();
}

Async<void> request_memory(Core core, std::int64_t size) {
  json::Object what{{"path", fmt::format("/machine/peripheral/{}", kMemoryDevice)},
                    {"property", "requested-size"},
                    {"value", size}};
  co_await core->qmp().execute("qom-set", std::move(what));
}

Async<void> wait_for_memory(Core core, std::int64_t wanted) {
  while (true) {
    const auto now = co_await added_memory(core, "size");
    if (now == wanted) co_return;
    co_await sleep_for(core->services().clock, kPoll);
  }
}

// The guest plugs and unplugs at its own pace. What it did not do in time is asked of it no more.
Async<void> set_memory(Core core, Bytes size) {
  const auto summary = co_await core->qmp().execute("query-memory-size-summary");
  const auto base = number_member(as_object(summary), "base-memory");
  const auto wanted = size.count - base;
  const auto before = co_await added_memory(core, "requested-size");
  co_await request_memory(core, wanted);
  std::optional<Error> late;
  try {
    co_await with_deadline(core->services().clock, core->device_patience(), "the guest's memory",
                           wait_for_memory(core, wanted));
  } catch (const Error& error) {
    late = error;
  }
  if (!late) co_return;
  if (late->reason() != Reason::deadline) throw std::move(*late);
  const auto reached = co_await added_memory(core, "size");
  co_await request_memory(core, before);
  throw Error(
      Reason::guest_did_not_follow,
      fmt::format("the guest has {} of the {} that it shall have after {}",
                  to_text(Bytes{base + reached}), to_text(size), to_text(core->device_patience())))
      .at("/memory_bytes")
      .remedy(
          "it needs the driver virtio_mem, and memory that comes must be put to use: "
          "memhp_default_state=online_movable on its kernel's command line");
}

// --- the balloon -----------------------------------------------------------------------------

constexpr int kStatisticsInterval = 2;  // seconds; the guest's driver answers in this rhythm

std::string balloon_path() { return fmt::format("/machine/peripheral/{}", kBalloonDevice); }

Async<void> set_balloon(Core core, Bytes target) {
  json::Object wanted{{"value", target.count}};
  co_await core->qmp().execute("balloon", std::move(wanted));
}

// What the guest does not say is −1 (docs/interop/virtio-balloon-stats.rst).
std::optional<Bytes> said(const json::Object& stats, std::string_view name) {
  const auto* value = stats.if_contains(name);
  if (value == nullptr || !value->is_int64() || value->get_int64() < 0) return std::nullopt;
  return Bytes{value->get_int64()};
}

Async<void> read_balloon(Core core, ports::MemoryFacts& facts) {
  const auto balloon = co_await core->qmp().execute("query-balloon");
  facts.available = Bytes{number_member(as_object(balloon), "actual")};
  json::Object rhythm{{"path", balloon_path()},
                      {"property", "guest-stats-polling-interval"},
                      {"value", kStatisticsInterval}};
  co_await core->qmp().execute("qom-set", std::move(rhythm));
  json::Object what{{"path", balloon_path()}, {"property", "guest-stats"}};
  const auto answer = co_await core->qmp().execute("qom-get", std::move(what));
  const auto& stats = as_object(member(as_object(answer), "stats"));
  facts.total = said(stats, "stat-total-memory");
  facts.free = said(stats, "stat-free-memory");
  facts.usable = said(stats, "stat-available-memory");
}

}  // namespace

Async<void> QemuDevices::change(ports::DeviceChange change) {
  const auto core = core_;
  co_await std::visit(
      Overloaded{
          [&](ports::PlugDisk& c) { return plug_disk(core, std::move(c)); },
          [&](ports::UnplugDisk& c) { return unplug_disk(core, std::move(c.disk)); },
          [&](ports::LimitDisk& c) { return limit_disk(core, std::move(c.disk)); },
          [&](ports::PlugNic& c) { return plug_nic(core, std::move(c)); },
          [&](ports::UnplugNic& c) { return unplug_nic(core, std::move(c.nic)); },
          [&](ports::PlugUsb& c) { return plug_usb(core, std::move(c)); },
          [&](ports::UnplugUsb& c) { return unplug_usb(core, std::move(c.device)); },
          [&](ports::SetLink& c) { return set_link(core, std::move(c.nic)); },
          [&](ports::ChangeMedium& c) { return change_medium(core, std::move(c)); },
          [&](ports::SetCpus& c) { return set_cpus(core, c.cpus); },
          [&](ports::SetMemory& c) { return set_memory(core, c.size); },
          [&](ports::SetBalloon& c) { return set_balloon(core, c.target); },
          [&](ports::SetPins& c) { return pin_cpus(core, std::move(c.pins)); },
      },
      change);
}

Async<void> QemuDevices::grow(model::DiskSpec disk, Bytes size) {
  const auto core = core_;
  const auto& disks = core->record().disks;
  const auto known = std::ranges::find(disks, disk.name, &RecordedDisk::name);
  if (known == disks.end()) throw Error(Reason::no_such_object, "QEMU has no " + disk.name);
  json::Object wanted{{"node-name", known->node(0)}, {"size", size.count}};
  co_await core->qmp().execute("block_resize", std::move(wanted));
}

Async<ports::MemoryFacts> QemuDevices::memory() {
  const auto core = core_;
  const auto summary = co_await core->qmp().execute("query-memory-size-summary");
  const auto& sizes = as_object(summary);
  ports::MemoryFacts facts;
  facts.plugged = Bytes{number_member(sizes, "base-memory")};
  if (sizes.if_contains("plugged-memory") != nullptr) {
    facts.plugged += Bytes{number_member(sizes, "plugged-memory")};
  }
  facts.available = facts.plugged;
  HotPlug plug(core);
  const bool balloon = co_await plug.has_device(kBalloonDevice);
  if (balloon) co_await read_balloon(core, facts);
  co_return facts;
}

Async<void> apply_settings(Core core, model::VmSpec spec) {
  for (const auto& disk : spec.disks) {
    if (disk.limits != model::DiskLimits{}) co_await limit_disk(core, disk);
  }
  for (const auto& nic : spec.nics) {
    if (nic.link == model::LinkState::down) co_await set_link(core, nic);
  }
  if (spec.memory_target.count > 0) co_await set_balloon(core, spec.memory_target);
  if (!spec.cpu_pins.empty()) co_await pin_cpus(core, spec.cpu_pins);
}

}  // namespace ruche::drivers::qemu
