// The hypervisor engine that drives QEMU over QMP.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "drivers/qemu/services.hpp"
#include "ports/hypervisor.hpp"

namespace ruche::drivers::qemu {

struct QemuOptions {
  std::string run_directory;  // of the instance, absolute; made if missing
  std::string pump_path;      // absolute
  std::string qemu_path = "/usr/bin/qemu-system-x86_64";
  std::string swtpm_path = "/usr/bin/swtpm";
  std::string virtiofsd_path = "/usr/libexec/virtiofsd";
  std::string older_virtiofsd_path = "/usr/lib/qemu/virtiofsd";  // QEMU's own, before 8.0
  std::vector<std::string> kept_folders = {};  // Ruche's own: no guest mounts them
  Duration launch_limit = std::chrono::seconds(30);  // until QEMU has built the machine
  Duration adopt_limit = std::chrono::seconds(5);    // until a running QEMU greets
  Duration command_limit = std::chrono::seconds(10);  // for each answer of its monitor
  Duration device_patience =
      std::chrono::seconds(30);  // with a guest that shall let go of a device
};

// Asks QEMU what it can do; throws host_cannot when it is absent or too old.
Async<std::unique_ptr<ports::HypervisorEngine>> open_qemu(QemuOptions options, Services services);

}  // namespace ruche::drivers::qemu
