#include "model/image_format/refusals.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace ruche::model::image_format {

Error refuse(std::string_view format, std::string what, std::string_view remedy) {
  return Error(Reason::image_refused, fmt::format("the {} image {}", format, what))
      .remedy(std::string(remedy));
}

bool lies_inside(const Sample& sample, std::uint64_t offset, std::uint64_t length) {
  return offset <= sample.file_size && length <= sample.file_size - offset;
}

std::expected<Bytes, Error> check_size(std::string_view format, std::uint64_t size, Bytes limit) {
  if (size == 0 || size % 512 != 0 || size > static_cast<std::uint64_t>(INT64_MAX)) {
    return std::unexpected(refuse(format, fmt::format("says its disk has {} bytes", size),
                                  "Check that the file is complete and not damaged."));
  }
  const Bytes bytes{static_cast<std::int64_t>(size)};
  if (bytes > limit) {
    return std::unexpected(refuse(
        format,
        fmt::format("holds a disk of {}, which is larger than {}", to_text(bytes), to_text(limit)),
        "Raise image_size_limit_bytes (ruche setting set), if it really is that large."));
  }
  return bytes;
}

std::expected<void, Error> walk_table(
    const Sample& sample, const Table& table,
    const std::function<bool(const Block& piece, std::size_t at)>& is_good) {
  const std::uint64_t most = kMostBytes / table.width;
  for (std::uint64_t done = 0; done < table.entries;) {
    const auto count = std::min(most, table.entries - done);
    const auto bytes = sample.bytes_at(table.offset + done * table.width, count * table.width);
    if (!bytes) {
      return std::unexpected(refuse(table.format, "has a table outside the file",
                                    "The file was cut short; transfer it again."));
    }
    const Block piece(*bytes);
    for (std::uint64_t i = 0; i < count; ++i) {
      if (is_good(piece, static_cast<std::size_t>(i * table.width))) continue;
      return std::unexpected(
          refuse(table.format, fmt::format("has block {} outside the file", table.first + done + i),
                 "The file was cut short or is damaged; transfer it again."));
    }
    done += count;
  }
  return {};
}

}  // namespace ruche::model::image_format
