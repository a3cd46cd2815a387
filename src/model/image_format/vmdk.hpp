// VMDK images ("Virtual Disk Format 5.0", VMware; the header of hosted sparse extents and the
// metadata of stream-optimized ones).
#pragma once

#include <expected>

#include "model/image_format/detect.hpp"

namespace ruche::model::image_format {

// monolithicSparse and streamOptimized, each in one file with its descriptor inside. Refuses
// everything that lies in other files: flat and split extents, device maps, parents; and tables
// that lead out of the file.
std::expected<ImageInfo, Error> read_vmdk(const Sample& sample, Bytes size_limit);

}  // namespace ruche::model::image_format
