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

}  // namespace ruche::drivers::qemu
