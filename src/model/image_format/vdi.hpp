// VDI images (VirtualBox, src/VBox/Storage/VDICore.h: VDIPREHEADER, VDIHEADER1PLUS).
#pragma once

#include <expected>

#include "model/image_format/detect.hpp"

namespace ruche::model::image_format {

// Dynamic and fixed images. Refuses undo and differencing images, whatever names a parent, and
// blocks that are not in the file.
std::expected<ImageInfo, Error> read_vdi(const Sample& sample, Bytes size_limit);

}  // namespace ruche::model::image_format
