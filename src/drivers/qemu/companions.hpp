// The processes beside a guest's QEMU, as its runtime record tells of them: which there should be,
// and what the guest has no more when one ends before QEMU does. They are pieces of its hardware
// that cannot be replaced while it runs.
#pragma once

#include <string>
#include <vector>

#include "drivers/qemu/guest_directory.hpp"
#include "drivers/qemu/runtime_record.hpp"
#include "drivers/qemu/services.hpp"

namespace ruche::drivers::qemu {

struct Companion {
  std::vector<std::string> words;  // of its command line
  std::string loss;  // what its end means, for people
};
std::vector<Companion> companions_of(const RuntimeRecord& record, const GuestDirectory& directory);

// Returns when none of it is left, at once when there is none.
Async<void> wait_for_companion(Services services, Companion companion);

}  // namespace ruche::drivers::qemu
