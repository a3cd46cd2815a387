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
struct RecordedDisk {
  std::string name;
  std::string nodes;  // what the names of its nodes begin with (disks.hpp)
  std::vector<RecordedFile> chain;  // top first

  std::string node(std::size_t layer) const;
};

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

RecordedDisk recorded_disk(const model::DiskSpec& disk, const ports::MachineDisk& files);

void write_record(const GuestDirectory& directory, const RuntimeRecord& record);
// nullopt when there is none. Throws document_unreadable for one that makes no sense, or is about
// another guest.
std::optional<RuntimeRecord> read_record(const GuestDirectory& directory, model::GuestId guest);
// The pure half, for tests and the fuzzer.
std::expected<RuntimeRecord, Error> parse_record(std::string_view text, model::GuestId guest);

}  // namespace ruche::drivers::qemu

extern template const ruche::TypeInfo& ruche::type_of<ruche::drivers::qemu::RecordedFile>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::drivers::qemu::RecordedDisk>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::drivers::qemu::RuntimeRecord>();
