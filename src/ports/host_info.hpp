// The edge to the facts of this machine.
#pragma once

#include <cstdint>
#include <string>

#include "base/async.hpp"
#include "model/host.hpp"

namespace ruche::ports {

class HostInfo {
 public:
  virtual ~HostInfo() = default;
  // Everything but the hypervisor's part (accelerator, qemu_version), which the engine knows.
  virtual Async<model::HostStatus> read() = 0;
};

}  // namespace ruche::ports
