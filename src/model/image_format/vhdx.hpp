// VHDX images ([MS-VHDX], "Virtual Hard Disk v2 (VHDX) File Format").
#pragma once

#include <expected>

#include "model/image_format/detect.hpp"

namespace ruche::model::image_format {

// Fixed and dynamic disks with sectors of 512 bytes. Refuses parents, a log that was not replayed,
// regions and metadata that we do not know but must, and blocks that are not in the file.
std::expected<ImageInfo, Error> read_vhdx(const Sample& sample, Bytes size_limit);

}  // namespace ruche::model::image_format
