#include "drivers/mirror/disk_table.hpp"

#include <algorithm>
#include <boost/crc.hpp>

#include "base/error.hpp"

namespace ruche::drivers::mirror {

namespace {

constexpr std::size_t kEntrySize = 128;
constexpr std::size_t kEntryCount = 128;
constexpr std::size_t kHeaderSize = 92;
constexpr std::int64_t kEntrySectors = 32;
constexpr std::int64_t kFirstUsable = 2 + kEntrySectors;

void put(std::string& out, std::size_t at, std::uint64_t value, std::size_t width) {
  for (std::size_t i = 0; i < width; ++i) out[at + i] = static_cast<char>(value >> (8 * i));
}

void put(std::string& out, std::size_t at, const Guid& guid) {
  std::copy(guid.begin(), guid.end(), out.begin() + static_cast<std::ptrdiff_t>(at));
}

std::uint32_t checksum(std::string_view bytes) {
  boost::crc_32_type crc;
  crc.process_bytes(bytes.data(), bytes.size());
  return crc.checksum();
}

std::string make_entries(const std::vector<Partition>& partitions) {
  std::string out(kEntrySize * kEntryCount, '\0');
  std::size_t at = 0;
  for (const auto& partition : partitions) {
    put(out, at, partition.type);
    put(out, at + 16, partition.id);
    put(out, at + 32, static_cast<std::uint64_t>(partition.first), 8);
    put(out, at + 40, static_cast<std::uint64_t>(partition.first + partition.count - 1), 8);
    for (std::size_t i = 0; i < std::min<std::size_t>(partition.name.size(), 36); ++i) {
      out[at + 56 + 2 * i] = partition.name[i];
    }
    at += kEntrySize;
  }
  return out;
}

struct HeaderPlace {
  std::int64_t here;
  std::int64_t other;
  std::int64_t entries;
  std::int64_t last_usable;
};

std::string make_header(const HeaderPlace& place, const Guid& id, std::uint32_t entries_checksum) {
  std::string out(kSector, '\0');
  out.replace(0, 8, "EFI PART");
  put(out, 8, 0x00010000, 4);
  put(out, 12, kHeaderSize, 4);
  put(out, 24, static_cast<std::uint64_t>(place.here), 8);
  put(out, 32, static_cast<std::uint64_t>(place.other), 8);
  put(out, 40, kFirstUsable, 8);
  put(out, 48, static_cast<std::uint64_t>(place.last_usable), 8);
  put(out, 56, id);
  put(out, 72, static_cast<std::uint64_t>(place.entries), 8);
  put(out, 80, kEntryCount, 4);
  put(out, 84, kEntrySize, 4);
  put(out, 88, entries_checksum, 4);
  put(out, 16, checksum(std::string_view(out).substr(0, kHeaderSize)), 4);
  return out;
}

// One partition of the type 0xee over all of the disk, so that old tools leave it alone.
std::string make_protective_mbr(std::int64_t sectors) {
  std::string out(kSector, '\0');
  constexpr std::size_t kEntry = 446;
  put(out, kEntry + 1, 0x000200, 3);
  put(out, kEntry + 4, 0xee, 1);
  put(out, kEntry + 5, 0xffffff, 3);
  put(out, kEntry + 8, 1, 4);
  put(out, kEntry + 12, static_cast<std::uint64_t>(std::min<std::int64_t>(sectors - 1, 0xffffffff)),
      4);
  put(out, 510, 0xaa55, 2);
  return out;
}

}  // namespace

Guid make_guid(std::string_view text) {
  constexpr std::array<std::size_t, 16> kPlaces = {6,  4,  2,  0,  11, 9,  16, 14,
                                                   19, 21, 24, 26, 28, 30, 32, 34};
  const auto digit = [&](std::size_t at) -> std::uint8_t {
    constexpr std::string_view kDigits = "0123456789abcdef";
    const auto found = at < text.size() ? kDigits.find(text[at]) : kDigits.npos;
    if (found == kDigits.npos) broken_invariant("not a GUID");
    return static_cast<std::uint8_t>(found);
  };
  Guid guid{};
  for (std::size_t i = 0; i < guid.size(); ++i) {
    guid[i] = static_cast<std::uint8_t>(digit(kPlaces[i]) << 4 | digit(kPlaces[i] + 1));
  }
  return guid;
}

DiskTable make_disk_table(Bytes disk, const Guid& id, const std::vector<Partition>& partitions) {
  const auto sectors = disk.count / kSector;
  const auto entries = make_entries(partitions);
  const auto sum = checksum(entries);
  const auto last_usable = sectors - kEntrySectors - 2;
  DiskTable table;
  table.head = make_protective_mbr(sectors) +
               make_header({1, sectors - 1, 2, last_usable}, id, sum) + entries;
  table.tail = entries + make_header({sectors - 1, 1, last_usable + 1, last_usable}, id, sum);
  return table;
}

}  // namespace ruche::drivers::mirror
