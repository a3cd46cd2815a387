// The judges of foreign disk images. Input: one byte of choices, the file's size (eight bytes, big
// endian), then its beginning. Whatever the bytes are: a verdict, never a crash, and what is
// accepted keeps its promises.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "model/image_format/detect.hpp"
#include "model/image_format/qcow2.hpp"

using namespace ruche;
using namespace ruche::model::image_format;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

void check_verdict(const Sample& sample, const Rules& rules) {
  const auto verdict = judge(sample, rules);
  if (!verdict) {
    require(!verdict.error().message().empty());
    return;
  }
  require(verdict->virtual_size.count >= 512 && verdict->virtual_size.count % 512 == 0);
  require(verdict->virtual_size <= rules.size_limit + Bytes{511});
  if (rules.declared) require(verdict->format == *rules.declared);
  require(detect_all(sample).size() <= 1);
  if (verdict->format == model::ImageFormat::raw) {
    require(rules.declared == model::ImageFormat::raw && detect(sample) == Kind::unmarked);
  }
  if (verdict->format != model::ImageFormat::qcow2) return;
  require(verdict->l1_offset + std::uint64_t{verdict->l1_entries} * 8 <= sample.file_size);
  const auto own = read_own_qcow2(sample);
  require(own && own->backing_file.empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 9) return 0;
  const std::uint8_t choice = data[0];
  std::uint64_t file_size = 0;
  for (int i = 1; i < 9; ++i) file_size = file_size << 8 | data[i];
  const std::span<const std::uint8_t> bytes(data + 9, size - 9);
  // What the file is said to hold beyond the bytes cannot be read: it was cut there.
  const auto more = [bytes](std::uint64_t offset, std::span<std::uint8_t> into) -> std::size_t {
    if (offset >= bytes.size()) return 0;
    const auto count = std::min<std::size_t>(into.size(), bytes.size() - offset);
    std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(offset), count, into.begin());
    return count;
  };
  const Sample sample{bytes.first(std::min<std::size_t>(bytes.size(), 4096)),
                      bytes.last(std::min(bytes.size(), kTailBytes)),
                      std::max<std::uint64_t>(file_size, bytes.size()), more};
  Rules rules;
  if ((choice & 3) == 1) rules.declared = model::ImageFormat::qcow2;
  if ((choice & 3) == 2) rules.declared = model::ImageFormat::raw;
  check_verdict(sample, rules);
  const TableCheck check{sample.file_size, 9u + (choice >> 2) % 13, (choice & 128) != 0};
  if (const auto tables = check_l1(bytes, check)) {
    for (const auto offset : *tables) require(offset < sample.file_size);
  }
  (void)check_l2(bytes, check);
  return 0;
}
