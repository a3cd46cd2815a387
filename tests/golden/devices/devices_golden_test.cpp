// What each kind of device allows, a line a device.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/json.hpp"
#include "golden.hpp"
#include "model/device_abilities.hpp"

namespace ruche::model {
namespace {

std::string render(const std::string& input) {
  const auto spec = json::try_decode<VmSpec>(input);
  if (!spec) return "input refused: " + spec.error().full_message();
  std::string out;
  for (const auto& device : devices_of(*spec)) {
    out += fmt::format(
        "{} ({})\n  hot-plug {}\n  memory snapshot {}\n  suspend {}\n"
        "  instant clone {}\n  migrate {}\n",
        device.name, enum_name(device.kind), device.hot_plug, device.memory_snapshot,
        device.suspend, device.instant_clone, device.migrate);
    const auto warning = warning_of(device.kind);
    if (!warning.empty()) out += fmt::format("  warns: {}\n", warning);
  }
  return out;
}

TEST(GoldenDevices, abilities) { golden::check_area("devices", render); }

}  // namespace
}  // namespace ruche::model
