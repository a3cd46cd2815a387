// A guest's screen. QEMU's VNC server listens nowhere: each viewer is one end of a socket pair
// whose other end is handed to QEMU (getfd, add_client), so that nobody but the daemon can ever
// connect. A picture is written by QEMU into memory that was handed to it the same way.
#pragma once

#include <memory>

#include "drivers/qemu/machine.hpp"

namespace ruche::drivers::qemu {

class QemuScreens : public ports::Screens {
 public:
  explicit QemuScreens(std::shared_ptr<MachineCore> core) : core_(std::move(core)) {}

  Async<std::unique_ptr<ports::ScreenSession>> open() override;
  Async<std::string> screenshot() override;

 private:
  std::shared_ptr<MachineCore> core_;
};

// Whether these bytes are a whole PNG (its signature, and the end chunk at the end): what QEMU
// wrote is not believed to be one.
bool is_png(std::string_view bytes);

}  // namespace ruche::drivers::qemu
