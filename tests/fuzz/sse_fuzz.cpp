// Any bytes are events or refused; how they are cut does not matter, and an event survives being
// formatted again.
#include <cstdint>
#include <string_view>
#include <vector>

#include "net/sse.hpp"

namespace {

using ruche::broken_invariant;
using ruche::net::ServerSentEvent;
using ruche::net::SseParser;

std::vector<ServerSentEvent> parse(std::string_view text, std::size_t step) {
  SseParser parser(4096);
  std::vector<ServerSentEvent> events;
  try {
    for (; !text.empty(); text.remove_prefix(std::min(step, text.size()))) {
      parser.put(text.substr(0, step));
      while (auto event = parser.next()) events.push_back(std::move(*event));
    }
  } catch (const ruche::Error&) {
    while (auto event = parser.next()) events.push_back(std::move(*event));
  }
  return events;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto events = parse(text, text.size() + 1);
  if (parse(text, 1) != events) broken_invariant("bytes one by one give other events");
  if (parse(text, 7) != events) broken_invariant("pieces give other events");
  std::string again;
  for (const auto& event : events) again += format_event(event);
  if (again.size() <= 4096 && !events.empty() &&
      parse(again, again.size()).size() != events.size()) {
    broken_invariant("formatting lost an event");
  }
  return 0;
}
