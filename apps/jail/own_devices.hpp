// Devices among the paths to write to that only root may open, such as /dev/userfaultfd: the
// process finds nodes of its own in their places, in a mount namespace of its own. The host's nodes
// stay as they are, and nobody else gets anything.
#pragma once

#include "options.hpp"

namespace ruche::jail {

// As root. Where a node cannot be made (a container without CAP_MKNOD), the process does without
// the device, as it would on a machine that has none.
void show_own_devices(const Options& options);

}  // namespace ruche::jail
