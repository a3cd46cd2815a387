// Work on chains of layers that takes its time: a copy of what a disk shows, and a merge.
#pragma once

#include <memory>
#include <optional>

#include "drivers/dir/image_tool.hpp"
#include "drivers/dir/place.hpp"

namespace ruche::drivers::dir {

// As VolumeDriver says; what the tool refers to must outlive them. Whatever ends them early, no
// staging directory stays behind.
Async<void> clone_volume(ImageTool tool, std::shared_ptr<const Place> place,
                         ports::VolumeRef volume, ports::VolumeRef source,
                         std::optional<ports::VolumeRef> parent, ports::ProgressSink progress);
Async<void> merge_volume(ImageTool tool, std::shared_ptr<const Place> place,
                         ports::VolumeRef volume, ports::VolumeRef below,
                         std::optional<ports::VolumeRef> base, ports::ProgressSink progress);

// What the layer's own header says, also while it is open elsewhere. Throws no_such_object,
// object_broken, guest_refused.
std::optional<model::LayerId> parent_of(const Place& place, const ports::VolumeRef& volume);

// The arguments of qemu-img, which works in a mirror: `volume` takes in all that it shows and
// `base` does not, and then stands on that, or on nothing.
std::vector<std::string> rebase_arguments(const std::string& qemu_img,
                                          const ports::VolumeRef& volume,
                                          const std::optional<ports::VolumeRef>& base,
                                          bool write_through);
// All that `source` shows goes into the new and empty `volume`.
std::vector<std::string> fill_arguments(const std::string& qemu_img, const ports::VolumeRef& volume,
                                        const ports::VolumeRef& source);

}  // namespace ruche::drivers::dir
