#include "drivers/linux/tree.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "base/descriptor.hpp"

namespace ruche::drivers::linux {

namespace {

constexpr std::size_t kMostBytes = 1 << 20;
constexpr std::size_t kMostNames = 4096;
constexpr std::size_t kLongestValue = 256;
constexpr std::size_t kMostParts = 64;

std::string printable(std::string_view text) {
  std::string out(text.substr(0, kLongestValue));
  for (char& c : out) {
    if (c < ' ' || c > '~') c = '?';
  }
  return out;
}

}  // namespace

bool Tree::exists(std::string_view inside) const {
  return ::access(path(inside).c_str(), F_OK) == 0;
}

std::string Tree::whole(std::string_view inside) const {
  // A named pipe in a test's directory, or a device, must not hold us up.
  const Descriptor file(::open(path(inside).c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  std::string text;
  if (!file.open()) return text;
  char piece[16384];
  while (text.size() < kMostBytes) {
    const auto got = ::read(file.get(), piece, sizeof piece);
    if (got <= 0) break;
    text.append(piece, static_cast<std::size_t>(got));
  }
  text.resize(std::min(text.size(), kMostBytes));
  return text;
}

std::string Tree::line(std::string_view inside) const {
  const auto text = whole(inside);
  return printable(trimmed(std::string_view(text).substr(0, text.find('\n'))));
}

std::optional<std::int64_t> Tree::number(std::string_view inside) const {
  return number_in(line(inside));
}

std::vector<std::string> Tree::names(std::string_view inside) const {
  std::vector<std::string> found;
  std::error_code failed;
  std::filesystem::directory_iterator entry(path(inside), failed);
  for (; !failed && entry != std::filesystem::directory_iterator(); entry.increment(failed)) {
    if (found.size() >= kMostNames) break;
    auto name = entry->path().filename().string();
    if (name == printable(name)) found.push_back(std::move(name));
  }
  std::sort(found.begin(), found.end());
  return found;
}

std::string Tree::target(std::string_view inside) const {
  std::error_code failed;
  const auto target = std::filesystem::read_symlink(path(inside), failed);
  return failed ? std::string() : printable(target.filename().string());
}

std::vector<std::string> Tree::link_parts(std::string_view inside) const {
  std::error_code failed;
  const auto target = std::filesystem::read_symlink(path(inside), failed);
  std::vector<std::string> parts;
  if (failed) return parts;
  for (const auto& part : target) {
    if (parts.size() >= kMostParts) break;
    parts.push_back(printable(part.string()));
  }
  return parts;
}

std::optional<std::int64_t> number_in(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool more = end != text.data() + text.size() && *end != ' ' && *end != '\n';
  if (failure != std::errc() || more) return std::nullopt;
  return value;
}

std::string chosen_word(std::string_view text) {
  const auto begin = text.find('[');
  const auto end = text.find(']', begin == text.npos ? 0 : begin);
  if (begin == text.npos || end == text.npos) return std::string(text);
  return std::string(text.substr(begin + 1, end - begin - 1));
}

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t\r\n");
  if (begin == text.npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

std::string_view value_of_key(std::string_view text, std::string_view key) {
  while (!text.empty()) {
    const auto line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    const auto colon = line.find(':');
    if (colon == line.npos || trimmed(line.substr(0, colon)) != key) continue;
    return trimmed(line.substr(colon + 1));
  }
  return {};
}

bool has_word(std::string_view text, std::string_view word) {
  for (auto at = text.find(word); at != text.npos; at = text.find(word, at + 1)) {
    const auto end = at + word.size();
    const bool begins = at == 0 || text[at - 1] == ' ';
    if (begins && (end == text.size() || text[end] == ' ')) return true;
  }
  return false;
}

}  // namespace ruche::drivers::linux
