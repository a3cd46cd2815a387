// What the parts of this driver work with; all of it outlives them.
#pragma once

#include "base/async.hpp"
#include "base/clock.hpp"
#include "base/log.hpp"
#include "ports/processes.hpp"

namespace ruche::drivers::qemu {

struct Services {
  ports::Processes& processes;
  Clock& clock;
  Log& log;
  Scope& scope;  // owns what runs beside a machine's handle; cancelled and joined by the daemon
  Lane& lane;    // for files
};

}  // namespace ruche::drivers::qemu
