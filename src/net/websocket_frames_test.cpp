#include <gtest/gtest.h>

#include "net/websocket.hpp"

namespace ruche::net {
namespace {

using enum WebSocketOpcode;
using Item = WebSocketDecoder::Item;

// "opcode:payload" of each item, then the close code of a violation.
std::string decode(std::string_view bytes, std::size_t step = 1 << 20,
                   WebSocketRole role = WebSocketRole::client, std::size_t limit = 1 << 20) {
  WebSocketDecoder decoder(role, limit);
  std::string seen;
  for (std::size_t at = 0; at < bytes.size(); at += step) {
    decoder.put(bytes.substr(at, step));
    while (true) {
      const auto item = decoder.next();
      if (!item) return seen + "!" + std::to_string(item.error().close_code);
      if (!*item) break;
      seen += std::to_string(static_cast<int>((*item)->opcode)) + ":" + (*item)->payload + " ";
    }
  }
  return seen;
}

std::string frame(int first, std::string_view payload) {
  std::string out = encode_frame(text, payload, std::nullopt);
  out[0] = static_cast<char>(first);
  return out;
}

TEST(WebSocketFrames, HandshakeExampleOfTheStandard) {
  EXPECT_EQ(websocket_accept("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  const auto random = seeded_random(1);
  EXPECT_EQ(websocket_key(*random).size(), 24U);
}

TEST(WebSocketFrames, ExamplesOfTheStandard) {
  EXPECT_EQ(encode_frame(text, "Hello", std::nullopt), "\x81\x05Hello");
  EXPECT_EQ(encode_frame(text, "Hello", 0x37fa213d),
            "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
  EXPECT_EQ(decode("\x81\x05Hello"), "1:Hello ");
  EXPECT_EQ(decode("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", 1, WebSocketRole::server),
            "1:Hello ");
  EXPECT_EQ(decode("\x01\x03Hel\x80\x02lo"), "1:Hello ");
}

TEST(WebSocketFrames, AllLengthsInAllPieces) {
  for (const std::size_t size : {0UL, 1UL, 125UL, 126UL, 65535UL, 65536UL, 70000UL}) {
    const std::string payload(size, 'x');
    const std::string bytes =
        encode_frame(binary, payload, 0x01020304) + encode_frame(ping, "p", 0xffffffff);
    for (const std::size_t step : {1UL, 13UL, 4096UL, 100000UL}) {
      EXPECT_EQ(decode(bytes, step, WebSocketRole::server), "2:" + payload + " 9:p ");
    }
  }
}

TEST(WebSocketFrames, ControlFramesBetweenFragments) {
  EXPECT_EQ(decode(frame(0x02, "a") + frame(0x89, "p") + frame(0x00, "") + frame(0x80, "b")),
            "9:p 2:ab ");
}

TEST(WebSocketFrames, Violations) {
  EXPECT_EQ(decode(frame(0xc1, "a")), "!1002");                      // reserved bit
  EXPECT_EQ(decode(frame(0x83, "a")), "!1002");                      // unknown opcode
  EXPECT_EQ(decode(frame(0x09, "a")), "!1002");                      // fragmented ping
  EXPECT_EQ(decode(frame(0x89, std::string(126, 'a'))), "!1002");    // long ping
  EXPECT_EQ(decode(frame(0x80, "a")), "!1002");                      // continuation of nothing
  EXPECT_EQ(decode(frame(0x01, "a") + frame(0x81, "b")), "!1002");   // message in a message
  EXPECT_EQ(decode("\x81\x05Hello", 1, WebSocketRole::server), "!1002");  // no mask
  EXPECT_EQ(decode(encode_frame(text, "a", 1)), "!1002");            // a server that masks
  EXPECT_EQ(decode(std::string_view("\x82\x7e\x00\x05", 4)), "!1002");  // not the shortest length
  EXPECT_EQ(decode("\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff"), "!1002");
  EXPECT_EQ(decode(frame(0x81, "\xff")), "!1007");
  EXPECT_EQ(decode(frame(0x82, std::string(11, 'a')), 99, WebSocketRole::client, 10), "!1009");
  const std::string many = frame(0x02, "aaaaaa") + frame(0x80, "aaaaaa");
  EXPECT_EQ(decode(many, 99, WebSocketRole::client, 10), "!1009");
  // Refused by its header alone: nobody waits for the payload.
  EXPECT_EQ(decode(std::string_view("\x82\x7f\x00\x00\x00\x01\x00\x00\x00\x00", 10)), "!1009");
}

TEST(WebSocketFrames, ClosePayloads) {
  EXPECT_EQ(parse_close("")->code, 1005);
  const auto close = parse_close(
      "\x03\xe8"
      "bye");
  ASSERT_TRUE(close);
  EXPECT_EQ(close->code, 1000);
  EXPECT_EQ(close->reason, "bye");
  EXPECT_FALSE(parse_close("\x03"));
  EXPECT_FALSE(parse_close("\x03\xed"));  // 1005 must not be sent
  EXPECT_FALSE(parse_close("\x03\xe8\xff"));  // not UTF-8
  EXPECT_FALSE(parse_close(std::string_view("\x00\x00", 2)));
  EXPECT_TRUE(parse_close("\x0f\xa0"));  // 4000
}

TEST(Utf8, KnowsTheRules) {
  for (const char* good : {"", "abc", "é", "€", "😀", "\xf4\x8f\xbf\xbf", "\xed\x9f\xbf"}) {
    EXPECT_TRUE(valid_utf8(good)) << good;
  }
  for (const char* bad :
       {"\x80", "\xc0\x80", "\xc1\xbf", "\xc3", "\xe0\x80\x80", "\xe2\x82", "\xed\xa0\x80",
        "\xf0\x80\x80\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "a\xffz", "\xe2\x28\xa1"}) {
    EXPECT_FALSE(valid_utf8(bad)) << bad;
  }
}

}  // namespace
}  // namespace ruche::net
