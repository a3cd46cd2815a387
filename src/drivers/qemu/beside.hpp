// Processes beside a guest's QEMU, one for a device that QEMU leaves to others. They are found
// again by words of their command line, live no longer than QEMU and know nothing of each other.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/descriptor.hpp"
#include "drivers/qemu/guest_directory.hpp"
#include "drivers/qemu/services.hpp"
#include "ports/processes.hpp"

namespace ruche::drivers::qemu {

// The log of one, which other starts may have begun. Blocks. Throws io_failed.
Descriptor open_log(const GuestDirectory& directory, std::string_view name);

// Starts one that is waited for as long as the daemon runs, and left alone when it ends.
Async<void> start_beside(Services services, ports::SpawnRequest request);

// Ends all whose command line holds these words. Each may be writing: it gets the time to do so.
// Throws hypervisor_failed for one that does not end.
Async<void> end_beside(Services services, std::vector<std::string> words);

}  // namespace ruche::drivers::qemu
