#include "model/serial_ports.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace ruche::model {

std::uint32_t serial_port_count(const VmSpec& spec) { return spec.serial ? spec.serial_ports : 0; }

Error no_serial_port(std::uint32_t port, std::uint32_t count) {
  const auto has =
      count == 1 ? std::string("port 0 alone") : fmt::format("ports 0 to {}", count - 1);
  const auto wanted = std::min(port, kMostSerialPorts - 1) + 1;
  return Error(Reason::no_such_object,
               fmt::format("the guest was started without a serial port {}; it has {}", port, has))
      .at("/port")
      .remedy(fmt::format(
          "`ruche vm set VM --serial-ports {}` gives it more, from its next start on", wanted));
}

}  // namespace ruche::model
