#include "model/image_format/qcow2.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace ruche::model::image_format {

namespace {

constexpr std::uint64_t kVersion2Header = 72;
constexpr std::uint64_t kVersion3Header = 104;
// QEMU's own limits (block/qcow2.h).
constexpr std::uint64_t kMaxL1Bytes = 32u << 20;
constexpr std::uint64_t kMaxRefcountTableBytes = 8u << 20;
constexpr std::uint32_t kMaxSnapshots = 65535;
constexpr std::uint32_t kMaxBackingName = 1023;

enum Incompatible : std::uint64_t {
  kDirty = 1 << 0,
  kCorrupt = 1 << 1,
  kExternalData = 1 << 2,
  kCompressionType = 1 << 3,
  kExtendedL2 = 1 << 4,
  kKnown = kDirty | kCorrupt | kExternalData | kCompressionType | kExtendedL2,
};

enum Extension : std::uint32_t {
  kEnd = 0,
  kBackingFormat = 0xE2792ACA,
  kEncryption = 0x0537be77,
  kDataFileName = 0x44415441,
};

struct Header {
  std::uint32_t version = 0;
  std::uint64_t backing_offset = 0;
  std::uint32_t backing_size = 0;
  std::uint32_t cluster_bits = 0;
  std::uint64_t size = 0;
  std::uint32_t encryption = 0;
  std::uint32_t l1_entries = 0;
  std::uint64_t l1_offset = 0;
  std::uint64_t refcount_offset = 0;
  std::uint32_t refcount_clusters = 0;
  std::uint32_t snapshots = 0;
  std::uint64_t snapshots_offset = 0;
  std::uint64_t incompatible = 0;
  std::uint32_t refcount_order = 4;
  std::uint32_t length = kVersion2Header;
  std::uint8_t compression = 0;
  std::string backing_format;

