#include "net/http.hpp"

#include <gtest/gtest.h>

#include "net/http_parser.hpp"
#include "net/http_writer.hpp"

namespace ruche::net {
namespace {

TEST(Target, SplitsAndDecodes) {
  const auto target = parse_target("/v1/vms/web%2d1?limit=10&filter=name%3D%22a+b%22&flag");
  ASSERT_TRUE(target);
  EXPECT_EQ(target->path, "/v1/vms/web-1");
  const Query expected{{"limit", "10"}, {"filter", "name=\"a b\""}, {"flag", ""}};
  EXPECT_EQ(target->query, expected);
  EXPECT_EQ(parse_target("/")->path, "/");
  EXPECT_EQ(parse_target("/console/")->path, "/console/");
  EXPECT_EQ(parse_target("/a?b=c=d&&e=%C3%A9")->query, (Query{{"b", "c=d"}, {"e", "é"}}));
}

TEST(Target, RefusesWhatCouldMeanTwoThings) {
  for (const char* target :
       {"",     "v1",      "http://host/v1", "*",      "/a/../b", "/a/%2e%2E/b", "/./a",
        "//a",  "/a//b",   "/a%2fb",         "/a%5cb", "/a\\b",   "/a%00",       "/?a=%00",
        "/a%",  "/a%4",    "/a%zz",          "/a b",   "/a\x7f",  "/a#b",        "/a%0d%0ab",
        "/%ff", "/?a=%c3", "/\xc3\xa9"}) {
    EXPECT_FALSE(parse_target(target)) << target;
  }
  std::string many = "/?";
  for (int i = 0; i < 200; ++i) many += "a=b&";
  EXPECT_FALSE(parse_target(many));
}

TEST(Target, EncodingIsTheInverse) {
  const Query query{{"a b", "c&d=e?"}, {"ü", "100%+1"}};
  const std::string target = make_target("/v1/" + percent_encode("web 1"), query);
  const auto parsed = parse_target(target);
  ASSERT_TRUE(parsed) << target;
  EXPECT_EQ(parsed->path, "/v1/web 1");
  EXPECT_EQ(parsed->query, query);
}

TEST(Headers, CompareWithoutCase) {
  Headers headers{{"Content-Type", "a"}, {"X-Two", "1"}, {"x-two", "2"}};
  EXPECT_EQ(headers.get("content-type"), "a");
  EXPECT_EQ(headers.count("X-TWO"), 2U);
  headers.set("X-two", "3");
  EXPECT_EQ(headers.count("x-two"), 1U);
  headers.add("Connection", "keep-alive, Upgrade");
  EXPECT_TRUE(headers.has_token("connection", "upgrade"));
  EXPECT_FALSE(headers.has_token("connection", "upgra"));
  EXPECT_EQ(headers.get("absent"), std::nullopt);
}

TEST(Headers, RefusesToSplitAMessage) {
  std::string head;
  EXPECT_THROW(append_field(head, "X-A", "b\r\nSet-Cookie: c"), Error);
  EXPECT_THROW(append_field(head, "X A", "b"), Error);
  EXPECT_THROW(append_field(head, "", "b"), Error);
  append_fields(head, Headers{{"Content-Length", "5"}, {"X-A", "b"}, {"connection", "close"}});
  EXPECT_EQ(head, "X-A: b\r\n");
}

TEST(HttpDate, HasTheFixedForm) {
  EXPECT_EQ(http_date({784'111'777'000}), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(http_date({0}), "Thu, 01 Jan 1970 00:00:00 GMT");
}

std::string body_of(std::string_view text, std::size_t step) {
  HttpParser parser(HttpParser::Kind::request, 1024);
  std::string input, body;
  for (std::size_t at = 0; at < text.size(); at += step) {
    input += text.substr(at, step);
    while (!parser.done()) {
      const std::size_t used = parser.put(input);
      input.erase(0, used);
      if (used == 0) break;
    }
    body += parser.take_body();
  }
  EXPECT_TRUE(parser.done()) << step;
  return body + "|" + input;
}

TEST(HttpParser, TakesPiecesOfAnySize) {
  const std::string chunked =
      "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
      "3\r\nabc\r\n8;ext=1\r\n12345678\r\n0\r\nTrailer: t\r\n\r\nGET";
  const std::string plain = "PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhelloGET";
  for (const std::size_t step : {1UL, 2UL, 3UL, 7UL, 64UL, 1000UL}) {
    EXPECT_EQ(body_of(chunked, step), "abc12345678|GET");
    EXPECT_EQ(body_of(plain, step), "hello|GET");
  }
}

Reason failure_of(std::string_view text) {
  HttpParser parser(HttpParser::Kind::request, 256);
  try {
    std::string input(text);
    while (!parser.done()) {
      const std::size_t used = parser.put(input);
      if (used == 0) break;
      input.erase(0, used);
    }
  } catch (const Error& error) {
    return error.reason();
  }
  return Reason::internal_error;
}

TEST(HttpParser, RefusesBadMessages) {
  for (const char* text :
       {"GET /\r\n\r\n", "GET / HTTP/2.0\r\n\r\n", "G@T / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nBad Header: x\r\n\r\n", "GET / HTTP/1.1\r\nA: b\x01\r\n\r\n",
        "GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        "GET / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n"}) {
    EXPECT_EQ(failure_of(text), Reason::bad_request) << text;
  }
}

TEST(HttpParser, BoundsTheHead) {
  EXPECT_EQ(failure_of("GET /" + std::string(300, 'a')), Reason::header_too_large);
  EXPECT_EQ(failure_of("GET / HTTP/1.1\r\nA: " + std::string(300, 'a')), Reason::header_too_large);
  std::string many = "GET / HTTP/1.1\r\n";
  for (int i = 0; i < 100; ++i) many += "A: b\r\n";
  EXPECT_EQ(failure_of(many + "\r\n"), Reason::header_too_large);
}

}  // namespace
}  // namespace ruche::net
