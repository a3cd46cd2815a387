// The edge to the facts of this machine.
#pragma once

#include <cstdint>
#include <string>

#include "base/async.hpp"
#include "model/host.hpp"
#include "model/host_facts.hpp"

namespace ruche::ports {

class HostInfo {
 public:
  virtual ~HostInfo() = default;
  // Everything but the hypervisor's part (accelerator, qemu_version), which the engine knows.
  virtual Async<model::HostStatus> read() = 0;
  // All that can be found out, now; nothing is remembered. Again without the hypervisor's part.
  // What is unreadable or makes no sense is left out, never an error.
  virtual Async<model::HostFacts> inspect() = 0;
};

}  // namespace ruche::ports
