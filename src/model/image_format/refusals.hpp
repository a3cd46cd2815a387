// What the parsers of foreign formats share: refusals in one form, and tables that are walked.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "base/units.hpp"
#include "model/image_format/block.hpp"
#include "model/image_format/sample.hpp"

namespace ruche::model::image_format {

// image_refused: "the VHD image is a differencing disk, …".
Error refuse(std::string_view format, std::string what, std::string_view remedy);

bool lies_inside(const Sample& sample, std::uint64_t offset, std::uint64_t length);

// Of a virtual disk: whole sectors, more than none, within the limit.
std::expected<Bytes, Error> check_size(std::string_view format, std::uint64_t size, Bytes limit);

struct Table {
  std::string_view format;
  std::uint64_t offset = 0;
  std::uint64_t entries = 0;
  std::size_t width = 4;  // bytes of an entry
  std::uint64_t first = 0;  // number of the first entry, for messages
};
// Reads the table piece by piece and asks about each entry (at `at` in the piece); refuses the
// image at the first that is no good.
std::expected<void, Error> walk_table(
    const Sample& sample, const Table& table,
    const std::function<bool(const Block& piece, std::size_t at)>& is_good);

}  // namespace ruche::model::image_format
