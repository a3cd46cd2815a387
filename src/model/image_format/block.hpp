// Numbers in a block of bytes that was read whole. What lies beyond its end reads as zero, so that
// no lie of a header leads out of it.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace ruche::model::image_format {

class Block {
 public:
  explicit Block(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}

  std::uint8_t u8(std::size_t at) const { return at < bytes_.size() ? bytes_[at] : 0; }
  std::uint16_t le16(std::size_t at) const { return static_cast<std::uint16_t>(little(at, 2)); }
  std::uint32_t le32(std::size_t at) const { return static_cast<std::uint32_t>(little(at, 4)); }
  std::uint64_t le64(std::size_t at) const { return little(at, 8); }
  std::uint16_t be16(std::size_t at) const { return static_cast<std::uint16_t>(big(at, 2)); }
  std::uint32_t be32(std::size_t at) const { return static_cast<std::uint32_t>(big(at, 4)); }
  std::uint64_t be64(std::size_t at) const { return big(at, 8); }

  bool has(std::size_t at, std::string_view magic) const {
    return at <= bytes_.size() && bytes_.size() - at >= magic.size() &&
           std::memcmp(bytes_.data() + at, magic.data(), magic.size()) == 0;
  }
  bool all(std::size_t at, std::size_t count, std::uint8_t value) const {
    for (std::size_t i = 0; i < count; ++i) {
      if (u8(at + i) != value) return false;
    }
    return true;
  }
  std::span<const std::uint8_t> bytes() const { return bytes_; }

 private:
  std::uint64_t little(std::size_t at, std::size_t width) const {
    std::uint64_t value = 0;
    for (std::size_t i = width; i-- > 0;) value = value << 8 | u8(at + i);
    return value;
  }
  std::uint64_t big(std::size_t at, std::size_t width) const {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < width; ++i) value = value << 8 | u8(at + i);
    return value;
  }

  std::span<const std::uint8_t> bytes_;
};

}  // namespace ruche::model::image_format
