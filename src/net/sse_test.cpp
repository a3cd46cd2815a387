#include "net/sse.hpp"

#include <gtest/gtest.h>

namespace ruche::net {
namespace {

std::vector<ServerSentEvent> parse(std::string_view text, std::size_t step = 1 << 20) {
  SseParser parser;
  std::vector<ServerSentEvent> events;
  for (std::size_t at = 0; at < text.size(); at += step) {
    parser.put(text.substr(at, step));
    while (auto event = parser.next()) events.push_back(std::move(*event));
  }
  return events;
}

// The examples of the standard (WHATWG HTML, section 9.2.6).
TEST(Sse, ReadsTheExamplesOfTheStandard) {
  EXPECT_EQ(parse("data: YHOO\ndata: +2\ndata: 10\n\n"),
            (std::vector<ServerSentEvent>{{"", "", "YHOO\n+2\n10"}}));
  EXPECT_EQ(parse(": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\n"
                  "data:  third event\n\n"),
            (std::vector<ServerSentEvent>{
                {"1", "", "first event"}, {"", "", "second event"}, {"", "", " third event"}}));
  EXPECT_EQ(parse("data\n\ndata\ndata\n\ndata:"),
            (std::vector<ServerSentEvent>{{"", "", ""}, {"", "", "\n"}}));
  EXPECT_EQ(parse("data:test\n\ndata: test\n\n"),
            (std::vector<ServerSentEvent>{{"", "", "test"}, {"", "", "test"}}));
}

TEST(Sse, AcceptsEveryLineEndInAnyPieces) {
  const std::string text =
      "\xEF\xBB\xBF"
      "event: a\r\ndata: 1\rdata: 2\n\r\nid: 7\rdata: x\r\r";
  const std::vector<ServerSentEvent> expected{{"", "a", "1\n2"}, {"7", "", "x"}};
  for (std::size_t step = 1; step < text.size(); ++step) EXPECT_EQ(parse(text, step), expected);
}

TEST(Sse, FormattingIsTheInverse) {
  const std::vector<ServerSentEvent> events{
      {"9", "change", "{\"a\":1}"}, {"9", "", "two\nlines\n"}, {"9", "x", ""}, {"10", "", "\n\n"}};
  std::string text;
  for (const auto& event : events) text += format_event(event) + format_comment("alive");
  EXPECT_EQ(parse(text), events);
  EXPECT_EQ(parse(format_event({"", "", "a\r\nb\rc"})).at(0).data, "a\nb\nc");
  EXPECT_THROW(format_event({"a\nb", "", ""}), Error);
  EXPECT_THROW(format_event({"", "a\r", ""}), Error);
}

TEST(Sse, RemembersIdAndRetry) {
  SseParser parser;
  parser.put("id: 42\nretry: 1500\n\nid: bad\0id\nretry: soon\n\n");
  EXPECT_EQ(parser.last_event_id(), "42");
  EXPECT_EQ(parser.retry(), Duration(1500));
  EXPECT_EQ(parser.next(), std::nullopt);
  parser.put("retry: 99999999999999999999\n\n");
  EXPECT_EQ(parser.retry(), Duration(1500));
}

TEST(Sse, BoundsAnEvent) {
  SseParser parser(100);
  EXPECT_THROW(parser.put("data: " + std::string(200, 'x')), Error);
  SseParser lines(100);
  const auto flood = [&] {
    for (int i = 0; i < 100; ++i) lines.put("data: 12345\n");
  };
  EXPECT_THROW(flood(), Error);
}

}  // namespace
}  // namespace ruche::net
