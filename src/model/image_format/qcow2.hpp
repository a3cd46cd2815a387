// The header of qcow2 images, versions 2 and 3 (QEMU docs/interop/qcow2.txt), and the first
// clusters of new ones.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "model/image_format/detect.hpp"

namespace ruche::model::image_format {

// Refuses what would make QEMU open another file (backing file, external data file), what we cannot
// vouch for (encryption, the corrupt bit, unknown features) and headers that contradict the file.
std::expected<ImageInfo, Error> read_qcow2(const Sample& sample, Bytes size_limit);

// The same for a layer of our own, which may stand on a backing file: that file's name, if any.
struct OwnHeader {
  ImageInfo info;
  std::string backing_file;  // as recorded; empty: none
  std::string backing_format;  // of the header extension
};
std::expected<OwnHeader, Error> read_own_qcow2(const Sample& sample);

struct NewQcow2 {
  Bytes size;  // a multiple of 512
  std::string backing_file;  // at most 1023 bytes; empty: none
  std::string backing_format;  // "qcow2" or "raw"
};
// The file of a new, empty image with 64 KiB clusters: these bytes, then zeros up to `file_size`.
struct Qcow2File {
  std::vector<std::uint8_t> head;
  std::uint64_t file_size = 0;
};
Qcow2File make_qcow2(const NewQcow2& image);

// What to write into a file of our own so that its disk becomes larger, in this order and each
// flushed before the next: entries of the L1 table that come into use, then the header's numbers,
// which lie in one sector. Fails with out_of_range when the table would have to move (with 64 KiB
// clusters beyond 4 TiB, or what it was made with).
struct Qcow2Edit {
  std::uint64_t offset = 0;
  std::vector<std::uint8_t> bytes;
};
std::expected<std::vector<Qcow2Edit>, Error> grow_qcow2(const Sample& sample, Bytes size);

// One table of cluster addresses that a file must hold. `check_entries` walks the L1 table: every
// entry must lie inside the file. A file that was cut short is found this way before it is
// converted, because QEMU reads zeros beyond the end.
struct TableCheck {
  std::uint64_t file_size = 0;
  std::uint32_t cluster_bits = 16;
  bool extended_l2 = false;
};
// Offsets of the L2 tables that an L1 table (big-endian entries) names; image_refused when one lies
// outside the file or is not aligned to a cluster.
std::expected<std::vector<std::uint64_t>, Error> check_l1(std::span<const std::uint8_t> table,
                                                          const TableCheck& check);
// The same for one L2 table: its data clusters must begin inside the file.
std::expected<void, Error> check_l2(std::span<const std::uint8_t> table, const TableCheck& check);

}  // namespace ruche::model::image_format
