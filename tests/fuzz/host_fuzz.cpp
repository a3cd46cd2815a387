// /proc and /sys as a stranger might write them: the facts can always be judged and sent.
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "base/json.hpp"
#include "drivers/linux/host_facts.hpp"
#include "model/host_check.hpp"
#include "model/passthrough.hpp"

using namespace ruche;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

// The same bytes everywhere: each reader picks what it understands.
class Place {
 public:
  Place() {
    char name[] = "/tmp/ruche-host-fuzz-XXXXXX";
    root_ = ::mkdtemp(name);
    for (const char* path : kFiles) {
      std::filesystem::create_directories(std::filesystem::path(root_ + path).parent_path());
    }
  }
  ~Place() { std::filesystem::remove_all(root_); }
  void fill(const char* data, std::size_t size) const {
    for (const char* path : kFiles) {
      std::ofstream(root_ + path, std::ios::binary | std::ios::trunc)
          .write(data, static_cast<std::streamsize>(size));
    }
  }
  const std::string& root() const { return root_; }

 private:
  static constexpr const char* kFiles[] = {
      "/proc/cpuinfo",
      "/proc/meminfo",
      "/proc/loadavg",
      "/proc/sys/kernel/osrelease",
      "/sys/devices/system/node/node0/meminfo",
      "/sys/devices/system/node/node0/cpulist",
      "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages",
      "/sys/kernel/mm/transparent_hugepage/enabled",
      "/sys/devices/system/edac/mc/mc0/ce_count",
      "/sys/block/sda/size",
      "/sys/block/sda/device/model",
      "/sys/class/net/eth0/device/uevent",
      "/sys/class/net/eth0/speed",
      "/sys/bus/pci/devices/0000:00:00.0/class",
      "/sys/bus/usb/devices/1-1/busnum",
      "/sys/bus/usb/devices/1-1/devnum",
      "/sys/bus/usb/devices/1-1/idVendor",
      "/sys/bus/usb/devices/1-1/serial",
      "/proc/self/mountinfo",
      "/proc/swaps",
      "/sys/fs/cgroup/cgroup.controllers",
      "/sys/devices/system/clocksource/clocksource0/current_clocksource",
  };
  std::string root_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Place place;
  place.fill(reinterpret_cast<const char*>(data), size);
  const auto facts = drivers::linux::read_host_facts(drivers::linux::Tree(place.root()), {});
  model::HostCheck check;
  check.findings = model::judge_host(facts);
  check.reduced = model::reduced_by(facts);
  for (const auto& finding : check.findings) {
    require(finding.remedy.empty() == (finding.level == model::CheckLevel::ok));
  }
  for (const auto& device : model::host_devices(facts)) {
    require(device.remedy.empty() == (device.usable == "yes"));
    require(json::try_decode<model::HostDeviceView>(json::encode(device)).has_value());
  }
  require(json::try_decode<model::HostCheck>(json::encode(check)).has_value());
  require(json::try_decode<model::HostFacts>(json::encode(facts)).has_value());
  return 0;
}