  std::uint64_t cluster() const { return std::uint64_t{1} << cluster_bits; }
  bool extended_l2() const { return (incompatible & kExtendedL2) != 0; }
};

Error refused(std::string what) {
  return Error(Reason::image_refused, "the qcow2 header " + std::move(what))
      .remedy("Check the file with qemu-img check, or make it anew with qemu-img convert.");
}

std::expected<Header, Error> parse_fields(const Sample& sample) {
  Header header;
  if (sample.head.size() < kVersion2Header) return std::unexpected(refused("is cut short"));
  header.version = *sample.be32(4);
  header.backing_offset = *sample.be64(8);
  header.backing_size = *sample.be32(16);
  header.cluster_bits = *sample.be32(20);
  header.size = *sample.be64(24);
  header.encryption = *sample.be32(32);
  header.l1_entries = *sample.be32(36);
  header.l1_offset = *sample.be64(40);
  header.refcount_offset = *sample.be64(48);
  header.refcount_clusters = *sample.be32(56);
  header.snapshots = *sample.be32(60);
  header.snapshots_offset = *sample.be64(64);
  if (header.version == 2) return header;
  if (header.version != 3) {
    return std::unexpected(refused(fmt::format("has the unknown version {}", header.version)));
  }
  if (sample.head.size() < kVersion3Header) return std::unexpected(refused("is cut short"));
  header.incompatible = *sample.be64(72);
  header.refcount_order = *sample.be32(96);
  header.length = *sample.be32(100);
  if (header.length < kVersion3Header || header.length % 8 != 0) {
    return std::unexpected(refused(fmt::format("says it has {} bytes", header.length)));
  }
  if (header.length > kVersion3Header) {
    if (sample.head.size() <= kVersion3Header) return std::unexpected(refused("is cut short"));
    header.compression = sample.head[kVersion3Header];
  }
  return header;
}

std::expected<void, Error> check_features(const Header& header) {
  if (header.cluster_bits < 9 || header.cluster_bits > 21) {
    return std::unexpected(refused(fmt::format("has cluster_bits {}", header.cluster_bits)));
  }
  if ((header.incompatible & ~std::uint64_t{kKnown}) != 0) {
    return std::unexpected(refused(fmt::format("needs features that are not known (0x{:x})",
                                               header.incompatible & ~std::uint64_t{kKnown})));
  }
  if ((header.incompatible & kCorrupt) != 0) {
    return std::unexpected(refused("marks the image as corrupt"));
  }
  if ((header.incompatible & kExternalData) != 0) {
    return std::unexpected(refused("keeps its data in another file, which is never followed"));
  }
  if (header.extended_l2() && header.cluster_bits < 14) {
    return std::unexpected(refused("has extended L2 entries with too small clusters"));
  }
  const bool marked = (header.incompatible & kCompressionType) != 0;
  if (header.compression > 1 || marked != (header.compression != 0)) {
    return std::unexpected(refused("has an unknown compression type"));
  }
  if (header.encryption != 0) {
    return std::unexpected(refused("says that the image is encrypted"));
  }
  if (header.refcount_order > 6) {
    return std::unexpected(refused(fmt::format("has refcount_order {}", header.refcount_order)));
  }
  if (header.length > header.cluster()) {
    return std::unexpected(refused("is longer than a cluster"));
  }
  return {};
}

// A table of `bytes` at `offset` lies on a cluster border and inside the file.
bool inside(const Sample& sample, const Header& header, std::uint64_t offset, std::uint64_t bytes) {
  return offset % header.cluster() == 0 && offset >= header.cluster() &&
         offset <= sample.file_size && bytes <= sample.file_size - offset;
}

std::expected<void, Error> check_tables(const Sample& sample, const Header& header) {
  const std::uint64_t entry = header.extended_l2() ? 16 : 8;
  const std::uint64_t covered_by_l2 = header.cluster() / entry * header.cluster();
  const std::uint64_t needed = header.size / covered_by_l2 + (header.size % covered_by_l2 != 0);
  const std::uint64_t l1_bytes = std::uint64_t{header.l1_entries} * 8;
  if (l1_bytes > kMaxL1Bytes || header.l1_entries < needed) {
    return std::unexpected(refused(fmt::format("has an L1 table of {} entries where {} are needed",
                                               header.l1_entries, needed)));
  }
  if (!inside(sample, header, header.l1_offset, l1_bytes)) {
    return std::unexpected(refused("has an L1 table outside the file"));
  }
  if (header.refcount_clusters == 0 ||
      header.refcount_clusters > kMaxRefcountTableBytes >> header.cluster_bits) {
    return std::unexpected(refused("has a reference table of an absurd size"));
  }
  const std::uint64_t refcount_bytes = std::uint64_t{header.refcount_clusters}
                                       << header.cluster_bits;
  if (!inside(sample, header, header.refcount_offset, refcount_bytes)) {
    return std::unexpected(refused("has a reference table outside the file"));
  }
  if (header.snapshots > kMaxSnapshots) {
    return std::unexpected(refused(fmt::format("claims {} snapshots", header.snapshots)));
  }
  // A snapshot's entry has at least 40 bytes.
  if (header.snapshots > 0 &&
      !inside(sample, header, header.snapshots_offset, std::uint64_t{header.snapshots} * 40)) {
    return std::unexpected(refused("has a snapshot table outside the file"));
  }
  return {};
}

// Header extensions fill the rest of the first cluster, up to the name of the backing file.
std::expected<void, Error> walk_extensions(const Sample& sample, Header& header) {
  std::uint64_t at = header.length;
  std::uint64_t end = std::min<std::uint64_t>(header.cluster(), sample.head.size());
  if (header.backing_offset != 0) end = std::min(end, header.backing_offset);
  while (at < end && end - at >= 8) {
    const std::uint32_t type = *sample.be32(at);
    const std::uint32_t length = *sample.be32(at + 4);
    if (type == kEnd) return {};
    at += 8;
    if (length > end - at) return std::unexpected(refused("has an extension beyond its end"));
    if (type == kDataFileName) {
      return std::unexpected(refused("names another file for its data, which is never followed"));
    }
    if (type == kEncryption) return std::unexpected(refused("says that the image is encrypted"));
    if (type == kBackingFormat) {
      if (length > 16) return std::unexpected(refused("has a too long backing format"));
      header.backing_format.assign(reinterpret_cast<const char*>(sample.head.data()) + at, length);
    }
    at += (std::uint64_t{length} + 7) / 8 * 8;
  }
  return {};
}

std::expected<std::string, Error> backing_name(const Sample& sample, const Header& header) {
  if (header.backing_offset == 0) return std::string();
  const std::uint64_t end = std::min<std::uint64_t>(header.cluster(), sample.head.size());
  if (header.backing_size == 0 || header.backing_size > kMaxBackingName ||
      header.backing_offset < header.length || header.backing_offset > end ||
      header.backing_size > end - header.backing_offset) {
    return std::unexpected(refused("has the name of its backing file outside the first cluster"));
  }
  const auto* text = reinterpret_cast<const char*>(sample.head.data()) + header.backing_offset;
  return std::string(text, header.backing_size);
}

std::expected<Header, Error> parse_header(const Sample& sample) {
  auto header = parse_fields(sample);
  if (!header) return header;
  if (auto ok = check_features(*header); !ok) return std::unexpected(std::move(ok.error()));
  if (auto ok = check_tables(sample, *header); !ok) return std::unexpected(std::move(ok.error()));
  if (auto ok = walk_extensions(sample, *header); !ok) {
    return std::unexpected(std::move(ok.error()));
  }
  return header;
}

ImageInfo info_of(const Header& header) {
  ImageInfo info;
  info.format = ImageFormat::qcow2;
  info.virtual_size = Bytes{static_cast<std::int64_t>(header.size)};
  info.version = header.version;
  info.cluster_bits = header.cluster_bits;
  info.snapshots = header.snapshots;
  info.dirty = (header.incompatible & kDirty) != 0;
  info.extended_l2 = header.extended_l2();
  info.l1_offset = header.l1_offset;
  info.l1_entries = header.l1_entries;
  return info;
}

// Writes big-endian numbers into bytes that somebody else owns.
class BigEndianWriter {
 public:
  explicit BigEndianWriter(std::vector<std::uint8_t>& bytes) : bytes_(bytes) {}
  void put(std::size_t offset, std::uint64_t value, std::size_t width) {
    for (std::size_t i = 0; i < width; ++i) {
      bytes_[offset + i] = static_cast<std::uint8_t>(value >> 8 * (width - 1 - i));
    }
  }
  void put(std::size_t offset, std::string_view text) {
    std::copy(text.begin(), text.end(), bytes_.begin() + static_cast<std::ptrdiff_t>(offset));
  }

