// The blocking parts of an import, in one directory: <layer>.<ext>.import/{source,target,…}.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "drivers/dir/file_copy.hpp"
#include "drivers/dir/image_tool.hpp"
#include "drivers/dir/place.hpp"
#include "model/image_format/detect.hpp"

namespace ruche::drivers::dir {

class Staging {
 public:
  static constexpr const char* kSource = "source";
  static constexpr const char* kTarget = "target";

  // Opens and judges the source, looks for space and makes the directory, empty. What came in is
  // linked into it, anything else copied: a file of the host may change at any time.
  Staging(std::shared_ptr<const Place> place, ports::VolumeRef volume, ports::ImportSource source);

  FileCopy& copy() { return *copy_; }
  // Judges the copy, which nobody else can write, and walks its tables to find whether it was cut.
  const model::image_format::ImageInfo& judge_copy();
  // From here the helper may read the source and write into the directory; nobody else may.
  void hand_to(HelperUser helper);
  // Whether the source becomes the volume as it is; known once the copy was judged.
  bool keeps_source() const { return is_verbatim(); }
  std::shared_ptr<const Workplace> workplace() const { return workplace_; }
  // The source itself becomes the volume.
  void publish_source(const std::string& checksum);
  // What the helper wrote becomes the volume, when it is what was asked for.
  void publish_target(const std::string& checksum);
  Bytes virtual_size() const { return info_.virtual_size; }

 private:
  void open_source();
  void judge(int file);
  void walk_tables(int file) const;
  void make_directory_anew();
  bool link_source();
  void publish_file(const char* name, const std::string& checksum);
  bool is_disk() const { return volume_.content == model::LayerContent::disk; }
  // Kept as it came: an ISO, a kernel, an initramfs.
  bool is_verbatim() const;

  std::shared_ptr<const Place> place_;
  ports::VolumeRef volume_;
  ports::ImportSource source_;
  VolumeNames names_;
  model::image_format::ImageInfo info_;
  Fd source_file_;
  Fd owner_;
  std::shared_ptr<const Workplace> workplace_;
  std::optional<FileCopy> copy_;
};

// What a foreign image is; throws what a refusal says.
model::ImageFormat inspect_source(const Place& place, const ports::ImportSource& source);

// What an import that ended already told, when the volume is there: its size and checksum.
std::optional<ports::ImportResult> imported_before(const Place& place,
                                                   const ports::VolumeRef& volume);
void remove_staging(const Place& place, const ports::VolumeRef& volume);

}  // namespace ruche::drivers::dir
