// Whether QEMU can save a guest's memory while the guest goes on: it has the kernel tell it of the
// first write to each page (userfaultfd(2)).
#pragma once

#include <string>

namespace ruche::drivers::qemu {

// QEMU opens it by this name itself. Where guests have users of their own, jail gives each a node
// of its own there.
inline constexpr const char* kWriteTracking = "/dev/userfaultfd";

// Why a guest stands still meanwhile; empty: it need not. `device` is kWriteTracking, but in tests.
std::string why_no_write_tracking(const std::string& device);

}  // namespace ruche::drivers::qemu
