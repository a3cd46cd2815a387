#include "model/image_format/iso.hpp"

#include <fmt/format.h>

#include "model/image_format/refusals.hpp"

namespace ruche::model::image_format {

namespace {

constexpr std::string_view kFormat = "ISO";
constexpr std::string_view kRemedy = "Transfer the file again, and compare its checksum.";
constexpr std::uint64_t kSector = 2048;
constexpr std::uint64_t kFirstDescriptor = 16;
constexpr std::uint64_t kMostDescriptors = 64;  // volumes have three to six

enum DescriptorType : std::uint8_t { kBoot = 0, kPrimary = 1, kTerminator = 255 };

Error refused(std::string what) { return refuse(kFormat, std::move(what), kRemedy); }

// ECMA-119 8.4: the primary volume descriptor. Numbers stand there in both byte orders.
std::expected<void, Error> check_primary(const Sample& sample, const Block& block) {
  const std::uint64_t sectors = block.le32(80);
  if (sectors != block.be32(84) || block.le16(128) != block.be16(130)) {
    return std::unexpected(refused("contradicts itself in its volume descriptor"));
  }
  if (block.le16(128) != kSector) {
    return std::unexpected(refused(fmt::format("has blocks of {} bytes", block.le16(128))));
  }
  if (sectors == 0 || sectors * kSector > sample.file_size) {
    return std::unexpected(refused(fmt::format("has {} of its {} bytes; it was cut short",
                                               sample.file_size, sectors * kSector)));
  }
  return {};
}

// ECMA-167 3/10.2: an anchor at sector 256, with its tag's checksum.
bool has_anchor(const Sample& sample) {
  const auto bytes = sample.bytes_at(256 * kSector, 512);
  if (!bytes) return false;
  const Block tag(*bytes);
  std::uint8_t sum = 0;
  for (std::size_t i = 0; i < 16; ++i)
    sum = static_cast<std::uint8_t>(sum + (i == 4 ? 0 : tag.u8(i)));
  return tag.le16(0) == 2 && tag.u8(4) == sum;
}

struct Volumes {
  bool primary = false;
  bool terminated = false;
  bool udf = false;
  bool bootable = false;
};

// The volume recognition sequence from sector 16 on: ISO 9660's descriptors, then UDF's.
std::expected<Volumes, Error> read_volumes(const Sample& sample) {
  Volumes found;
  for (std::uint64_t i = 0; i < kMostDescriptors; ++i) {
    const auto bytes = sample.bytes_at((kFirstDescriptor + i) * kSector, kSector);
    if (!bytes) break;
    const Block block(*bytes);
    if (block.has(1, "NSR02") || block.has(1, "NSR03")) found.udf = true;
    if (block.has(1, "BEA01") || block.has(1, "NSR0") || block.has(1, "TEA01")) continue;
    if (!block.has(1, "CD001")) break;
    if (block.u8(0) == kTerminator) found.terminated = true;
    if (block.u8(0) == kBoot && block.has(7, "EL TORITO SPECIFICATION")) found.bootable = true;
    if (block.u8(0) != kPrimary) continue;
    if (const auto ok = check_primary(sample, block); !ok) return std::unexpected(ok.error());
    found.primary = true;
  }
  return found;
}

}  // namespace

std::expected<ImageInfo, Error> read_iso(const Sample& sample, Bytes size_limit) {
  const auto found = read_volumes(sample);
  if (!found) return std::unexpected(found.error());
  if (!(found->primary && found->terminated) && !(found->udf && has_anchor(sample))) {
    return std::unexpected(refused("has neither a complete ISO 9660 nor a UDF volume"));
  }
  const auto size = check_size(kFormat, sample.file_size, size_limit);
  if (!size) return std::unexpected(size.error());
  return ImageInfo{.format = ImageFormat::iso, .virtual_size = *size, .bootable = found->bootable};
}

}  // namespace ruche::model::image_format
