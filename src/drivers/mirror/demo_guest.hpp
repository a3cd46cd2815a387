// The demo guest: Debian's kernel and busybox, with a few shell scripts of ours.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "drivers/mirror/kernel_modules.hpp"

namespace ruche::drivers::mirror {

// Raised when the guest's content changes, so that what was built before is not used again.
constexpr int kDemoRevision = 2;

// Modules that are loaded always, and those for a virtio device by its PCI device ids (modern and
// transitional; VIRTIO 1.2 section 4.1.2.1).
struct DemoDrivers {
  std::vector<std::string> always;
  std::vector<std::pair<std::string, std::vector<std::string>>> by_device;
};
const DemoDrivers& demo_drivers();

// The initramfs, reproducible from its parts.
std::string make_demo_initramfs(const std::string& busybox, const ModuleLookup& lookup);

// What the kernel is told: the serial console, little talk, no self-tests.
std::string demo_command_line();

}  // namespace ruche::drivers::mirror
