// Foreign images in memory, small and sound, that tests bend.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/image_format/detect.hpp"

namespace ruche::model::image_format::test {

class ForeignImage {
 public:
  explicit ForeignImage(std::size_t size) : bytes(size) {}

  ForeignImage& little(std::size_t at, std::uint64_t value, std::size_t width) {
    for (std::size_t i = 0; i < width; ++i) {
      bytes[at + i] = static_cast<std::uint8_t>(value >> 8 * i);
    }
    return *this;
  }
  ForeignImage& big(std::size_t at, std::uint64_t value, std::size_t width) {
    for (std::size_t i = 0; i < width; ++i) {
      bytes[at + i] = static_cast<std::uint8_t>(value >> 8 * (width - 1 - i));
    }
    return *this;
  }
  ForeignImage& text(std::size_t at, std::string_view words) {
    for (std::size_t i = 0; i < words.size(); ++i) {
      bytes[at + i] = static_cast<std::uint8_t>(words[i]);
    }
    return *this;
  }
  ForeignImage& copy(std::size_t from, std::size_t to, std::size_t size) {
    for (std::size_t i = 0; i < size; ++i) bytes[to + i] = bytes[from + i];
    return *this;
  }
  Sample sample() const {
    const std::span<const std::uint8_t> all(bytes);
    const auto more = [all](std::uint64_t offset, std::span<std::uint8_t> into) -> std::size_t {
      if (offset >= all.size()) return 0;
      const auto count = std::min<std::size_t>(into.size(), all.size() - offset);
      std::memcpy(into.data(), all.data() + offset, count);
      return count;
    };
    return {all.first(std::min<std::size_t>(all.size(), 65536)),
            all.last(std::min(all.size(), kTailBytes)), all.size(), more};
  }

  std::vector<std::uint8_t> bytes;
};

// Checksums of the format, wherever something was bent.
ForeignImage& seal_vhd(ForeignImage& image);
ForeignImage& seal_vhdx(ForeignImage& image);

ForeignImage fixed_vhd();    // 64 KiB
ForeignImage dynamic_vhd();  // 4 MiB in two blocks, the second of which is there
ForeignImage vdi();          // 3 MiB, the first block is there
ForeignImage vmdk();         // 8 MiB monolithicSparse, one grain is there
ForeignImage stream_vmdk();  // the same, streamOptimized
ForeignImage vhdx();         // 3 MiB in blocks of 1 MiB, the second is there
ForeignImage iso();          // 64 KiB, bootable
ForeignImage udf();          // 512.5 KiB, without ISO 9660

inline constexpr std::string_view kVmdkDescriptor =
    "# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID=ffffffff\n"
    "createType=\"monolithicSparse\"\n\n# Extent description\n"
    "RW 16384 SPARSE \"disk.vmdk\"\n\nddb.adapterType = \"ide\"\n";

}  // namespace ruche::model::image_format::test
