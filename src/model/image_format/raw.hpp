// Raw disk images: nothing but the disk's bytes.
#pragma once

#include <expected>

#include "model/image_format/detect.hpp"

namespace ruche::model::image_format {

// The caller has made sure that no other format's magic number is there.
std::expected<ImageInfo, Error> read_raw(const Sample& sample, Bytes size_limit);

}  // namespace ruche::model::image_format
