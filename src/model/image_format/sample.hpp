// What a disk image file is judged by: its beginning, its end, its size, and what a header points
// to. The parsers of this folder are pure, read nothing else and trust nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace ruche::model::image_format {

// Whoever reads the file gives this much of it, or all of it when it is shorter. The head covers a
// qcow2 header with its extensions (one cluster, at most 2 MiB) and ISO 9660's descriptor (32 KiB).
constexpr std::size_t kHeadBytes = std::size_t{2} << 20;
// Three sectors: the footer of a stream-optimized VMDK lies between two markers.
constexpr std::size_t kTailBytes = 1536;
// The most that a parser asks for at once.
constexpr std::size_t kMostBytes = std::size_t{1} << 20;

// Reads from `offset` on; gives how much there was.
using ReadMore = std::function<std::size_t(std::uint64_t offset, std::span<std::uint8_t> into)>;

struct Sample {
  std::span<const std::uint8_t> head;
  std::span<const std::uint8_t> tail;
  std::uint64_t file_size = 0;
  ReadMore more = {};

  // Anywhere in the file; absent when not all of it is there, or it is more than kMostBytes.
  std::optional<std::vector<std::uint8_t>> bytes_at(std::uint64_t offset,
                                                    std::uint64_t length) const {
    if (length > kMostBytes || offset > file_size || length > file_size - offset) {
      return std::nullopt;
    }
    std::vector<std::uint8_t> bytes(static_cast<std::size_t>(length));
    if (offset + length <= head.size()) {
      std::memcpy(bytes.data(), head.data() + offset, bytes.size());
      return bytes;
    }
    if (offset >= file_size - tail.size()) {
      std::memcpy(bytes.data(), tail.data() + (offset - (file_size - tail.size())), bytes.size());
      return bytes;
    }
    if (!more || more(offset, bytes) != bytes.size()) return std::nullopt;
    return bytes;
  }

  bool head_has(std::uint64_t offset, std::string_view magic) const {
    return has(head, offset, magic);
  }
  // Counted in the last 512 bytes.
  bool tail_has(std::uint64_t offset, std::string_view magic) const {
    return has(tail.last(tail.size() < 512 ? tail.size() : 512), offset, magic);
  }
  // Big-endian numbers of the head; absent beyond its end.
  std::optional<std::uint32_t> be32(std::uint64_t offset) const {
    const auto value = big_endian(offset, 4);
    if (!value) return std::nullopt;
    return static_cast<std::uint32_t>(*value);
  }
  std::optional<std::uint64_t> be64(std::uint64_t offset) const { return big_endian(offset, 8); }

 private:
  static bool has(std::span<const std::uint8_t> bytes, std::uint64_t offset,
                  std::string_view magic) {
    if (offset > bytes.size() || bytes.size() - offset < magic.size()) return false;
    return std::memcmp(bytes.data() + offset, magic.data(), magic.size()) == 0;
  }
  std::optional<std::uint64_t> big_endian(std::uint64_t offset, std::size_t width) const {
    if (offset > head.size() || head.size() - offset < width) return std::nullopt;
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < width; ++i) value = value << 8 | head[offset + i];
    return value;
  }
};

}  // namespace ruche::model::image_format
