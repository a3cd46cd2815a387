// What this host is and can do, read when asked.
#pragma once

#include "base/async.hpp"
#include "model/host_facts.hpp"
#include "ports/host_info.hpp"
#include "ports/hypervisor.hpp"

namespace ruche::core {

class HostService {
 public:
  HostService(ports::HostInfo& host_info, ports::EngineCapabilities engine)
      : host_info_(host_info), engine_(std::move(engine)) {}

  // Of the machine that this daemon runs on. Takes some milliseconds, off the loop.
  Async<model::HostFacts> inspect();

 private:
  ports::HostInfo& host_info_;
  ports::EngineCapabilities engine_;
};

}  // namespace ruche::core