 private:
  std::vector<std::uint8_t>& bytes_;
};

std::uint64_t be64_at(std::span<const std::uint8_t> table, std::size_t offset) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < 8; ++i) value = value << 8 | table[offset + i];
  return value;
}

constexpr std::uint64_t kOffsetMask = 0x00fffffffffffe00;
constexpr std::uint64_t kCompressed = std::uint64_t{1} << 62;

Error cut_short(std::uint64_t offset, std::uint64_t file_size) {
  return Error(Reason::image_refused,
               fmt::format("the qcow2 image refers to byte {} of a file of {} bytes", offset,
                           file_size))
      .remedy("The file was probably cut short while it was copied; copy it again.");
}

}  // namespace

std::expected<ImageInfo, Error> read_qcow2(const Sample& sample, Bytes size_limit) {
  auto header = parse_header(sample);
  if (!header) return std::unexpected(std::move(header.error()));
  if (header->backing_offset != 0 || header->backing_size != 0) {
    return std::unexpected(
        Error(Reason::image_refused, "the image stands on a backing file, which is never followed")
            .remedy("Flatten it first: qemu-img convert -O qcow2 IMAGE FLAT."));
  }
  if (header->size == 0) return std::unexpected(refused("says that the disk has no size"));
  if (header->size % 512 != 0) {
    return std::unexpected(refused("gives the disk a size that is no multiple of 512"));
  }
  if (header->size > static_cast<std::uint64_t>(size_limit.count)) {
    return std::unexpected(
        Error(Reason::image_refused,
              fmt::format("the disk in the image is larger than {}", to_text(size_limit)))
            .remedy("Raise the size limit of this import, if the disk really is that large."));
  }
  return info_of(*header);
}

std::expected<OwnHeader, Error> read_own_qcow2(const Sample& sample) {
  if (!sample.head_has(0, "QFI\xfb")) return std::unexpected(refused("is missing"));
  auto header = parse_header(sample);
  if (!header) return std::unexpected(std::move(header.error()));
  auto name = backing_name(sample, *header);
  if (!name) return std::unexpected(std::move(name.error()));
  return OwnHeader{info_of(*header), std::move(*name), std::move(header->backing_format)};
}

Qcow2File make_qcow2(const NewQcow2& image) {
  constexpr std::uint32_t kClusterBits = 16;
  constexpr std::uint64_t kCluster = 1 << kClusterBits;
  constexpr std::uint64_t kRefcountTable = kCluster;
  constexpr std::uint64_t kRefcountBlock = 2 * kCluster;
  constexpr std::uint64_t kL1 = 3 * kCluster;
  constexpr std::uint64_t kHeaderLength = 112;
  const auto size = static_cast<std::uint64_t>(image.size.count);
  const std::uint64_t covered_by_l2 = kCluster / 8 * kCluster;
  const std::uint64_t l1_entries = (size + covered_by_l2 - 1) / covered_by_l2;
  const std::uint64_t l1_clusters = (l1_entries * 8 + kCluster - 1) / kCluster;
  const std::uint64_t used_clusters = 3 + l1_clusters;

  Qcow2File file;
  file.file_size = used_clusters * kCluster;
  file.head.resize(kRefcountBlock + used_clusters * 2);
  BigEndianWriter out(file.head);
  out.put(0, "QFI\xfb");
  out.put(4, 3, 4);
  out.put(20, kClusterBits, 4);
  out.put(24, size, 8);
  out.put(36, l1_entries, 4);
  out.put(40, kL1, 8);
  out.put(48, kRefcountTable, 8);
  out.put(56, 1, 4);
  out.put(96, 4, 4);  // 16-bit reference counts
  out.put(100, kHeaderLength, 4);
  if (!image.backing_file.empty()) {
    out.put(kHeaderLength, kBackingFormat, 4);
    out.put(kHeaderLength + 4, image.backing_format.size(), 4);
    out.put(kHeaderLength + 8, image.backing_format);
    const std::uint64_t name_at = kHeaderLength + 8 + 8 + 8;  // the format, the end extension
    out.put(8, name_at, 8);
    out.put(16, image.backing_file.size(), 4);
    out.put(name_at, image.backing_file);
  }
  out.put(kRefcountTable, kRefcountBlock, 8);
  for (std::uint64_t i = 0; i < used_clusters; ++i) out.put(kRefcountBlock + i * 2, 1, 2);
  return file;
}

