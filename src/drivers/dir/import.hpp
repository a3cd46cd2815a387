// Imports: a foreign image becomes a volume of ours. The source is opened once and copied into a
// staging directory, so that nobody can change it any more; our header parsers judge the copy; then
// qemu-img, confined to that directory, writes the new volume, which is judged again.
#pragma once

#include <memory>
#include <string>

#include "base/clock.hpp"
#include "base/impatient_lane.hpp"
#include "drivers/dir/place.hpp"
#include "ports/processes.hpp"
#include "ports/volumes.hpp"

namespace ruche::drivers::dir {

struct ImportTools {
  Clock& clock;
  ports::Processes& processes;
  ImpatientLane& lane;
  Duration patience;  // for one blocking step
  std::string qemu_img;
  std::uint32_t helper_user = 0;  // 0: the daemon's own
  std::uint32_t helper_group = 0;
};

// One import; the tools must outlive it. Whatever ends it early, nothing stays behind.
Async<ports::ImportResult> import_volume(ImportTools tools, std::shared_ptr<const Place> place,
                                         ports::VolumeRef volume, ports::ImportSource source,
                                         ports::ProgressSink progress);

// The arguments of qemu-img for a conversion of `source` to `target` in its working directory.
std::vector<std::string> convert_arguments(const std::string& qemu_img, model::ImageFormat from,
                                           model::DiskFormat to);

// The last percentage that `qemu-img -p` printed, 0 when there is none.
double last_percentage(std::string_view output);

}  // namespace ruche::drivers::dir
