// What an agent in a hostile guest says, and user-data that somebody forged.
#include <cstdint>
#include <string_view>

#include "core/guests/user_data.hpp"
#include "drivers/qemu/agent_message.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ruche::drivers::qemu;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  AgentSync sync(size);
  (void)sync.feed(text);
  if (const auto reply = parse_agent_reply(text)) {
    (void)addresses_of(*reply);
    (void)command_result(*reply);
    (void)file_content(*reply);
    (void)text_of(*reply, "version");
  }
  (void)ssh_key_of(text);
  (void)ruche::core::check_user_data(text, "/user_data");
  return 0;
}
