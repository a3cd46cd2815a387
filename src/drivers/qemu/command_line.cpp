#include "drivers/qemu/command_line.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "drivers/qemu/board.hpp"
#include "drivers/qemu/cpu.hpp"
#include "drivers/qemu/disks.hpp"
#include "drivers/qemu/firmware.hpp"
#include "drivers/qemu/host_devices.hpp"
#include "drivers/qemu/memory.hpp"
#include "drivers/qemu/nics.hpp"
#include "drivers/qemu/serial_port.hpp"
#include "drivers/qemu/shares.hpp"
#include "drivers/qemu/tpm.hpp"
#include "model/hardware.hpp"
#include "model/serial_ports.hpp"

namespace ruche::drivers::qemu {

namespace {

using Result = std::expected<void, Error>;

std::unexpected<Error> refuse(Reason reason, const char* field, std::string message) {
  return std::unexpected(Error(reason, std::move(message)).at(field));
}

bool uses(const model::VmSpec& spec, model::DiskBus bus) {
  return std::any_of(spec.disks.begin(), spec.disks.end(),
                     [&](const model::DiskSpec& disk) { return disk.bus == bus; });
}

bool uses_sata(const ports::MachineSpec& machine) {
  return uses(machine.spec, model::DiskBus::sata) || !machine.spec.cdroms.empty();
}

Result check(const ports::MachineSpec& machine, const EngineFacts& facts) {
  const auto& spec = machine.spec;
  if (!is_valid_name(machine.name)) return refuse(Reason::bad_spec, "/name", "not a name");
  if (spec.hardware_version != 1) {
    return refuse(
        Reason::host_cannot, "/hardware_version",
        fmt::format("hardware version {} is newer than this host knows", spec.hardware_version));
  }
  const auto& types = facts.machine_types;
  if (std::find(types.begin(), types.end(), spec.machine_type) == types.end()) {
    return std::unexpected(
        Error(Reason::host_cannot,
              fmt::format("this host's QEMU has no machine '{}'", spec.machine_type))
            .at("/machine_type")
            .remedy("run the guest on a host with the QEMU it was created for, or a newer one"));
  }
  if (spec.memory.count < mib(1).count || spec.memory.count % mib(1).count != 0) {
    return refuse(Reason::bad_spec, "/memory_bytes", "memory comes in whole MiB");
  }
  auto copy = spec;
  return model::assign_slots(copy);  // only to learn of two devices in one place
}

// A guest that is powered off by its watchdog is one that powered itself off.
const char* watchdog_action(const model::VmSpec& spec) {
  switch (spec.watchdog.value_or(model::WatchdogAction::reset)) {
    case model::WatchdogAction::reset:
      return "reset";
    case model::WatchdogAction::power_off:
      return "poweroff";
    case model::WatchdogAction::pause:
      return "pause";
    case model::WatchdogAction::none:
      return "none";
  }
  broken_invariant("a watchdog's action outside its enumeration");
}

void add_basics(Arguments& out, const ports::MachineSpec& machine) {
  out.add("-name", "guest=" + machine.name);
  out.add("-uuid", to_text(machine.guest));
  out.add("-nodefaults");
  out.add("-no-user-config");
  out.add("-display", "none");
  out.add("-S");
  // A guest that powered off or panicked while nobody looked must still be there to be read.
  out.add("-action", fmt::format("reboot=reset,shutdown=pause,panic=pause,watchdog={}",
                                 watchdog_action(machine.spec)));
  out.add("-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");
}

void add_accelerator(Arguments& out, model::Accelerator accelerator) {
  if (accelerator == model::Accelerator::kvm) {
    const auto device = out.fdset("/dev/kvm", Arguments::Access::device);
    out.add("-accel", "kvm,device=" + device);
  } else {
    out.add("-accel", fmt::format("tcg,thread=multi,tb-size={}", kTranslationCache.count >> 20));
  }
}

Result add_board(Arguments& out, const ports::MachineSpec& machine, const EngineFacts& facts) {
  const auto& spec = machine.spec;
  const auto cpu = cpu_argument(spec, facts.accelerator);
  if (!cpu) return std::unexpected(cpu.error());
  const auto smp = smp_argument(spec);
  if (!smp) return std::unexpected(smp.error());
  out.add("-machine",
          fmt::format("{},{}usb=off,vmport=off,hpet=off,smbus=off,sata={},dump-guest-core=off{}",
                      spec.machine_type, machine_memory(spec), uses_sata(machine) ? "on" : "off",
                      firmware_properties(spec.boot)));
  out.add("-cpu", *cpu);
  out.add("-smp", *smp);
  for (auto& device : cpu_devices(spec, facts.accelerator)) {
    out.add("-device", boost::json::serialize(device));
  }
  if (auto ok = add_memory(out, spec, facts.numa_nodes); !ok) return ok;
  add_smbios(out, spec.smbios);
  const bool local = spec.system == model::GuestSystem::windows;
  out.add("-rtc", local ? "base=localtime,driftfix=slew" : "base=utc,driftfix=slew");
  return {};
}

// A serial line goes to a ring inside QEMU, which needs nobody, and to a socket, which is
// connected only while somebody watches.
void add_serial_port(Arguments& out, SerialPort port) {
  out.add("-chardev", fmt::format("ringbuf,id={},size={}", port.ring(), kRingSize.count));
  out.add("-chardev", fmt::format("socket,id={},fd={},server=on,wait=off", port.watch(),
                                  serial_descriptor(port.number)));
  out.add("-chardev", fmt::format("hub,id={},chardevs.0={},chardevs.1={}", port.hub(), port.ring(),
                                  port.watch()));
  auto device = fmt::format("isa-serial,id={},chardev={}", port.device(), port.hub());
  if (port.number > 0) device += fmt::format(",index={}", port.number);
  out.add("-device", std::move(device));
}

void add_channels(Arguments& out, const model::VmSpec& spec) {
  out.add("-chardev", fmt::format("socket,id=qmp,fd={},server=on,wait=off", kQmpDescriptor));
  out.add("-mon", "chardev=qmp,mode=control");
  const auto ports = model::serial_port_count(spec);
  for (std::uint32_t port = 0; port < ports; ++port) add_serial_port(out, {port});
}

// The agent's channel: a named port of a virtio console, and a socket that the daemon connects to.
void add_agent(Arguments& out) {
  out.add("-chardev",
          fmt::format("socket,id={},fd={},server=on,wait=off", kAgentDevice, kAgentDescriptor));
  out.add("-device",
          fmt::format("virtio-serial-pci,id=channels,bus=port{},max_ports=8", model::kChannelSlot));
  out.add("-device", fmt::format("virtserialport,id={},bus=channels.0,nr=1,chardev={},"
                                 "name=org.qemu.guest_agent.0",
                                 kAgentDevice, kAgentDevice));
}

// The VNC server listens nowhere: viewers are handed to it (screen.hpp).
void add_display(Arguments& out, const model::VmSpec& spec) {
  if (spec.display == model::DisplayKind::none) return;
  const bool sound = spec.sound != model::SoundKind::none;
  out.add("-vnc", sound ? fmt::format("none,audiodev={}", kSoundDevice) : "none");
  const auto adapter = spec.display == model::DisplayKind::vga
                           ? std::string("VGA")
                           : fmt::format("virtio-vga,max_hostmem={}", kScreenMemory.count);
  out.add("-device",
          fmt::format("{},id=display,bus=pcie.0,addr=0x{:x}", adapter, model::kDisplaySlot));
}

// The seed is a descriptor that exists nowhere else; see launch.cpp. It is a CD on the SCSI
// controller: the kernels that Debian makes for clouds have no driver for SATA.
void add_seed(Arguments& out, const ports::MachineSpec& machine) {
  if (machine.seed.empty()) return;
  out.add("-add-fd", fmt::format("fd={},set={},opaque=ro:seed", kSeedDescriptor, kSeedSet));
  out.add("-blockdev",
          fmt::format(R"({{"driver":"file","node-name":"{}f","filename":"/dev/fdset/{}",)"
                      R"("locking":"off","read-only":true}})",
                      kSeedDevice, kSeedSet));
  out.add("-blockdev", fmt::format(R"({{"driver":"raw","node-name":"{}","read-only":true,)"
                                   R"("file":"{}f"}})",
                                   kSeedDevice, kSeedDevice));
  out.add("-device", fmt::format("scsi-cd,bus=scsi.0,channel=0,scsi-id={},lun=0,id={},drive={}",
                                 model::kSeedTarget, kSeedDevice, kSeedDevice));
}

// A process that goes on from saved memory begins as the one that was saved did: what had been
// added to its memory is part of what is saved.
ports::MachineSpec as_it_began(ports::MachineSpec machine) {
  if (machine.saved) machine.spec.memory = machine.saved->base_memory;
  return machine;
}

std::set<std::uint32_t> ports_of(const ports::MachineSpec& machine) {
  if (!machine.saved) return model::root_ports(machine.spec);
  return {machine.saved->ports.begin(), machine.saved->ports.end()};
}

void add_ports(Arguments& out, const ports::MachineSpec& machine) {
  const auto& spec = machine.spec;
  for (const auto slot : ports_of(machine)) {
    out.add("-device",
            fmt::format("pcie-root-port,id=port{},bus=pcie.0,addr=0x{:x},chassis={},port={}", slot,
                        slot, slot, slot));
  }
  out.add("-object", "rng-builtin,id=random");
  out.add("-device",
          fmt::format("virtio-rng-pci,id=rng,bus=port{},rng=random", model::kRandomSlot));
  out.add("-device", "pvpanic,id=panic");
  if (spec.watchdog) {
    out.add("-device",
            fmt::format("i6300esb,id=watchdog,bus=pcie.0,addr=0x{:x}", model::kWatchdogSlot));
  }
  if (!spec.generation_id.empty()) {
    out.add("-device", "vmgenid,id=generation,guid=" + spec.generation_id);
  }
  // Also without a disk on it: what a guest has follows from its specification, whenever its disks
  // came.
  out.add("-device",
          fmt::format("virtio-scsi-pci,id={},bus=port{}", kScsiDevice, model::kScsiSlot));
}

Result add_boot(Arguments& out, const ports::MachineSpec& machine, const EngineFacts& facts) {
  const auto& boot = machine.spec.boot;
  if (boot.kind == model::BootKind::bios) return {};
  if (boot.kind == model::BootKind::uefi) {
    if (auto ok = add_firmware(out, machine, facts); !ok) return ok;
    if (machine.kernel_path.empty()) return {};  // what the disk holds
  }
  if (machine.kernel_path.empty()) {
    return refuse(Reason::bad_spec, "/boot/kernel", "booting a kernel needs a kernel");
  }
  out.add("-kernel", out.descriptor_path(machine.kernel_path));
  if (!machine.initrd_path.empty()) {
    out.add("-initrd", out.descriptor_path(machine.initrd_path));
  }
  if (!boot.command_line.empty()) out.add("-append", boot.command_line);
  return {};
}

std::string model_of(const std::string& device) {
  if (!device.starts_with('{')) return device.substr(0, device.find(','));
  const auto described = boost::json::parse(device);
  return std::string(described.as_object().at("driver").as_string());
}

// Distributions split QEMU's devices into packages, so that one may be missing.
Result check_models(const std::vector<std::string>& devices, const EngineFacts& facts) {
  const auto& known = facts.device_models;
  for (const auto& device : devices) {
    const auto model = model_of(device);
    if (known.empty() || known.contains(model)) continue;
    return std::unexpected(
        Error(Reason::host_cannot, fmt::format("this host's QEMU has no device '{}'", model))
            .remedy("install all of QEMU (Debian: qemu-system-x86 and qemu-system-common) and "
                    "restart ruched, or take that device out"));
  }
  return {};
}

}  // namespace

int share_descriptor(const model::VmSpec& spec, std::size_t index) {
  const auto ports = model::serial_port_count(spec);
  const int first = ports > 1  ? serial_descriptor(ports)
                    : spec.tpm ? kTpmDescriptor + 1
                               : kFirstFileDescriptor;
  return first + static_cast<int>(index);
}

std::expected<CommandLine, Error> build_command_line(const ports::MachineSpec& wanted,
                                                     const EngineFacts& facts) {
  const auto machine = as_it_began(wanted);
  if (auto ok = check(machine, facts); !ok) return std::unexpected(ok.error());
  const auto& spec = machine.spec;
  Arguments out(facts.qemu_path, share_descriptor(spec, spec.shares.size()));
  add_basics(out, machine);
  add_accelerator(out, facts.accelerator);
  if (auto ok = add_board(out, machine, facts); !ok) return std::unexpected(ok.error());
  add_channels(out, spec);
  add_ports(out, machine);
  add_memory_devices(out, spec);
  add_agent(out);
  add_sound(out, spec.sound);
  add_display(out, spec);
  add_usb(out, machine);
  if (auto ok = add_tpm(out, machine, facts); !ok) return std::unexpected(ok.error());
  if (auto ok = add_shares(out, machine, facts); !ok) return std::unexpected(ok.error());
  if (auto ok = add_disks(out, machine); !ok) return std::unexpected(ok.error());
  if (auto ok = add_cdroms(out, machine); !ok) return std::unexpected(ok.error());
  add_seed(out, machine);
  if (auto ok = add_nics(out, machine); !ok) return std::unexpected(ok.error());
  if (auto ok = add_pci(out, machine); !ok) return std::unexpected(ok.error());
  if (auto ok = add_boot(out, machine, facts); !ok) return std::unexpected(ok.error());
  if (machine.saved) out.add("-incoming", "defer");
  if (auto ok = check_models(out.devices(), facts); !ok) return std::unexpected(ok.error());
  return CommandLine{out.take_words(), out.take_files()};
}

}  // namespace ruche::drivers::qemu
