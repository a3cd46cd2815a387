// ISO images: ISO 9660 (ECMA-119), UDF (ECMA-167, OSTA UDF 2.60) and El Torito ("Bootable CD-ROM
// Format Specification", version 1.0).
#pragma once

#include <expected>

#include "model/image_format/detect.hpp"

namespace ruche::model::image_format {

// A medium that is all there. It is kept as it is, so nothing inside it is followed.
std::expected<ImageInfo, Error> read_iso(const Sample& sample, Bytes size_limit);

}  // namespace ruche::model::image_format
