#include "model/image_format/raw.hpp"

#include <fmt/format.h>

namespace ruche::model::image_format {

std::expected<ImageInfo, Error> read_raw(const Sample& sample, Bytes size_limit) {
  constexpr std::uint64_t kSector = 512;
  if (sample.file_size == 0) {
    return std::unexpected(Error(Reason::image_refused, "the file is empty"));
  }
  if (sample.file_size > static_cast<std::uint64_t>(size_limit.count)) {
    return std::unexpected(
        Error(Reason::image_refused,
              fmt::format("the image is larger than {}", to_text(size_limit)))
            .remedy("Raise the size limit of this import, if the disk really is that large."));
  }
  ImageInfo info;
  info.format = ImageFormat::raw;
  const std::uint64_t sectors = (sample.file_size + kSector - 1) / kSector;
  info.virtual_size = Bytes{static_cast<std::int64_t>(sectors * kSector)};
  return info;
}

}  // namespace ruche::model::image_format
