// The journal of a download: its writer has listened to a stranger's server, so any bytes may be in
// it. What was read is written again and reads as the same.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "drivers/curl/journal.hpp"

using namespace ruche::drivers::curl;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const FetchJournal first = read_journal(text);
  const FetchJournal again = read_journal(journal_text(first));
  const bool same = again.limit == first.limit && again.patience == first.patience &&
                    again.size == first.size && again.end == FetchEnd::none &&
                    read_journal(journal_text(again)).url == again.url;
  if (!same) std::abort();
  return 0;
}
