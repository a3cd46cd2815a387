#include "model/image_format/vhdx.hpp"

#include <fmt/format.h>

#include <array>

#include "model/image_format/refusals.hpp"

namespace ruche::model::image_format {

namespace {

using namespace std::string_view_literals;

constexpr std::string_view kFormat = "VHDX";
constexpr std::string_view kRemedy =
    "Make one VHDX without a parent of it (Convert-VHD), or convert it to qcow2 where you trust "
    "it.";
constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
// Section 2.2: the first megabyte.
constexpr std::array<std::uint64_t, 2> kHeaders{64 << 10, 128 << 10};
constexpr std::size_t kHeaderBytes = 4096;
constexpr std::uint64_t kRegionTable = 192 << 10;
constexpr std::size_t kTableBytes = 64 << 10;
constexpr std::uint32_t kMaxEntries = 2047;

// GUIDs as they lie in the file (little-endian fields).
constexpr auto kBatRegion = "\x66\x77\xc2\x2d\x23\xf6\x00\x42\x9d\x64\x11\x5e\x9b\xfd\x4a\x08"sv;
constexpr auto kMetadataRegion =
    "\x06\xa2\x7c\x8b\x90\x47\x9a\x4b\xb8\xfe\x57\x5f\x05\x0f\x88\x6e"sv;
constexpr auto kFileParameters =
    "\x37\x67\xa1\xca\x36\xfa\x43\x4d\xb3\xb6\x33\xf0\xaa\x44\xe7\x6b"sv;
constexpr auto kDiskSize = "\x24\x42\xa5\x2f\x1b\xcd\x76\x48\xb2\x11\x5d\xbe\xd8\x3b\xf4\xb8"sv;
constexpr auto kDiskId = "\xab\x12\xca\xbe\xe6\xb2\x23\x45\x93\xef\xc3\x09\xe0\x00\xc7\x46"sv;
constexpr auto kLogicalSector =
    "\x1d\xbf\x41\x81\x6f\xa9\x09\x47\xba\x47\xf2\x33\xa8\xfa\xab\x5f"sv;
constexpr auto kPhysicalSector =
    "\xc7\x48\xa3\xcd\x5d\x44\x71\x44\x9c\xc9\xe9\x88\x52\x51\xc5\x56"sv;
constexpr auto kParentLocator =
    "\x2d\x5f\xd3\xa8\x0b\xb3\x4d\x45\xab\xf7\xd3\xd8\x48\x34\xab\x0c"sv;

Error refused(std::string what) { return refuse(kFormat, std::move(what), kRemedy); }

// CRC-32C (Castagnoli) over the block with its own field, at 4, taken as zero.
std::uint32_t crc_of(std::span<const std::uint8_t> bytes) {
  static const auto table = [] {
    std::array<std::uint32_t, 256> made{};
    for (std::uint32_t i = 0; i < 256; ++i) {
      std::uint32_t value = i;
      for (int bit = 0; bit < 8; ++bit) value = value >> 1 ^ ((value & 1) != 0 ? 0x82f63b78u : 0);
      made[i] = value;
    }
    return made;
  }();
  std::uint32_t crc = ~0u;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const std::uint8_t byte = i >= 4 && i < 8 ? 0 : bytes[i];
    crc = crc >> 8 ^ table[(crc ^ byte) & 0xff];
  }
  return ~crc;
}

// Section 2.2.2: of two headers the valid one with the greater number counts.
std::expected<void, Error> check_headers(const Sample& sample) {
  std::optional<std::uint64_t> newest;
  bool log_is_empty = false;
  std::uint16_t version = 0;
  for (const auto offset : kHeaders) {
    const auto bytes = sample.bytes_at(offset, kHeaderBytes);
    if (!bytes) return std::unexpected(refused("is shorter than its headers"));
    const Block block(*bytes);
    if (!block.has(0, "head") || block.le32(4) != crc_of(*bytes)) continue;
    if (newest && block.le64(8) < *newest) continue;
    // Two of the same number must not say different things.
    const bool same_number = newest && block.le64(8) == *newest;
    log_is_empty = block.all(48, 16, 0) && (!same_number || log_is_empty);
    newest = block.le64(8);
    version = block.le16(66);
  }
  if (!newest) return std::unexpected(refused("has no valid header"));
  if (version != 1) {
    return std::unexpected(refused(fmt::format("has the unknown version {}", version)));
  }
  if (!log_is_empty) {
    return std::unexpected(
        refuse(kFormat, "was not closed: its log holds changes that were not replayed",
               "Attach it once where it was used and shut down cleanly, then import it."));
  }
  return {};
}

struct Region {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
};
struct Regions {
  std::optional<Region> table;
  std::optional<Region> metadata;
};

// Section 2.2.3.
std::expected<Regions, Error> read_regions(const Sample& sample) {
  const auto bytes = sample.bytes_at(kRegionTable, kTableBytes);
  if (!bytes) return std::unexpected(refused("is shorter than its region table"));
  const Block block(*bytes);
  if (!block.has(0, "regi") || block.le32(4) != crc_of(*bytes)) {
    return std::unexpected(refused("has a damaged region table"));
  }
  const auto count = block.le32(8);
  if (count > kMaxEntries) {
    return std::unexpected(refused(fmt::format("claims {} regions", count)));
  }
  Regions regions;
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::size_t at = 16 + std::size_t{i} * 32;
    const Region region{block.le64(at + 16), block.le32(at + 24)};
    auto* slot = block.has(at, kBatRegion)        ? &regions.table
                 : block.has(at, kMetadataRegion) ? &regions.metadata
                                                  : nullptr;
    if (slot == nullptr) {
      if ((block.le32(at + 28) & 1) == 0) continue;
      return std::unexpected(refused("needs a region that is not known here"));
    }
    if (*slot || region.offset < kMiB || region.offset % kMiB != 0 || region.length == 0 ||
        !lies_inside(sample, region.offset, region.length)) {
      return std::unexpected(refused("has a region outside the file"));
    }
    *slot = region;
  }
  if (!regions.table || !regions.metadata) {
    return std::unexpected(refused("has no block table or no metadata"));
  }
  return regions;
}

