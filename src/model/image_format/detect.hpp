// Which format a foreign image file has, by its contents, and whether it may be imported.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/units.hpp"
#include "model/image_format/sample.hpp"
#include "model/storage.hpp"

namespace ruche::model::image_format {

enum class Kind {
  unmarked,  // no magic number of a known format: raw, if somebody says so
  qcow2,
  qcow1,
  vmdk,
  vhd,
  vhdx,
  vdi,
  iso,
  luks,
  qed,
  parallels,
  bochs,
  cloop,
  cow,
  dmg,
  gzip,
  xz,
  bzip2,
  zstd,
  zip,
  seven_zip,
  tar,
};
std::string_view name_of(Kind kind);  // for people: "qcow2", "VMDK"

// The first format whose magic number is there.
Kind detect(const Sample& sample);
// All of them: a file that has two could be read as either.
std::vector<Kind> detect_all(const Sample& sample);

struct ImageInfo {
  ImageFormat format = ImageFormat::raw;
  Bytes virtual_size;
  bool bootable = false;  // iso: it has an El Torito boot record
  // qcow2 only.
  std::uint32_t version = 0;
  std::uint32_t cluster_bits = 0;
  std::uint32_t snapshots = 0;  // internal ones; a conversion leaves them behind
  bool dirty = false;           // was not closed; its reference counts may be wrong
  bool extended_l2 = false;
  std::uint64_t l1_offset = 0;
  std::uint32_t l1_entries = 0;
};

struct Rules {
  std::optional<ImageFormat> declared;  // raw is believed only when declared
  Bytes size_limit = gib(1024);         // of the virtual disk
};

// Judges a foreign image. Errors: image_refused (unsafe, damaged, unsupported or too large) and
// format_mismatch, which names both formats.
std::expected<ImageInfo, Error> judge(const Sample& sample, const Rules& rules);

}  // namespace ruche::model::image_format
