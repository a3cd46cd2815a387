#include "drivers/curl/journal.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace ruche::drivers::curl {

namespace {

constexpr std::size_t kLongestValue = 8192;
constexpr std::array<std::pair<FetchEnd, std::string_view>, 5> kEnds{{
    {FetchEnd::done, "done"},
    {FetchEnd::broken, "broken"},
    {FetchEnd::refused, "refused"},
    {FetchEnd::too_large, "too-large"},
    {FetchEnd::full, "full"},
}};

template <class Number>
std::optional<Number> number(std::string_view text) {
  Number value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  if (read.ec != std::errc() || read.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

void take_line(FetchJournal& journal, std::string_view word, std::string_view value) {
  if (word == "url") journal.url = value;
  if (word == "limit") journal.limit = number<std::uint64_t>(value).value_or(0);
  if (word == "patience") journal.patience = number<std::uint32_t>(value).value_or(30);
  if (word == "etag") journal.etag = value;
  if (word == "modified") journal.modified = value;
  if (word == "size") journal.size = number<std::uint64_t>(value);
  if (word == "words") journal.words = value;
  if (word == "fresh") {
    journal.etag.clear();
    journal.modified.clear();
    journal.size.reset();
  }
  if (word != "end") return;
  for (const auto& [end, name] : kEnds) {
    if (name == value) journal.end = end;
  }
}

}  // namespace

std::string_view word_of(FetchEnd end) {
  for (const auto& [known, name] : kEnds) {
    if (known == end) return name;
  }
  return "none";
}

FetchJournal read_journal(std::string_view text) {
  FetchJournal journal;
  // A line that is not ended was being written when its writer died.
  for (auto end = text.find('\n'); end != text.npos; end = text.find('\n')) {
    const auto line = text.substr(0, end);
    text.remove_prefix(end + 1);
    const auto space = std::min(line.find(' '), line.size());
    if (line.size() > kLongestValue) continue;
    take_line(journal, line.substr(0, space), line.substr(std::min(space + 1, line.size())));
  }
  return journal;
}

std::string journal_line(std::string_view word, std::string_view value) {
  std::string line(word);
  line += ' ';
  for (const char c : value.substr(0, kLongestValue - 64)) {
    line += c >= 0x20 && c < 0x7f ? c : '?';
  }
  return line + '\n';
}

std::string journal_text(const FetchJournal& journal) {
  std::string text = journal_line("url", journal.url);
  text += journal_line("limit", std::to_string(journal.limit));
  text += journal_line("patience", std::to_string(journal.patience));
  if (!journal.etag.empty()) text += journal_line("etag", journal.etag);
  if (!journal.modified.empty()) text += journal_line("modified", journal.modified);
  if (journal.size) text += journal_line("size", std::to_string(*journal.size));
  return text;
}

}  // namespace ruche::drivers::curl
