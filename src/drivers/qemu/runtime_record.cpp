#include "drivers/qemu/runtime_record.hpp"

#include <fmt/format.h>

#include "base/json.hpp"
#include "drivers/qemu/disks.hpp"

namespace ruche::drivers::qemu {

namespace {
constexpr std::size_t kRecordLimit = 1 << 20;
}

RecordedDisk recorded_disk(const model::DiskSpec& disk, const ports::MachineDisk& files) {
  RecordedDisk recorded{disk.name, node_prefix(disk.bus, disk.slot), {}};
  for (const auto& image : files.chain) recorded.chain.push_back({image.path, image.format});
  return recorded;
}

std::string RecordedDisk::node(std::size_t layer) const {
  return node_name(nodes, chain.at(layer).path);
}

void write_record(const GuestDirectory& directory, const RuntimeRecord& record) {
  directory.write(kRecordFile, json::encode(record, {.pretty = true}),
                  GuestDirectory::Durability::full);
}

std::expected<RuntimeRecord, Error> parse_record(std::string_view text, model::GuestId guest) {
  auto record = json::try_decode<RuntimeRecord>(text);
  const auto refuse = [&](std::string message) {
    return std::unexpected(
        Error(Reason::document_unreadable,
              fmt::format("the runtime record of guest {}: {}", to_text(guest), message)));
  };
  if (!record) return refuse(record.error().full_message());
  if (record->format != 1) return refuse(fmt::format("format {}", record->format));
  if (record->guest != guest) return refuse("it is about guest " + to_text(record->guest));
  return record;
}

std::optional<RuntimeRecord> read_record(const GuestDirectory& directory, model::GuestId guest) {
  const auto text = directory.read(kRecordFile, kRecordLimit);
  if (!text) return std::nullopt;
  auto record = parse_record(*text, guest);
  if (!record) throw std::move(record.error());
  return std::move(*record);
}

constexpr auto describe(Type<RecordedFile>) {
  return structure<RecordedFile>("RecordedFile", "One file of a disk's chain.",
                                 field<&RecordedFile::path>("path", "Path.", {.required = true}),
                                 field<&RecordedFile::format>("format", "Format."));
}

constexpr auto describe(Type<RecordedDisk>) {
  return structure<RecordedDisk>(
      "RecordedDisk", "A disk's block graph.",
      field<&RecordedDisk::name>("name", "Name.", {.required = true}),
      field<&RecordedDisk::nodes>("nodes", "Begin of its nodes' names.", {.required = true}),
      field<&RecordedDisk::chain>("chain", "Files, top first."));
}

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

}  // namespace ruche::drivers::qemu

template const ruche::TypeInfo& ruche::type_of<ruche::drivers::qemu::RecordedFile>();
template const ruche::TypeInfo& ruche::type_of<ruche::drivers::qemu::RecordedDisk>();
template const ruche::TypeInfo& ruche::type_of<ruche::drivers::qemu::RuntimeRecord>();
