#include "model/image_format/vmdk.hpp"

#include <fmt/format.h>

#include "model/image_format/refusals.hpp"
#include "model/image_format/vmdk_descriptor.hpp"

namespace ruche::model::image_format {

namespace {

constexpr std::string_view kFormat = "VMDK";
constexpr std::uint64_t kSector = 512;
constexpr std::uint64_t kAtTheEnd = ~std::uint64_t{0};
// QEMU's own limits (block/vmdk.c).
constexpr std::uint32_t kMaxTableEntries = 512;
constexpr std::uint64_t kMaxGrain = 0x200000;
constexpr std::uint64_t kMaxDirectoryBytes = std::uint64_t{512} << 20;

enum Flags : std::uint32_t {
  kZeroedGrains = 1 << 2,
  kCompressed = 1 << 16,
  kMarkers = 1 << 17,
};

struct Header {
  std::uint32_t flags = 0;
  std::uint64_t capacity = 0;  // all in sectors
  std::uint64_t grain = 0;
  std::uint64_t descriptor_offset = 0;
  std::uint64_t descriptor_size = 0;
  std::uint32_t entries = 0;  // of a grain table
  std::uint64_t directory = 0;
  std::uint16_t compression = 0;
  bool unclean = false;
};

std::expected<Header, Error> read_header(std::span<const std::uint8_t> bytes) {
  const Block block(bytes);
  if (!block.has(0, "KDMV")) return std::unexpected(refuse_vmdk("has no sparse header"));
  if (block.le32(4) < 1 || block.le32(4) > 3) {
    return std::unexpected(refuse_vmdk(fmt::format("has the unknown version {}", block.le32(4))));
  }
  return Header{block.le32(8),  block.le64(12), block.le64(20), block.le64(28),   block.le64(36),
                block.le32(44), block.le64(56), block.le16(77), block.u8(72) != 0};
}

// Stream-optimized files may have the header that counts near their end, between two markers.
std::expected<Header, Error> read_footer(const Sample& sample, const Header& first) {
  if (sample.file_size < 4 * kSector) return std::unexpected(refuse_vmdk("is cut short"));
  const auto marker = sample.bytes_at(sample.file_size - 3 * kSector, kSector);
  const auto footer = sample.bytes_at(sample.file_size - 2 * kSector, kSector);
  const auto end = sample.bytes_at(sample.file_size - kSector, kSector);
  if (!marker || !footer || !end) return std::unexpected(refuse_vmdk("is cut short"));
  // Marker: size in sectors (8), bytes (4), type (4): 3 is a footer, 0 the end of the stream.
  const Block before(*marker);
  const Block after(*end);
  if (before.le64(0) != 1 || before.le32(8) != 0 || before.le32(12) != 3 || after.le64(0) != 0 ||
      after.le32(8) != 0 || after.le32(12) != 0) {
    return std::unexpected(refuse_vmdk("does not end with its footer; it was cut short"));
  }
  auto header = read_header(*footer);
  if (!header) return header;
  if (header->capacity != first.capacity || header->grain != first.grain ||
      header->flags != first.flags || header->entries != first.entries ||
      header->directory == kAtTheEnd) {
    return std::unexpected(refuse_vmdk("has a header and a footer that contradict each other"));
  }
  header->descriptor_offset = first.descriptor_offset;
  header->descriptor_size = first.descriptor_size;
  return header;
}

std::expected<void, Error> check_numbers(const Header& header) {
  const auto grain = header.grain;
  if (header.capacity == 0 || header.capacity > static_cast<std::uint64_t>(INT64_MAX) / kSector) {
    return std::unexpected(refuse_vmdk(fmt::format("has {} sectors", header.capacity)));
  }
  if (grain < 8 || grain > kMaxGrain || (grain & (grain - 1)) != 0) {
    return std::unexpected(refuse_vmdk(fmt::format("has grains of {} sectors", grain)));
  }
  if (header.entries == 0 || header.entries > kMaxTableEntries) {
    return std::unexpected(
        refuse_vmdk(fmt::format("has grain tables of {} entries", header.entries)));
  }
  if (header.unclean) return std::unexpected(refuse_vmdk("was not closed by who wrote it"));
  return {};
}

std::expected<void, Error> check_descriptor(const Sample& sample, const Header& header) {
  if (header.descriptor_offset == 0 || header.descriptor_size == 0) {
    return std::unexpected(refuse_vmdk("is an extent whose descriptor is another file"));
  }
  if (header.descriptor_offset > sample.file_size / kSector ||
      header.descriptor_size > kMostBytes / kSector) {
    return std::unexpected(refuse_vmdk("has its descriptor outside the file"));
  }
  const auto bytes =
      sample.bytes_at(header.descriptor_offset * kSector, header.descriptor_size * kSector);
  if (!bytes) return std::unexpected(refuse_vmdk("has its descriptor outside the file"));
  const auto descriptor =
      read_vmdk_descriptor({reinterpret_cast<const char*>(bytes->data()), bytes->size()});
  if (!descriptor) return std::unexpected(descriptor.error());
  if (descriptor->sectors != header.capacity) {
    return std::unexpected(refuse_vmdk("has a descriptor and a header of different sizes"));
  }
  const bool compressed = (header.flags & kCompressed) != 0;
  if (compressed != descriptor->stream_optimized ||
      (compressed && (header.compression != 1 || (header.flags & kMarkers) == 0))) {
    return std::unexpected(refuse_vmdk("has a type that its flags contradict"));
  }
  return {};
}

// The grain directory names grain tables, they name grains; all by sector, 0: nothing there.
std::expected<void, Error> check_grains(const Sample& sample, const Header& header) {
  const std::uint64_t covered = header.grain * header.entries;
  const std::uint64_t tables = header.capacity / covered + (header.capacity % covered != 0);
  if (tables * 4 > kMaxDirectoryBytes || header.directory > sample.file_size / kSector ||
      !lies_inside(sample, header.directory * kSector, tables * 4)) {
    return std::unexpected(refuse_vmdk("has its grain directory outside the file"));
  }
  const bool compressed = (header.flags & kCompressed) != 0;
  const bool zeroed = (header.flags & kZeroedGrains) != 0;
  std::optional<Error> failure;
  std::uint64_t number = 0;
  const auto good_grain = [&](const Block& piece, std::size_t at) {
    const std::uint64_t sector = piece.le32(at);
    if (sector == 0 || (zeroed && sector == 1)) return true;
    // A compressed grain begins with its address (8 bytes) and its size (4).
    return lies_inside(sample, sector * kSector, compressed ? 12 : header.grain * kSector);
  };
  const auto good_table = [&](const Block& piece, std::size_t at) {
    const std::uint64_t sector = piece.le32(at);
    const auto first = number++ * header.entries;
    if (sector == 0) return true;
    const auto ok =
        walk_table(sample, {kFormat, sector * kSector, header.entries, 4, first}, good_grain);
    if (!ok) failure = ok.error();
    return ok.has_value();
  };
  const auto ok = walk_table(sample, {kFormat, header.directory * kSector, tables, 4}, good_table);
  if (failure) return std::unexpected(*failure);
  return ok;
}

}  // namespace

std::expected<ImageInfo, Error> read_vmdk(const Sample& sample, Bytes size_limit) {
  if (sample.head_has(0, "COWD")) {
    return std::unexpected(refuse_vmdk("is a sparse extent of ESX without its descriptor"));
  }
  if (sample.head_has(0, "# Disk DescriptorFile")) {
    return std::unexpected(refuse_vmdk("is only a descriptor; its data is in other files"));
  }
  const auto bytes = sample.bytes_at(0, kSector);
  if (!bytes) return std::unexpected(refuse_vmdk("is shorter than its header"));
  auto header = read_header(*bytes);
  if (header && header->directory == kAtTheEnd) header = read_footer(sample, *header);
  if (!header) return std::unexpected(header.error());
  if (const auto ok = check_numbers(*header); !ok) return std::unexpected(ok.error());
  const auto size = check_size(kFormat, header->capacity * kSector, size_limit);
  if (!size) return std::unexpected(size.error());
  if (const auto ok = check_descriptor(sample, *header); !ok) return std::unexpected(ok.error());
  if (const auto ok = check_grains(sample, *header); !ok) return std::unexpected(ok.error());
  return ImageInfo{.format = ImageFormat::vmdk, .virtual_size = *size};
}

}  // namespace ruche::model::image_format
