// The runtime record of a launched guest: all that a later daemon needs to take it over without the
// store. Written durably at launch (temporary, fsync, rename), read as hostile input.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/reflect.hpp"
#include "drivers/qemu/guest_directory.hpp"
#include "model/guest.hpp"
#include "ports/hypervisor.hpp"
#include "ports/processes.hpp"

namespace ruche::drivers::qemu {

struct RecordedFile {
  std::string path;
  model::DiskFormat format = model::DiskFormat::qcow2;
};
constexpr auto describe(Type<RecordedFile>) {
  return structure<RecordedFile>("RecordedFile", "One file of a disk's chain.",
                                 field<&RecordedFile::path>("path", "Path.", {.required = true}),
                                 field<&RecordedFile::format>("format", "Format."));
}
struct RecordedDisk {
  std::string name;
  std::string nodes;  // what the names of its nodes begin with (disks.hpp)
  std::vector<RecordedFile> chain;  // top first

  std::string node(std::size_t layer) const;
};
constexpr auto describe(Type<RecordedDisk>) {
  return structure<RecordedDisk>(
      "RecordedDisk", "A disk's block graph.",
      field<&RecordedDisk::name>("name", "Name.", {.required = true}),
      field<&RecordedDisk::nodes>("nodes", "Begin of its nodes' names.", {.required = true}),
      field<&RecordedDisk::chain>("chain", "Files, top first."));
}

struct RuntimeRecord {
  std::uint32_t format = 1;
  model::GuestId guest;
  std::string name;
  std::string store_id;
  std::uint64_t epoch = 0;
  std::uint32_t uid = 0;
  std::int32_t pid = 0;
  std::uint64_t start_ticks = 0;
  std::string boot_id;
  std::string accelerator;
  std::vector<std::string> argv;
  std::vector<RecordedDisk> disks;
  std::vector<std::string> addresses;
  bool serial = false;
  std::uint32_t serial_ports = 1;  // where it has any
  bool agent = false;
  bool screen = false;

  ports::ProcessIdentity process() const { return {pid, start_ticks, boot_id}; }
};
constexpr auto describe(Type<RuntimeRecord>) {
  using R = RuntimeRecord;
  return structure<R>(
      "RuntimeRecord", "A launched guest.",
      field<&R::format>("format", "Layout of this record.", {.required = true}),
      field<&R::guest>("guest", "Guest id.", {.required = true}),
      field<&R::name>("name", "Guest name."),
      field<&R::store_id>("store_id", "The store that the launch came from."),
      field<&R::epoch>("epoch", "Placement epoch of the launch.", {.required = true}),
      field<&R::uid>("uid", "User of the process."),
      field<&R::pid>("pid", "Process.", {.required = true, .min = 2}),
      field<&R::start_ticks>("start_ticks", "Its start time (proc(5)).", {.required = true}),
      field<&R::boot_id>("boot_id", "The boot it belongs to.", {.required = true}),
      field<&R::accelerator>("accelerator", "kvm or tcg."),
      field<&R::argv>("argv", "Command line."), field<&R::disks>("disks", "Block graph."),
      field<&R::addresses>("addresses", "Known addresses."),
      field<&R::serial>("serial", "It has a serial line."),
      field<&R::serial_ports>("serial_ports", "How many, where it has any.",
                              {.min = 1, .max = model::kMostSerialPorts}),
      field<&R::agent>("agent", "It has an agent's channel."),
      field<&R::screen>("screen", "It has a display."));
}

RecordedDisk recorded_disk(const model::DiskSpec& disk, const ports::MachineDisk& files);

void write_record(const GuestDirectory& directory, const RuntimeRecord& record);
// nullopt when there is none. Throws document_unreadable for one that makes no sense, or is about
// another guest.
std::optional<RuntimeRecord> read_record(const GuestDirectory& directory, model::GuestId guest);
// The pure half, for tests and the fuzzer.
std::expected<RuntimeRecord, Error> parse_record(std::string_view text, model::GuestId guest);

}  // namespace ruche::drivers::qemu
