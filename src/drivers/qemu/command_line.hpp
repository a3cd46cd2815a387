// MachineSpec → QEMU's command line, hardware version 1 (model/hardware.hpp). Pure: the golden
// files in tests/golden/qemu hold it still.
#pragma once

#include <expected>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "drivers/qemu/arguments.hpp"
#include "ports/hypervisor.hpp"

namespace ruche::drivers::qemu {

// The listening sockets that the daemon hands over.
inline constexpr int kQmpDescriptor = 3;
inline constexpr int kSerialDescriptor = 4;
inline constexpr int kFirstFileDescriptor = 5;

// What the daemon and QEMU call the parts that they talk about.
inline constexpr const char* kRingDevice = "ring";
inline constexpr const char* kWatchDevice = "watch";
inline constexpr Bytes kRingSize = kib(64);
// QEMU's translation cache: without a limit it may grow to 1 GiB, which no reservation covers.
inline constexpr Bytes kTranslationCache = mib(64);

struct EngineFacts {
  std::string qemu_path;
  model::Accelerator accelerator = model::Accelerator::tcg;
  std::vector<std::string> machine_types;
};

struct CommandLine {
  std::vector<std::string> argv;
  std::vector<OpenFile> files;
};

// Fails with bad_spec for a specification that contradicts itself and host_cannot for one that this
// host's QEMU lacks something for.
std::expected<CommandLine, Error> build_command_line(const ports::MachineSpec& machine,
                                                     const EngineFacts& facts);

}  // namespace ruche::drivers::qemu
