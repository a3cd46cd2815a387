// Kernels and initramfs files for guests whose user may not read them: QEMU opens these by path
// (/proc/self/fd/<n>), so a descriptor alone does not help. They are handed over as copies in
// memory, sealed against writing, and shared by all guests that boot the same file.
#pragma once

#include <sys/stat.h>

#include <deque>
#include <string>

#include "base/descriptor.hpp"
#include "base/error.hpp"

namespace ruche::drivers::qemu {

// Used by one thread (the engine's lane).
class BootFiles {
 public:
  // The content of an open file as a descriptor that any user may open again, read-only. Throws
  // io_failed.
  Descriptor share(const Descriptor& file, const std::string& path);

 private:
  struct Copy {
    struct stat of{};
    Descriptor memory;
  };
  std::deque<Copy> copies_;  // the latest first
};

}  // namespace ruche::drivers::qemu
