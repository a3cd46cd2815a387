// VHD images ("Virtual Hard Disk Image Format Specification", Microsoft, version 1.0 of 2006).
#pragma once

#include <expected>

#include "model/image_format/detect.hpp"

namespace ruche::model::image_format {

// Fixed and dynamic disks. Refuses differencing disks, saved states, a footer and a copy of it that
// contradict each other, and blocks that are not in the file.
std::expected<ImageInfo, Error> read_vhd(const Sample& sample, Bytes size_limit);

}  // namespace ruche::model::image_format
