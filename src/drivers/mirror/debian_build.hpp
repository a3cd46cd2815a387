// Runs the recipe `debian`: finds out which package versions there are, and makes the image of them
// unless the cache has it.
#pragma once

#include <functional>
#include <string>

#include "base/clock.hpp"
#include "drivers/mirror/packages.hpp"
#include "ports/volumes.hpp"

namespace ruche::drivers::mirror {

struct DebianBuild {
  PackageTools tools;
  ports::IdRange ids;  // of the files of the tree; count 0: this daemon cannot build it
  Clock& clock;
  Lane& lane;
  std::string cache;  // ours; finished images are in there
  std::string directory;  // of this build
  std::function<void(std::string)> say;
};

// Everything unfinished is below the build's directory, so that cleaning it removes all traces.
// Cancellable at any moment. Throws host_cannot for a daemon that is not root or a machine that is
// not Debian, not_enough_space, process_failed with apt's own words.
Async<ports::BuiltImage> build_debian(DebianBuild build);

// What a build leaves in its directory, beside the files of the demo.
inline constexpr const char* kDebianWork = "/debian";
inline constexpr const char* kDebianDiskFile = "/disk.qcow2";

}  // namespace ruche::drivers::mirror
