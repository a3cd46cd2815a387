// The medium that tells a guest about itself: an ISO 9660 image labelled "cidata" (cloud-init's
// NoCloud). It may hold a password's hash and whatever a user wrote, so it never has a name in a
// file system: it lives in memory of its own, which only the guest's QEMU holds open, and goes with
// it.
#pragma once

#include <string>
#include <vector>

#include "base/descriptor.hpp"
#include "base/error.hpp"
#include "ports/hypervisor.hpp"

namespace ruche::drivers::qemu {

// The bytes of the image; the same files give the same bytes. Throws io_failed.
std::string make_seed_image(const std::vector<ports::SeedFile>& files);
// A descriptor that can only be read, on sealed memory. Blocks briefly. Throws io_failed.
Descriptor make_seed(const std::vector<ports::SeedFile>& files);

}  // namespace ruche::drivers::qemu
