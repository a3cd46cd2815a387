// What the installed QEMU says of itself.
#pragma once

#include <expected>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/units.hpp"
#include "model/host.hpp"

namespace ruche::drivers::qemu {

inline constexpr int kOldestMajor = 10;

struct QemuVersion {
  int major = 0, minor = 0, micro = 0;
  friend auto operator<=>(const QemuVersion&, const QemuVersion&) = default;
};
std::string to_text(const QemuVersion& version);
// From `qemu-system-x86_64 --version`. Fails with host_cannot for what is no QEMU, or too old.
std::expected<QemuVersion, Error> parse_version(std::string_view output);

// The versioned q35 machines of `-machine help`, newest first, without deprecated ones.
std::vector<std::string> parse_machines(std::string_view output);

// The models of `-device help`: of devices that this QEMU, with its modules that are installed,
// has.
std::set<std::string> parse_device_models(std::string_view output);

// Memory of a guest's process besides the guest's own: measured, see capabilities.cpp.
Bytes process_overhead(model::Accelerator accelerator);

}  // namespace ruche::drivers::qemu
