#include "model/image_format/vdi.hpp"

#include <fmt/format.h>

#include "model/image_format/refusals.hpp"

namespace ruche::model::image_format {

namespace {

constexpr std::string_view kFormat = "VDI";
constexpr std::string_view kRemedy =
    "Make one dynamic or fixed VDI of it (VBoxManage clonemedium), or convert it to qcow2 where "
    "you trust it.";
constexpr std::size_t kHeaderBytes = 512;
constexpr std::uint32_t kVersion = 0x00010001;
constexpr std::uint64_t kBlockSize = std::uint64_t{1} << 20;
constexpr std::uint32_t kMaxBlocks = 0x3fffffff;
constexpr std::uint32_t kDiscarded = 0xfffffffe;  // and 0xffffffff: never written

enum ImageType : std::uint32_t { kDynamic = 1, kFixed = 2 };

Error refused(std::string what) { return refuse(kFormat, std::move(what), kRemedy); }

std::expected<void, Error> check_kind(const Block& header) {
  if (header.le32(0x44) != kVersion) {
    return std::unexpected(
        refused(fmt::format("has the unknown version 0x{:x}", header.le32(0x44))));
  }
  const auto type = header.le32(0x4c);
  if (type != kDynamic && type != kFixed) {
    return std::unexpected(
        refused(fmt::format("has the type {}: only dynamic and fixed ones stand alone", type)));
  }
  // The uuids of what it is linked to and of its parent.
  if (!header.all(0x1a8, 16, 0) || !header.all(0x1b8, 16, 0)) {
    return std::unexpected(refused("is linked to another image"));
  }
  if (header.le32(0x168) != 512) {
    return std::unexpected(refused(fmt::format("has sectors of {} bytes", header.le32(0x168))));
  }
  if (header.le32(0x178) != kBlockSize || header.le32(0x17c) != 0) {
    return std::unexpected(refused("does not have plain blocks of 1 MiB"));
  }
  return {};
}

}  // namespace

std::expected<ImageInfo, Error> read_vdi(const Sample& sample, Bytes size_limit) {
  const auto bytes = sample.bytes_at(0, kHeaderBytes);
  if (!bytes) return std::unexpected(refused("is shorter than its header"));
  const Block header(*bytes);
  if (const auto ok = check_kind(header); !ok) return std::unexpected(ok.error());
  const auto size = check_size(kFormat, header.le64(0x170), size_limit);
  if (!size) return std::unexpected(size.error());
  const std::uint64_t map = header.le32(0x154);
  const std::uint64_t data = header.le32(0x158);
  const std::uint64_t blocks = header.le32(0x180);
  const auto disk = static_cast<std::uint64_t>(size->count);
  if (blocks > kMaxBlocks || blocks < disk / kBlockSize + (disk % kBlockSize != 0)) {
    return std::unexpected(
        refused(fmt::format("has {} blocks for a disk of {}", blocks, to_text(*size))));
  }
  if (map % 512 != 0 || data % 512 != 0 || map < kHeaderBytes || data < map + blocks * 4 ||
      !lies_inside(sample, map, blocks * 4)) {
    return std::unexpected(refused("has its block map outside the file"));
  }
  const auto ok =
      walk_table(sample, {kFormat, map, blocks, 4}, [&](const Block& piece, std::size_t at) {
        const std::uint32_t entry = piece.le32(at);
        return entry >= kDiscarded ||
               lies_inside(sample, data + std::uint64_t{entry} * kBlockSize, kBlockSize);
      });
  if (!ok) return std::unexpected(ok.error());
  return ImageInfo{.format = ImageFormat::vdi, .virtual_size = *size};
}

}  // namespace ruche::model::image_format
