#include "model/cpu_list.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

namespace ruche::model {

namespace {

std::optional<std::uint32_t> number(std::string_view text) {
  std::uint32_t value = 0;
  const char* end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, value);
  if (text.empty() || read.ec != std::errc() || read.ptr != end) return std::nullopt;
  return value;
}

}  // namespace

std::expected<std::set<std::uint32_t>, std::string> parse_cpu_list(std::string_view text) {
  std::set<std::uint32_t> threads;
  for (std::size_t begin = 0; begin <= text.size();) {
    const auto end = std::min(text.find(',', begin), text.size());
    const auto part = text.substr(begin, end - begin);
    begin = end + 1;
    const auto dash = part.find('-');
    const auto first = number(part.substr(0, dash));
    const auto last = dash == part.npos ? first : number(part.substr(dash + 1));
    if (!first || !last) {
      return std::unexpected(fmt::format("\"{}\" is no list of hardware threads", text));
    }
    if (*last < *first) {
      return std::unexpected(fmt::format("{} ends before it begins", part));
    }
    if (*last > kLastHostThread) {
      return std::unexpected(fmt::format("hardware threads are 0 to {}", kLastHostThread));
    }
    for (auto thread = *first; thread <= *last; ++thread) threads.insert(thread);
  }
  return threads;
}

}  // namespace ruche::model
