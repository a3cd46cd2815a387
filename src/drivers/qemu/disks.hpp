// Disks: a block graph of named nodes (d<disk>l<layer> over d<disk>l<layer>f), explicit down to the
// last backing file, and a device on top. Nothing is ever probed.
#pragma once

#include <expected>

#include "base/error.hpp"
#include "drivers/qemu/arguments.hpp"
#include "ports/hypervisor.hpp"

namespace ruche::drivers::qemu {

std::expected<void, Error> add_disks(Arguments& out, const ports::MachineSpec& machine);
// CD-ROM drives: a blank disk does not boot, so an installation starts from the medium and the
// next start from the disk.
std::expected<void, Error> add_cdroms(Arguments& out, const ports::MachineSpec& machine);
// The names of all nodes of a machine's graph as add_disks makes it, to compare with QEMU's answer.
std::vector<std::string> node_names(const std::vector<ports::MachineDisk>& disks);

}  // namespace ruche::drivers::qemu
