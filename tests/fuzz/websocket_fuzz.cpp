// Any bytes are WebSocket frames or a violation; how they are cut does not matter, and no message
// exceeds its limit.
#include <cstdint>
#include <string>
#include <string_view>

#include "net/websocket.hpp"

using namespace ruche::net;

namespace {

constexpr std::size_t kLimit = 300;

std::string parse(WebSocketRole role, std::string_view bytes, std::size_t step) {
  WebSocketDecoder decoder(role, kLimit);
  std::string seen;
  for (; !bytes.empty(); bytes.remove_prefix(std::min(step, bytes.size()))) {
    decoder.put(bytes.substr(0, step));
    while (true) {
      auto item = decoder.next();
      if (!item) return seen + "!" + std::to_string(item.error().close_code);
      if (!*item) break;
      const auto& [opcode, payload] = **item;
      if (payload.size() > kLimit) ruche::broken_invariant("a message exceeds the limit");
      if (opcode == WebSocketOpcode::text && !valid_utf8(payload)) {
        ruche::broken_invariant("a text message is not UTF-8");
      }
      if (opcode == WebSocketOpcode::close) (void)parse_close(payload);
      seen += std::to_string(static_cast<int>(opcode)) + ":" + payload + ";";
    }
  }
  return seen;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  for (const auto role : {WebSocketRole::server, WebSocketRole::client}) {
    const std::string whole = parse(role, bytes, bytes.size());
    if (parse(role, bytes, 1) != whole || parse(role, bytes, 9) != whole) {
      ruche::broken_invariant("pieces give other messages");
    }
  }
  return 0;
}
