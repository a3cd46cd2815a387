#include "drivers/qemu/disks.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/json_value.hpp"
#include "base/sha256.hpp"
#include "drivers/qemu/board.hpp"
#include "model/hardware.hpp"

namespace ruche::drivers::qemu {

namespace {

constexpr std::size_t kNameDigits = 12;
constexpr std::size_t kSerialLength = 20;  // of virtio-blk, ATA and NVMe

Error wrong(std::size_t disk, const char* field, std::string message) {
  return Error(Reason::bad_spec, std::move(message)).at(fmt::format("/disks/{}{}", disk, field));
}

std::string text_of(const json::Object& object) { return boost::json::serialize(object); }

void add_nodes(Arguments& out, NodePair nodes) {
  const auto access = nodes.writable ? Arguments::Access::read_write : Arguments::Access::read_only;
  nodes.file["filename"] = out.fdset(nodes.path, access);
  out.add("-blockdev", text_of(nodes.file));
  out.add("-blockdev", text_of(nodes.format));
}

char letter_of(model::DiskBus bus) {
  switch (bus) {
    case model::DiskBus::virtio_blk:
      return 'v';
    case model::DiskBus::virtio_scsi:
      return 's';
    case model::DiskBus::sata:
      return 'a';
    case model::DiskBus::nvme:
      return 'n';
  }
  broken_invariant("a disk bus outside its enumeration");
}

std::string node_of(const model::DiskSpec& disk, const ports::ImageFile& image) {
  return node_name(node_prefix(disk.bus, disk.slot), image.path);
}

}  // namespace

std::string disk_id(std::string_view name) { return fmt::format("disk-{}", name); }
std::string cdrom_id(std::string_view name) { return fmt::format("cdrom-{}", name); }

std::string node_prefix(model::DiskBus bus, std::uint32_t slot) {
  return fmt::format("{}{}-", letter_of(bus), slot);
}

// QEMU takes names of at most 31 characters.
std::string node_name(const std::string& prefix, std::string_view path) {
  Sha256 digest;
  digest.add({reinterpret_cast<const std::uint8_t*>(path.data()), path.size()});
  return prefix + digest.hex().substr(0, kNameDigits);
}

std::string file_node(const std::string& node) { return node + "f"; }

std::expected<void, Error> check_disk(const model::DiskSpec& spec, const ports::MachineDisk& disk,
                                      std::size_t index) {
  if (!is_valid_name(spec.name)) return std::unexpected(wrong(index, "/name", "not a name"));
  if (disk.name != spec.name) {
    return std::unexpected(
        wrong(index, "",
              fmt::format("the files of disk {} were given for disk {}", disk.name, spec.name)));
  }
  if (spec.slot == 0) return std::unexpected(wrong(index, "/slot", "the disk has no place yet"));
  if (disk.chain.empty()) return std::unexpected(wrong(index, "", "the disk has no file"));
  for (std::size_t layer = 0; layer + 1 < disk.chain.size(); ++layer) {
    if (disk.chain[layer].format == model::DiskFormat::raw) {
      return std::unexpected(
          wrong(index, "",
                fmt::format("{} is raw and cannot stand on another file", disk.chain[layer].path)));
    }
  }
  return {};
}

std::vector<NodePair> disk_nodes(const model::DiskSpec& disk, const ports::MachineDisk& files) {
  std::vector<NodePair> nodes;
  const char* discard = disk.discard ? "unmap" : "ignore";
  for (std::size_t height = 0; height < files.chain.size(); ++height) {
    const auto& image = files.chain[files.chain.size() - 1 - height];
    const bool top = height + 1 == files.chain.size();
    const auto name = node_of(disk, image);
    NodePair pair{image.path, top, {}, {}};
    pair.file = {{"driver", "file"},  {"node-name", file_node(name)},
                 {"filename", ""},    {"locking", "on"},
                 {"read-only", !top}, {"discard", discard}};
    pair.format = {{"driver", enum_name(image.format)},
                   {"node-name", name},
                   {"read-only", !top},
                   {"discard", discard},
                   {"detect-zeroes", disk.discard ? "unmap" : "off"},
                   {"file", file_node(name)}};
    if (disk.cache == model::DiskCache::none) {
      pair.file["cache"] = json::Object{{"direct", true}};
      pair.format["cache"] = json::Object{{"direct", true}};
    }
    if (image.format == model::DiskFormat::qcow2) {
      if (height == 0) {
        pair.format["backing"] = nullptr;
      } else {
        pair.format["backing"] = node_of(disk, files.chain[files.chain.size() - height]);
      }
    }
    nodes.push_back(std::move(pair));
  }
  return nodes;
}

// Without an iothread: QEMU's main loop does its input and output (ADR 27).
json::Object disk_device(const model::DiskSpec& disk, const ports::MachineDisk& files) {
  json::Object device{{"driver", ""},
                      {"id", disk_id(disk.name)},
                      {"drive", node_of(disk, files.chain.front())},
                      {"serial", disk.name.substr(0, kSerialLength)}};
  if (disk.cache == model::DiskCache::writethrough) device["write-cache"] = "off";
  switch (disk.bus) {
    case model::DiskBus::virtio_blk:
      device["driver"] = "virtio-blk-pci";
      device["bus"] = fmt::format("port{}", disk.slot);
      break;
    case model::DiskBus::nvme:
      device["driver"] = "nvme";
      device["bus"] = fmt::format("port{}", disk.slot);
      break;
    case model::DiskBus::virtio_scsi:
      device["driver"] = "scsi-hd";
      device["bus"] = "scsi.0";
      device["channel"] = 0;
      device["scsi-id"] = disk.slot - 1;
      device["lun"] = 0;
      device["rotation_rate"] = 1;
      break;
    case model::DiskBus::sata:
      device["driver"] = "ide-hd";
      device["bus"] = fmt::format("ide.{}", disk.slot - 1);
      device["rotation_rate"] = 1;
      break;
  }
  return device;
}

std::expected<void, Error> add_disks(Arguments& out, const ports::MachineSpec& machine) {
  const auto& specs = machine.spec.disks;
  if (machine.disks.size() != specs.size()) {
    return std::unexpected(Error(Reason::bad_spec, fmt::format("{} disks, but the files of {}",
                                                               specs.size(), machine.disks.size()))
                               .at("/disks"));
  }
  for (std::size_t i = 0; i < specs.size(); ++i) {
    if (auto ok = check_disk(specs[i], machine.disks[i], i); !ok) return ok;
    for (auto& nodes : disk_nodes(specs[i], machine.disks[i])) add_nodes(out, std::move(nodes));
    auto device = disk_device(specs[i], machine.disks[i]);
    const auto index = boot_index(machine.spec.boot, specs[i].name, i + 1);
    if (index) device["bootindex"] = *index;
    out.add("-device", text_of(device));
  }
  return {};
}

// A medium's nodes are called after the drive and the image, so that the old and the new one of an
// exchange are two.
NodePair medium_nodes(const model::CdromSpec& drive, const std::string& path) {
  const auto id = drive.layer ? to_text(*drive.layer) : std::string();
  std::string name = fmt::format("c{}m{}", drive.slot,
                                 id.substr(id.size() - std::min<std::size_t>(id.size(), 12)));
  NodePair pair{path, false, {}, {}};
  pair.file = {{"driver", "file"},
               {"node-name", file_node(name)},
               {"filename", ""},
               {"locking", "on"},
               {"read-only", true}};
  pair.format = {
      {"driver", "raw"}, {"node-name", name}, {"read-only", true}, {"file", file_node(name)}};
  return pair;
}

std::expected<void, Error> add_cdroms(Arguments& out, const ports::MachineSpec& machine) {
  const auto& specs = machine.spec.cdroms;
  if (machine.cdroms.size() != specs.size()) {
    return std::unexpected(
        Error(Reason::bad_spec, "the files of the CD-ROM drives are missing").at("/cdroms"));
  }
  for (std::size_t i = 0; i < specs.size(); ++i) {
    const auto& spec = specs[i];
    if (!is_valid_name(spec.name) || spec.name != machine.cdroms[i].name || spec.slot == 0) {
      return std::unexpected(Error(Reason::bad_spec, "the CD-ROM drive has no name or no place")
                                 .at(fmt::format("/cdroms/{}", i)));
    }
    json::Object device{{"driver", "ide-cd"},
                        {"id", cdrom_id(spec.name)},
                        {"bus", fmt::format("ide.{}", spec.slot - 1)}};
    const auto index = boot_index(machine.spec.boot, spec.name, machine.disks.size() + i + 1);
    if (index) device["bootindex"] = *index;
    if (!machine.cdroms[i].path.empty()) {
      auto nodes = medium_nodes(spec, machine.cdroms[i].path);
      device["drive"] = nodes.format["node-name"];
      add_nodes(out, std::move(nodes));
    }
    out.add("-device", text_of(device));
  }
  return {};
}

std::optional<Error> disk_failure(const ports::MachineSpec& machine, std::string_view last_words) {
  for (std::size_t i = 0; i < machine.disks.size() && i < machine.spec.disks.size(); ++i) {
    const auto& disk = machine.spec.disks[i];
    for (const auto& image : machine.disks[i].chain) {
      if (last_words.find('"' + node_of(disk, image)) == last_words.npos) continue;
      return Error(Reason::hypervisor_failed,
                   fmt::format("{} cannot be opened: its layer {} is damaged or in use", disk.name,
                               image.path))
          .at(fmt::format("/disks/{}", i))
          .remedy(fmt::format("look at the file (qemu-img check), see what stands on it: ruche vm "
                              "layers {}",
                              machine.name));
    }
  }
  return std::nullopt;
}

}  // namespace ruche::drivers::qemu
