// UEFI firmware (OVMF, the package ovmf): where it is on this host, and how a guest gets it. The
// program is read-only and shared; the variables are a file of the guest's own.
#pragma once

#include <expected>
#include <optional>

#include "base/error.hpp"
#include "drivers/qemu/arguments.hpp"
#include "drivers/qemu/command_line.hpp"
#include "ports/hypervisor.hpp"

namespace ruche::drivers::qemu {

// Of the machine: its flash, and the mode of the CPU that alone may write it with Secure Boot.
std::string firmware_properties(const model::BootSpec& boot);

// Below `root`: /usr/share. The builds with the larger variable store (4M), which Debian has from
// version 11 on; with Secure Boot the one whose variables hold Microsoft's keys.
std::optional<ports::UefiFirmware> find_firmware(const std::string& root);

// Fails with host_cannot where there is no firmware and bad_spec when the variables are missing.
std::expected<void, Error> add_firmware(Arguments& out, const ports::MachineSpec& machine,
                                        const EngineFacts& facts);

}  // namespace ruche::drivers::qemu
