#include "drivers/qemu/disks.hpp"

#include <fmt/format.h>

#include "base/json_value.hpp"
#include "model/hardware.hpp"

namespace ruche::drivers::qemu {

namespace {

constexpr std::size_t kSerialLength = 20;  // of virtio-blk and ATA

std::string node_name(std::size_t disk, std::size_t layer) {
  return fmt::format("d{}l{}", disk, layer);
}

Error wrong(std::size_t disk, const char* field, std::string message) {
  return Error(Reason::bad_spec, std::move(message)).at(fmt::format("/disks/{}{}", disk, field));
}

std::expected<void, Error> check(const model::DiskSpec& spec, const ports::MachineDisk& disk,
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

// Bottom first, because a node can only refer to those that exist.
void add_chain(Arguments& out, const ports::MachineDisk& disk, std::size_t index) {
  for (std::size_t layer = disk.chain.size(); layer-- > 0;) {
    const auto& image = disk.chain[layer];
    const bool top = layer == 0;
    const bool bottom = layer + 1 == disk.chain.size();
    const auto name = node_name(index, layer);
    const auto path =
        out.fdset(image.path, top ? Arguments::Access::read_write : Arguments::Access::read_only);
    json::Object file{{"driver", "file"}, {"node-name", name + "f"}, {"filename", path},
                      {"locking", "on"},  {"read-only", !top},       {"discard", "unmap"}};
    json::Object format{{"driver", enum_name(image.format)},
                        {"node-name", name},
                        {"read-only", !top},
                        {"discard", "unmap"},
                        {"detect-zeroes", "unmap"},
                        {"file", name + "f"}};
    if (image.format == model::DiskFormat::qcow2) {
      if (bottom) {
        format["backing"] = nullptr;
      } else {
        format["backing"] = node_name(index, layer + 1);
      }
    }
    out.add("-blockdev", boost::json::serialize(file));
    out.add("-blockdev", boost::json::serialize(format));
  }
}

void add_device(Arguments& out, const model::DiskSpec& spec, std::size_t index) {
  const auto common =
      fmt::format("id=disk-{},drive={},bootindex={},serial={}", spec.name, node_name(index, 0),
                  index + 1, spec.name.substr(0, kSerialLength));
  switch (spec.bus) {
    case model::DiskBus::virtio_blk:
      out.add("-device", fmt::format("virtio-blk-pci,bus=port{},{}", spec.slot, common));
      return;
    case model::DiskBus::virtio_scsi:
      out.add("-device",
              fmt::format("scsi-hd,bus=scsi.0,channel=0,scsi-id={},lun=0,rotation_rate=1,{}",
                          spec.slot - 1, common));
      return;
    case model::DiskBus::sata:
      out.add("-device",
              fmt::format("ide-hd,bus=ide.{},rotation_rate=1,{}", spec.slot - 1, common));
      return;
  }
}

}  // namespace

std::expected<void, Error> add_disks(Arguments& out, const ports::MachineSpec& machine) {
  const auto& specs = machine.spec.disks;
  if (machine.disks.size() != specs.size()) {
    return std::unexpected(Error(Reason::bad_spec, fmt::format("{} disks, but the files of {}",
                                                               specs.size(), machine.disks.size()))
                               .at("/disks"));
  }
  for (std::size_t i = 0; i < specs.size(); ++i) {
    if (auto ok = check(specs[i], machine.disks[i], i); !ok) return ok;
    add_chain(out, machine.disks[i], i);
    add_device(out, specs[i], i);
  }
  return {};
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
    const auto node = fmt::format("c{}", i);
    const json::Object file{
        {"driver", "file"},
        {"node-name", node + "f"},
        {"filename", out.fdset(machine.cdroms[i].path, Arguments::Access::read_only)},
        {"locking", "on"},
        {"read-only", true}};
    const json::Object medium{
        {"driver", "raw"}, {"node-name", node}, {"read-only", true}, {"file", node + "f"}};
    out.add("-blockdev", boost::json::serialize(file));
    out.add("-blockdev", boost::json::serialize(medium));
    out.add("-device", fmt::format("ide-cd,bus=ide.{},id=cdrom-{},drive={},bootindex={}",
                                   spec.slot - 1, spec.name, node, machine.disks.size() + i + 1));
  }
  return {};
}

std::vector<std::string> node_names(const std::vector<ports::MachineDisk>& disks) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < disks.size(); ++i) {
    for (std::size_t layer = 0; layer < disks[i].chain.size(); ++layer) {
      names.push_back(node_name(i, layer));
      names.push_back(node_name(i, layer) + "f");
    }
  }
  return names;
}

}  // namespace ruche::drivers::qemu
