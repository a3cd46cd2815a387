// Any bytes are HTTP messages or refused, as request and as answer; how they are cut does not
// matter for what is accepted.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "net/http_parser.hpp"

namespace {

using ruche::net::HttpParser;

// What was understood of the first message; nothing when it was refused or is not complete.
std::optional<std::string> parse(HttpParser::Kind kind, std::string_view text, std::size_t step) {
  HttpParser parser(kind, 2048);
  std::string input, body;
  try {
    while (!text.empty() && !parser.done()) {
      input += text.substr(0, step);
      text.remove_prefix(std::min(step, text.size()));
      std::size_t used = 1;
      while (used > 0 && !parser.done()) {
        used = parser.put(input);
        if (used > input.size()) ruche::broken_invariant("used more than there was");
        input.erase(0, used);
      }
      body += parser.take_body();
    }
    if (!parser.done()) parser.put_end();
  } catch (const ruche::Error&) {
    return std::nullopt;
  }
  std::string seen = parser.method() + parser.target() + std::to_string(parser.status());
  for (const auto& [name, value] : parser.headers()) seen += name + value;
  return seen + body;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const auto kind : {HttpParser::Kind::request, HttpParser::Kind::response}) {
    const auto whole = parse(kind, text, text.size());
    for (const std::size_t step : {1UL, 5UL}) {
      const auto cut = parse(kind, text, step);
      if (whole && cut && *whole != *cut) ruche::broken_invariant("pieces give another message");
    }
  }
  return 0;
}