struct Disk {
  std::uint64_t block_size = 0;
  std::uint64_t size = 0;
  std::uint32_t sector = 0;
};

std::expected<void, Error> take_item(const Block& table, std::size_t at, const Block& item,
                                     Disk& disk) {
  if (table.has(at, kParentLocator)) {
    return std::unexpected(refused("stands on a parent image"));
  }
  if (table.has(at, kFileParameters)) {
    disk.block_size = item.le32(0);
    if ((item.le32(4) & 2) != 0) return std::unexpected(refused("stands on a parent image"));
  } else if (table.has(at, kDiskSize)) {
    disk.size = item.le64(0);
  } else if (table.has(at, kLogicalSector)) {
    disk.sector = item.le32(0);
  } else if (!table.has(at, kDiskId) && !table.has(at, kPhysicalSector)) {
    // Bit 2: whoever does not know it must not open the file.
    if ((table.le32(at + 24) & 4) != 0) {
      return std::unexpected(refused("needs metadata that is not known here"));
    }
  }
  return {};
}

// Section 2.6.
std::expected<Disk, Error> read_metadata(const Sample& sample, const Region& region) {
  const auto bytes = sample.bytes_at(region.offset, kTableBytes);
  if (!bytes || region.length < kTableBytes) {
    return std::unexpected(refused("has its metadata outside the file"));
  }
  const Block block(*bytes);
  if (!block.has(0, "metadata")) return std::unexpected(refused("has damaged metadata"));
  const auto count = block.le16(10);
  if (count > kMaxEntries) {
    return std::unexpected(refused(fmt::format("claims {} items of metadata", count)));
  }
  Disk disk;
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::size_t at = 32 + std::size_t{i} * 32;
    const std::uint64_t offset = block.le32(at + 16);
    const std::uint64_t length = block.le32(at + 20);
    if (length > kMiB || offset > region.length || length > region.length - offset) {
      return std::unexpected(refused("has an item of metadata outside its region"));
    }
    const auto item_bytes =
        sample.bytes_at(region.offset + offset, std::min<std::uint64_t>(length, 64));
    if (!item_bytes) return std::unexpected(refused("has metadata outside the file"));
    if (const auto ok = take_item(block, at, Block(*item_bytes), disk); !ok) {
      return std::unexpected(ok.error());
    }
  }
  return disk;
}

std::expected<void, Error> check_disk(const Disk& disk) {
  const auto size = disk.block_size;
  if (size < kMiB || size > 256 * kMiB || (size & (size - 1)) != 0) {
    return std::unexpected(refused(fmt::format("has blocks of {} bytes", size)));
  }
  if (disk.sector != 512) {
    return std::unexpected(refuse(
        kFormat, fmt::format("has sectors of {} bytes; 512 are supported", disk.sector),
        "Convert it to a disk with 512-byte sectors (Convert-VHD, Set-VHD), then import it."));
  }
  return {};
}

// Section 2.5: after each `ratio` blocks one entry is of a sector bitmap, which only disks with a
// parent use.
std::expected<void, Error> check_table(const Sample& sample, const Region& region,
                                       const Disk& disk) {
  const std::uint64_t blocks = disk.size / disk.block_size + (disk.size % disk.block_size != 0);
  const std::uint64_t ratio = (std::uint64_t{1} << 23) * disk.sector / disk.block_size;
  const std::uint64_t entries = blocks + (blocks - 1) / ratio;
  if (entries > region.length / 8) {
    return std::unexpected(refused("has a block table that is too small for its disk"));
  }
  std::uint64_t number = 0;
  bool partial = false;
  const auto good = [&](const Block& piece, std::size_t at) {
    const bool bitmap = number++ % (ratio + 1) == ratio;
    const std::uint64_t entry = piece.le64(at);
    const auto state = entry & 7;
    if (bitmap || state <= 3) return true;  // absent, undefined, zero or unmapped
    partial = state != 6;
    return !partial && lies_inside(sample, entry >> 20 << 20, disk.block_size);
  };
  const auto ok = walk_table(sample, {kFormat, region.offset, entries, 8}, good);
  if (partial) return std::unexpected(refused("has blocks that a parent image completes"));
  return ok;
}

}  // namespace

std::expected<ImageInfo, Error> read_vhdx(const Sample& sample, Bytes size_limit) {
  if (const auto ok = check_headers(sample); !ok) return std::unexpected(ok.error());
  const auto regions = read_regions(sample);
  if (!regions) return std::unexpected(regions.error());
  const auto disk = read_metadata(sample, *regions->metadata);
  if (!disk) return std::unexpected(disk.error());
  const auto size = check_size(kFormat, disk->size, size_limit);
  if (!size) return std::unexpected(size.error());
  if (const auto ok = check_disk(*disk); !ok) return std::unexpected(ok.error());
  const auto ok = check_table(sample, *regions->table, *disk);
  if (!ok) return std::unexpected(ok.error());
  return ImageInfo{.format = ImageFormat::vhdx, .virtual_size = *size};
}

}  // namespace ruche::model::image_format
