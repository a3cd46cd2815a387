#include "drivers/qemu/serial_text.hpp"

#include <algorithm>
#include <vector>

namespace ruche::drivers::qemu {

std::size_t overlap(std::string_view before, std::string_view stream) {
  before.remove_prefix(before.size() - std::min(before.size(), stream.size()));
  stream = stream.substr(0, before.size());
  if (stream.empty()) return 0;
  // Knuth-Morris-Pratt: how much of `stream` matches at the end of what was read of `before`.
  std::vector<std::size_t> failure(stream.size(), 0);
  for (std::size_t i = 1, matched = 0; i < stream.size(); ++i) {
    while (matched > 0 && stream[i] != stream[matched]) matched = failure[matched - 1];
    if (stream[i] == stream[matched]) ++matched;
    failure[i] = matched;
  }
  std::size_t matched = 0;
  for (const char c : before) {
    while (matched > 0 && (matched == stream.size() || c != stream[matched])) {
      matched = failure[matched - 1];
    }
    if (c == stream[matched]) ++matched;
  }
  return matched;
}

void keep_tail(std::string& text, std::size_t limit) {
  if (text.size() > limit) text.erase(0, text.size() - limit);
}

}  // namespace ruche::drivers::qemu
