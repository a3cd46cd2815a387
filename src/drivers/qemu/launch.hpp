// The descriptors and the confinement of one launch.
#pragma once

#include <string>
#include <vector>

#include "base/descriptor.hpp"
#include "drivers/qemu/boot_files.hpp"
#include "drivers/qemu/command_line.hpp"
#include "drivers/qemu/guest_directory.hpp"
#include "ports/hypervisor.hpp"
#include "ports/processes.hpp"

namespace ruche::drivers::qemu {

// What QEMU is handed. The daemon must let go of it as soon as QEMU runs: a copy of a disk's
// descriptor kept by anyone holds the image's lock after QEMU has died.
struct Handover {
  std::vector<Descriptor> held;
  std::vector<ports::PassedDescriptor> passed;
  std::vector<std::string> read_paths;  // files that QEMU opens again itself
};

struct HandoverRequest {
  const std::vector<OpenFile>& files;
  const std::vector<ports::SeedFile>& seed;
  std::uint32_t serial_ports = 0;
  std::uint32_t uid = 0;
};
// Makes the guest's directory with its sockets and opens every file. Blocks; runs in a lane. Throws
// io_failed.
Handover prepare_handover(GuestDirectory& directory, BootFiles& boot_files,
                          const HandoverRequest& request);

// Opens a file that QEMU is to be handed. Blocks; runs in a lane. Throws io_failed for what is
// neither a plain file nor, below /dev, a device.
Descriptor open_for_qemu(const OpenFile& file);

// The paths that any program needs: itself and its libraries.
void allow_program(ports::Confinement& confinement, const std::string& path);

// The paths that any QEMU needs: its program, libraries and firmware.
void allow_qemu(ports::Confinement& confinement, const std::string& qemu_path);

// What QEMU may reach and use besides its descriptors.
ports::SpawnRequest spawn_request(const ports::MachineSpec& machine, const CommandLine& line,
                                  const Handover& handover, const GuestDirectory& directory,
                                  Bytes overhead);

}  // namespace ruche::drivers::qemu