std::expected<std::vector<Qcow2Edit>, Error> grow_qcow2(const Sample& sample, Bytes size) {
  constexpr std::size_t kSizeAt = 24;
  constexpr std::size_t kL1EntriesAt = 36;
  const auto header = parse_header(sample);
  if (!header) return std::unexpected(header.error());
  const auto wanted = static_cast<std::uint64_t>(size.count);
  const std::uint64_t entry = header->extended_l2() ? 16 : 8;
  const std::uint64_t covered_by_l2 = header->cluster() / entry * header->cluster();
  const std::uint64_t entries = (wanted + covered_by_l2 - 1) / covered_by_l2;
  const std::uint64_t cluster_entries = header->cluster() / 8;
  const std::uint64_t room =
      (header->l1_entries + cluster_entries - 1) / cluster_entries * cluster_entries;
  if (wanted < header->size) {
    return std::unexpected(Error(Reason::out_of_range, "a disk never becomes smaller"));
  }
  if (entries > room) {
    return std::unexpected(
        Error(Reason::out_of_range,
              fmt::format("the disk can grow to {} while its guest is stopped",
                          to_text(Bytes{static_cast<std::int64_t>(room * covered_by_l2)})))
            .at("/size_bytes")
            .remedy("start the guest and grow it then"));
  }
  std::vector<Qcow2Edit> edits;
  if (entries > header->l1_entries) {
    const auto fresh = entries - header->l1_entries;
    edits.push_back({header->l1_offset + std::uint64_t{header->l1_entries} * 8,
                     std::vector<std::uint8_t>(fresh * 8, 0)});
  }
  Qcow2Edit numbers{kSizeAt, std::vector<std::uint8_t>(kL1EntriesAt + 4 - kSizeAt)};
  std::copy_n(sample.head.begin() + kSizeAt, numbers.bytes.size(), numbers.bytes.begin());
  BigEndianWriter out(numbers.bytes);
  out.put(0, wanted, 8);
  out.put(kL1EntriesAt - kSizeAt, std::max<std::uint64_t>(entries, header->l1_entries), 4);
  edits.push_back(std::move(numbers));
  return edits;
}

std::expected<std::vector<std::uint64_t>, Error> check_l1(std::span<const std::uint8_t> table,
                                                          const TableCheck& check) {
  std::vector<std::uint64_t> tables;
  const std::uint64_t cluster = std::uint64_t{1} << check.cluster_bits;
  for (std::size_t at = 0; at + 8 <= table.size(); at += 8) {
    const std::uint64_t offset = be64_at(table, at) & kOffsetMask;
    if (offset == 0) continue;
    if (offset % cluster != 0 || offset > check.file_size || check.file_size - offset < cluster) {
      return std::unexpected(cut_short(offset, check.file_size));
    }
    tables.push_back(offset);
  }
  return tables;
}

std::expected<void, Error> check_l2(std::span<const std::uint8_t> table, const TableCheck& check) {
  const std::size_t width = check.extended_l2 ? 16 : 8;
  for (std::size_t at = 0; at + width <= table.size(); at += width) {
    const std::uint64_t entry = be64_at(table, at);
    std::uint64_t offset = entry & kOffsetMask;
    if ((entry & kCompressed) != 0) {
      // Bits 0 to x-1 are the byte offset, x = 62 - (cluster_bits - 8).
      offset = entry & ((std::uint64_t{1} << (62 - (check.cluster_bits - 8))) - 1);
    }
    if (offset != 0 && offset >= check.file_size) {
      return std::unexpected(cut_short(offset, check.file_size));
    }
  }
  return {};
}

}  // namespace ruche::model::image_format
