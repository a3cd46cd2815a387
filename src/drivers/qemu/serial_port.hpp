// What the parts of a guest's serial port are called. The first port, its console, keeps the names
// that it had when it was the only one; those of the others end with their number.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace ruche::drivers::qemu {

struct SerialPort {
  std::uint32_t number = 0;

  std::string device() const { return "serial" + std::to_string(number); }
  std::string ring() const { return numbered("ring"); }
  std::string watch() const { return numbered("watch"); }  // the socket's character device
  std::string hub() const { return numbered("console"); }
  // In the guest's directory.
  std::string socket() const { return numbered("serial"); }
  std::string tail() const { return socket() + ".tail"; }

 private:
  std::string numbered(std::string_view name) const {
    return std::string(name) + (number == 0 ? "" : std::to_string(number));
  }
};

}  // namespace ruche::drivers::qemu
