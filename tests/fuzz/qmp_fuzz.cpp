// Lines of a monitor that its guest has taken over, and the runtime record that somebody forged.
#include <cstdint>
#include <string_view>

#include "drivers/qemu/machine.hpp"
#include "drivers/qemu/qmp_message.hpp"
#include "drivers/qemu/runtime_record.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ruche::drivers::qemu;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto message = parse_qmp(text)) {
    if (const auto* event = std::get_if<QmpEvent>(&*message)) (void)machine_event(*event);
  }
  (void)parse_record(text, ruche::model::GuestId{});
  (void)describe_end({1}, text);
  return 0;
}
