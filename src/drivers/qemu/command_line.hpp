// MachineSpec → QEMU's command line, hardware version 1 (model/hardware.hpp). Pure: the golden
// files in tests/golden/qemu hold it still.
#pragma once

#include <expected>
#include <set>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "drivers/qemu/arguments.hpp"
#include "ports/hypervisor.hpp"

namespace ruche::drivers::qemu {

// The listening sockets that the daemon hands over.
inline constexpr int kQmpDescriptor = 3;
inline constexpr int kSerialDescriptor = 4;
inline constexpr int kAgentDescriptor = 5;
inline constexpr int kSeedDescriptor = 6;  // the medium, made at the launch
inline constexpr int kSeedSet = 1000;  // of descriptors, beyond those that Arguments gives out
inline constexpr int kFirstFileDescriptor = 7;
inline constexpr int kTpmDescriptor =
    kFirstFileDescriptor;  // of a guest that has one; files follow
// Those of further ports have the place after the TPM's, whether there is one or not.
constexpr int serial_descriptor(std::uint32_t port) {
  return port == 0 ? kSerialDescriptor : kTpmDescriptor + static_cast<int>(port);
}
// Of a folder of the host, after the TPM's and the serial ports'; files follow.
int share_descriptor(const model::VmSpec& spec, std::size_t index);

// What the daemon and QEMU call the parts that they talk about, serial ports (serial_port.hpp)
// apart.
inline constexpr const char* kAgentDevice = "agent";  // the port and its character device
inline constexpr const char* kSeedDevice = "seed";  // the drive and its block node
inline constexpr const char* kScsiDevice = "scsi";  // the controller
inline constexpr const char* kMemoryDevice = "more";  // of virtio-mem
inline constexpr const char* kBalloonDevice = "balloon";
inline constexpr Bytes kRingSize = kib(64);
// QEMU's translation cache: without a limit it may grow to 1 GiB, which no reservation covers.
inline constexpr Bytes kTranslationCache = mib(64);
// What the pictures of a virtio GPU take of QEMU's own memory at most: twice what 3840 × 2160 need.
inline constexpr Bytes kScreenMemory = mib(64);

struct EngineFacts {
  std::string qemu_path;
  model::Accelerator accelerator = model::Accelerator::tcg;
  std::vector<std::string> machine_types;
  std::string uefi_code;  // empty: no UEFI here
  std::uint32_t numa_nodes = 1;  // of this host
  std::string secure_uefi_code = {};  // the same with Secure Boot
  std::string no_tpm = {};  // why guests have no TPM here
  std::string no_shares = {};  // why they mount no folders of this host
  std::set<std::string> device_models = {};  // that QEMU has; empty: it did not say
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
