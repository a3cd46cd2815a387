#include "drivers/curl/journal.hpp"

#include <gtest/gtest.h>

namespace ruche::drivers::curl {
namespace {

TEST(FetchJournal, IsReadBackAsItWasWritten) {
  FetchJournal journal;
  journal.url = "https://h/a?b=c d";
  journal.limit = 12345678901234;
  journal.patience = 3;
  journal.etag = "\"x\"";
  journal.size = 99;
  auto text = journal_text(journal);
  text +=
      journal_line("end", word_of(FetchEnd::too_large)) + journal_line("words", "why\nend done");
  const auto read = read_journal(text);
  EXPECT_EQ(read.url, journal.url);
  EXPECT_EQ(read.limit, journal.limit);
  EXPECT_EQ(read.patience, 3u);
  EXPECT_EQ(read.etag, "\"x\"");
  EXPECT_EQ(read.size, 99u);
  EXPECT_EQ(read.end, FetchEnd::too_large);
  EXPECT_EQ(read.words, "why?end done");
}

TEST(FetchJournal, NonsenseAndHalfLinesSayNothing) {
  const auto read = read_journal("\n\nsize -1\nsize 12x\nend maybe\n ends\nurl\nlimit 7\nend done");
  EXPECT_FALSE(read.size);
  EXPECT_EQ(read.limit, 7u);
  EXPECT_EQ(read.end, FetchEnd::none);
  EXPECT_TRUE(read_journal("etag \"a\"\nsize 5\nfresh \n").etag.empty());
  EXPECT_EQ(read_journal(std::string(100'000, 'a') + "\nsize 5\n").size, 5u);
}

}  // namespace
}  // namespace ruche::drivers::curl
