// Disks: a block graph of named nodes, explicit down to the last backing file, and a device on top.
// Nothing is ever probed. A node is called after its disk's place and its file, because layers come
// and go below it while the guest runs: v3-0123456789ab over v3-0123456789abf is a layer of the
// virtio-blk disk in slot 3 (s: virtio-scsi, a: SATA, n: NVMe), and the digits begin the SHA-256 of
// the file's path.
#pragma once

#include <expected>

#include "base/error.hpp"
#include "base/json_value.hpp"
#include "drivers/qemu/arguments.hpp"
#include "ports/hypervisor.hpp"

namespace ruche::drivers::qemu {

std::expected<void, Error> add_disks(Arguments& out, const ports::MachineSpec& machine);
// CD-ROM drives: a blank disk does not boot, so an installation starts from the medium and the
// next start from the disk.
std::expected<void, Error> add_cdroms(Arguments& out, const ports::MachineSpec& machine);

// A file and the two nodes over it, in the words of blockdev-add. Whoever adds them fills in the
// file's name.
struct NodePair {
  std::string path;
  bool writable = false;
  json::Object file;
  json::Object format;
};
// Bottom first, because a node can only refer to those that exist.
std::vector<NodePair> disk_nodes(const model::DiskSpec& disk, const ports::MachineDisk& files);
NodePair medium_nodes(const model::CdromSpec& drive, const std::string& path);
// In the words of device_add; without a place in the boot order.
json::Object disk_device(const model::DiskSpec& disk, const ports::MachineDisk& files);

std::string disk_id(std::string_view name);
std::string cdrom_id(std::string_view name);
// What all nodes of a disk begin with: "v3-".
std::string node_prefix(model::DiskBus bus, std::uint32_t slot);
// The node of a layer, and the one below it that is its file.
std::string node_name(const std::string& prefix, std::string_view path);
std::string file_node(const std::string& node);

// When QEMU's last words are about a file of a disk: which, and what to do.
std::optional<Error> disk_failure(const ports::MachineSpec& machine, std::string_view last_words);

// The rules of one disk and its files; `index` is for the error's field.
std::expected<void, Error> check_disk(const model::DiskSpec& spec, const ports::MachineDisk& disk,
                                      std::size_t index);

}  // namespace ruche::drivers::qemu
