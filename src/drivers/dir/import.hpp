// Imports: a foreign image becomes a volume of ours. The source is opened once and copied into a
// staging directory, so that nobody can change it any more; our header parsers judge the copy; then
// qemu-img, confined to that directory, writes the new volume, which is judged again.
#pragma once

#include <memory>
#include <string>

#include "drivers/dir/image_tool.hpp"
#include "drivers/dir/place.hpp"
#include "ports/volumes.hpp"

namespace ruche::drivers::dir {

// One import; what the tool refers to must outlive it. Whatever ends it early, nothing stays
// behind.
Async<ports::ImportResult> import_volume(ImageTool tool, std::shared_ptr<const Place> place,
                                         ports::VolumeRef volume, ports::ImportSource source,
                                         ports::ProgressSink progress);

// The arguments of qemu-img for a conversion of `source` to `target` in its working directory.
std::vector<std::string> convert_arguments(const std::string& qemu_img, model::ImageFormat from,
                                           model::DiskFormat to);

}  // namespace ruche::drivers::dir
