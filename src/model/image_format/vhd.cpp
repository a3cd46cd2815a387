#include "model/image_format/vhd.hpp"

#include <fmt/format.h>

#include "model/image_format/block.hpp"
#include "model/image_format/refusals.hpp"

namespace ruche::model::image_format {

namespace {

constexpr std::string_view kFormat = "VHD";
constexpr std::string_view kRemedy =
    "Export it again as one fixed or dynamic VHD, or convert it to qcow2 where you trust it.";
constexpr std::size_t kFooterBytes = 512;
constexpr std::size_t kHeaderBytes = 1024;
constexpr std::uint32_t kUnused = 0xffffffff;
constexpr std::uint64_t kNowhere = ~std::uint64_t{0};
// Of 1 TiB in blocks of 512 KiB, which is far smaller than anybody's.
constexpr std::uint64_t kMaxEntries = std::uint64_t{1} << 24;

enum DiskType : std::uint32_t { kFixed = 2, kDynamic = 3, kDifferencing = 4 };

Error refused(std::string what) { return refuse(kFormat, std::move(what), kRemedy); }

// "Hard Disk Footer Format": the one's complement of the sum of all bytes without the sum's own.
std::uint32_t sum_of(std::span<const std::uint8_t> bytes, std::size_t own) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i < own || i >= own + 4) sum += bytes[i];
  }
  return ~sum;
}

struct Footer {
  std::uint64_t data_offset = 0;
  std::uint64_t size = 0;
  std::uint32_t type = 0;
};

std::expected<Footer, Error> read_footer(std::span<const std::uint8_t> bytes,
                                         std::string_view which) {
  const Block block(bytes);
  if (!block.has(0, "conectix")) {
    return std::unexpected(refused(fmt::format("has no {}; it may have been cut short", which)));
  }
  if (block.be32(64) != sum_of(bytes, 64)) {
    return std::unexpected(refused(fmt::format("has a wrong checksum in its {}", which)));
  }
  if (block.be32(12) >> 16 != 1) {
    return std::unexpected(refused(fmt::format("has the unknown version 0x{:x}", block.be32(12))));
  }
  if (block.u8(84) != 0) {
    return std::unexpected(refused("belongs to a machine in a saved state"));
  }
  return Footer{block.be64(16), block.be64(48), block.be32(60)};
}

struct DynamicHeader {
  std::uint64_t table_offset = 0;
  std::uint64_t entries = 0;
  std::uint64_t block_size = 0;
};

// "Dynamic Disk Header Format".
std::expected<DynamicHeader, Error> read_dynamic_header(const Sample& sample,
                                                        const Footer& footer) {
  const auto bytes = sample.bytes_at(footer.data_offset, kHeaderBytes);
  if (!bytes) return std::unexpected(refused("has its dynamic header outside the file"));
  const Block block(*bytes);
  if (!block.has(0, "cxsparse")) {
    return std::unexpected(refused("has no dynamic header where it says"));
  }
  if (block.be32(36) != sum_of(*bytes, 36)) {
    return std::unexpected(refused("has a wrong checksum in its dynamic header"));
  }
  if (block.be32(24) != 0x10000) {
    return std::unexpected(refused("has a dynamic header of an unknown version"));
  }
  if (!block.all(40, 16, 0)) return std::unexpected(refused("names a parent disk"));
  DynamicHeader header{block.be64(16), block.be32(28), block.be32(32)};
  const auto size = header.block_size;
  if (size < 4096 || size > (std::uint64_t{256} << 20) || (size & (size - 1)) != 0) {
    return std::unexpected(refused(fmt::format("has blocks of {} bytes", size)));
  }
  const auto needed = footer.size / size + (footer.size % size != 0);
  if (header.entries < needed || header.entries > kMaxEntries) {
    return std::unexpected(refused(
        fmt::format("has a table of {} blocks where {} are needed", header.entries, needed)));
  }
  return header;
}

// "Block Allocation Table": a sector for each block, whose bitmap comes before its data.
std::expected<void, Error> check_table(const Sample& sample, const DynamicHeader& header) {
  if (!lies_inside(sample, header.table_offset, header.entries * 4)) {
    return std::unexpected(refused("has its block table outside the file"));
  }
  const std::uint64_t bitmap = (header.block_size / 512 / 8 + 511) / 512 * 512;
  return walk_table(
      sample, {kFormat, header.table_offset, header.entries, 4}, [&](const Block& piece, auto at) {
        const std::uint32_t sector = piece.be32(at);
        return sector == kUnused ||
               lies_inside(sample, std::uint64_t{sector} * 512, bitmap + header.block_size);
      });
}

}  // namespace

std::expected<ImageInfo, Error> read_vhd(const Sample& sample, Bytes size_limit) {
  const auto tail = sample.file_size < kFooterBytes
                        ? std::nullopt
                        : sample.bytes_at(sample.file_size - kFooterBytes, kFooterBytes);
  if (!tail) return std::unexpected(refused("is shorter than its footer"));
  const auto footer = read_footer(*tail, "footer");
  if (!footer) return std::unexpected(footer.error());
  if (footer->type == kDifferencing) {
    return std::unexpected(refused("is a differencing disk, which stands on another file"));
  }
  if (footer->type != kFixed && footer->type != kDynamic) {
    return std::unexpected(refused(fmt::format("has the unknown disk type {}", footer->type)));
  }
  const auto size = check_size(kFormat, footer->size, size_limit);
  if (!size) return std::unexpected(size.error());
  if (footer->type == kFixed) {
    if (footer->data_offset != kNowhere) {
      return std::unexpected(refused("is fixed, but points to a header"));
    }
    if (sample.head_has(0, "conectix")) {
      return std::unexpected(refused("is fixed, but begins like a dynamic one"));
    }
    if (footer->size > sample.file_size - kFooterBytes) {
      return std::unexpected(refused("is shorter than its disk; it was cut"));
    }
    return ImageInfo{.format = ImageFormat::vhd, .virtual_size = *size};
  }
  const auto copy_bytes = sample.bytes_at(0, kFooterBytes);
  const auto copy = read_footer(*copy_bytes, "copy of the footer at its beginning");
  if (!copy) return std::unexpected(copy.error());
  if (*copy_bytes != *tail) {
    return std::unexpected(refused("has two footers that contradict each other"));
  }
  const auto header = read_dynamic_header(sample, *footer);
  if (!header) return std::unexpected(header.error());
  if (const auto ok = check_table(sample, *header); !ok) return std::unexpected(ok.error());
  return ImageInfo{.format = ImageFormat::vhd, .virtual_size = *size};
}

}  // namespace ruche::model::image_format
