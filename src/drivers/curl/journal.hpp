// What a download knows of itself, in a file beside it: lines of a word and a value. The daemon
// begins it anew for each attempt; the program `fetch` appends to it. It is how the two talk, and
// what a later daemon resumes from. The daemon trusts no line of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ruche::drivers::curl {

// How an attempt ended.
enum class FetchEnd {
  none,       // it has not ended, or was killed
  done,
  broken,     // may go better the next time
  refused,    // the server does not give it
  too_large,
  full,       // no space is left
};

struct FetchJournal {
  std::string url;
  std::uint64_t limit = 0;           // of the file's size
  std::uint32_t patience = 30;       // seconds that a server may stand still
  std::string etag;                  // what the server said of the file: for If-Range
  std::string modified;
  std::optional<std::uint64_t> size;
  FetchEnd end = FetchEnd::none;
  std::string words;                 // why it ended so, for people
};

// Descriptors of the program `fetch`.
inline constexpr int kDataDescriptor = 3;
inline constexpr int kJournalDescriptor = 4;
inline constexpr std::size_t kLargestJournal = 64 << 10;

// Lines that make no sense are skipped; later ones win. "fresh" forgets what the server said.
FetchJournal read_journal(std::string_view text);
std::string journal_text(const FetchJournal& journal);
// One line; what could end it early is taken out of the value.
std::string journal_line(std::string_view word, std::string_view value);
std::string_view word_of(FetchEnd end);

}  // namespace ruche::drivers::curl
