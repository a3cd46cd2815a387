#include "drivers/qemu/command_line.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "drivers/qemu/cpu.hpp"
#include "drivers/qemu/disks.hpp"
#include "drivers/qemu/firmware.hpp"
#include "drivers/qemu/nics.hpp"
#include "model/hardware.hpp"

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

// Memory that comes later is of the same kind as what is there from the start.
void add_memory(Arguments& out, const model::VmSpec& spec) {
  const bool shareable = spec.memory_kind == model::MemoryKind::shareable;
  const char* backend = shareable ? "memory-backend-memfd,share=on" : "memory-backend-ram";
  const auto size = spec.memory.count >> 20;
  const bool grows = spec.memory_max.count > 0;
  out.add("-m", grows ? fmt::format("size={}M,maxmem={}M", size, spec.memory_max.count >> 20)
                      : fmt::format("size={}M", size));
  out.add("-object", fmt::format("{},id=ram,size={}M", backend, size));
  if (spec.memory_max > spec.memory) {
    out.add("-object", fmt::format("{},id={}ram,size={}M,reserve=off", backend, kMemoryDevice,
                                   (spec.memory_max - spec.memory).count >> 20));
  }
}

// After the root ports that they stand behind.
void add_memory_devices(Arguments& out, const model::VmSpec& spec) {
  if (spec.memory_max > spec.memory) {
    out.add("-device", fmt::format("virtio-mem-pci,id={},bus=port{},memdev={}ram,requested-size=0",
                                   kMemoryDevice, model::kMemorySlot, kMemoryDevice));
  }
  if (spec.memory_min.count > 0) {
    out.add("-device", fmt::format("virtio-balloon-pci,id={},bus=port{},free-page-reporting=on",
                                   kBalloonDevice, model::kBalloonSlot));
  }
}

Result add_board(Arguments& out, const ports::MachineSpec& machine,
                 model::Accelerator accelerator) {
  const auto& spec = machine.spec;
  const auto cpu = cpu_argument(spec, accelerator);
  if (!cpu) return std::unexpected(cpu.error());
  const auto smp = smp_argument(spec);
  if (!smp) return std::unexpected(smp.error());
  out.add("-machine",
          fmt::format("{},memory-backend=ram,usb=off,vmport=off,hpet=off,smbus=off,sata={},"
                      "dump-guest-core=off{}",
                      spec.machine_type, uses_sata(machine) ? "on" : "off",
                      spec.boot.kind == model::BootKind::uefi ? kFirmwareProperties : ""));
  out.add("-cpu", *cpu);
  out.add("-smp", *smp);
  for (auto& device : cpu_devices(spec, accelerator)) {
    out.add("-device", boost::json::serialize(device));
  }
  add_memory(out, spec);
  const bool local = spec.system == model::GuestSystem::windows;
  out.add("-rtc", local ? "base=localtime,driftfix=slew" : "base=utc,driftfix=slew");
  return {};
}

// The serial line goes to a ring inside QEMU, which needs nobody, and to a socket, which is
// connected only while somebody watches.
void add_channels(Arguments& out, bool serial) {
  out.add("-chardev", fmt::format("socket,id=qmp,fd={},server=on,wait=off", kQmpDescriptor));
  out.add("-mon", "chardev=qmp,mode=control");
  if (!serial) return;
  out.add("-chardev", fmt::format("ringbuf,id={},size={}", kRingDevice, kRingSize.count));
  out.add("-chardev",
          fmt::format("socket,id={},fd={},server=on,wait=off", kWatchDevice, kSerialDescriptor));
  out.add("-chardev",
          fmt::format("hub,id=console,chardevs.0={},chardevs.1={}", kRingDevice, kWatchDevice));
  out.add("-device", "isa-serial,id=serial0,chardev=console");
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

// The tablet says where the pointer is, so that a viewer's pointer and the guest's are one. The VNC
// server listens nowhere: viewers are handed to it (screen.hpp).
void add_display(Arguments& out, model::DisplayKind display) {
  if (display == model::DisplayKind::none) return;
  out.add("-vnc", "none");
  out.add("-device", fmt::format("VGA,id=display,bus=pcie.0,addr=0x{:x}", model::kDisplaySlot));
  out.add("-device", fmt::format("qemu-xhci,id=usb,bus=port{}", model::kUsbSlot));
  out.add("-device", "usb-tablet,id=tablet,bus=usb.0,port=1");
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

void add_ports(Arguments& out, const ports::MachineSpec& machine) {
  const auto& spec = machine.spec;
  for (const auto slot : model::root_ports(spec)) {
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
  // Else it comes with the first disk on it (devices.cpp).
  if (uses(spec, model::DiskBus::virtio_scsi) || !machine.seed.empty()) {
    out.add("-device",
            fmt::format("virtio-scsi-pci,id={},bus=port{}", kScsiDevice, model::kScsiSlot));
  }
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

}  // namespace

std::expected<CommandLine, Error> build_command_line(const ports::MachineSpec& machine,
                                                     const EngineFacts& facts) {
  if (auto ok = check(machine, facts); !ok) return std::unexpected(ok.error());
  const auto& spec = machine.spec;
  Arguments out(facts.qemu_path, kFirstFileDescriptor);
  add_basics(out, machine);
  add_accelerator(out, facts.accelerator);
  if (auto ok = add_board(out, machine, facts.accelerator); !ok) {
    return std::unexpected(ok.error());
  }
  add_channels(out, spec.serial);
  add_ports(out, machine);
  add_memory_devices(out, spec);
  add_agent(out);
  add_display(out, spec.display);
  if (auto ok = add_disks(out, machine); !ok) return std::unexpected(ok.error());
  if (auto ok = add_cdroms(out, machine); !ok) return std::unexpected(ok.error());
  add_seed(out, machine);
  if (auto ok = add_nics(out, machine); !ok) return std::unexpected(ok.error());
  if (auto ok = add_boot(out, machine, facts); !ok) return std::unexpected(ok.error());
  return CommandLine{out.take_words(), out.take_files()};
}

}  // namespace ruche::drivers::qemu
