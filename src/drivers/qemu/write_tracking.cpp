#include "drivers/qemu/write_tracking.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/descriptor.hpp"

namespace ruche::drivers::qemu {

namespace {

// linux/userfaultfd.h of Linux 6.1; older headers lack it.
constexpr unsigned long kNewFromDevice = _IO(0xAA, 0x00);

// As QEMU does it: through the device, else by the system call, which the kernel may keep from
// users.
Descriptor open_tracker(const std::string& device) {
  const Descriptor opened(::open(device.c_str(), O_RDWR | O_CLOEXEC));
  if (opened.open()) return Descriptor(::ioctl(opened.get(), kNewFromDevice, O_CLOEXEC));
  if (::geteuid() == 0) return {};  // its guests are not root
  return Descriptor(static_cast<int>(::syscall(SYS_userfaultfd, O_CLOEXEC)));
}

}  // namespace

std::string why_no_write_tracking(const std::string& device) {
  const auto tracker = open_tracker(device);
  if (!tracker.open()) return fmt::format("{}: {}", device, std::strerror(errno));
  uffdio_api api{};
  api.api = UFFD_API;
  if (::ioctl(tracker.get(), UFFDIO_API, &api) != 0 ||
      (api.features & UFFD_FEATURE_PAGEFAULT_FLAG_WP) == 0) {
    return "the kernel tracks no writes (CONFIG_HAVE_ARCH_USERFAULTFD_WP)";
  }
  return {};
}

}  // namespace ruche::drivers::qemu
