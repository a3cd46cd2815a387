#include "ports/downloads.hpp"

#include <gtest/gtest.h>

#include "base/error.hpp"

namespace ruche::ports {
namespace {

TEST(Urls, OnlyHttpAndHttpsToAHostWithoutASecret) {
  for (const char* good : {"http://h", "https://example.org/a.qcow2?x=1#y", "HTTPS://[::1]:8443/i",
                           "http://127.0.0.1:1/@", "http://h/?user=a@b"}) {
    EXPECT_NO_THROW(check_url(good)) << good;
  }
  for (const char* bad : {"", "http://", "http:///x", "file:///etc/shadow", "ftp://h/x", "//h/x",
                          "httpx://h", "https://u@h/", "http://u:p@h/", "http://h\\@x/ y",
                          "http://h/a b", "http://h/\n", "gopher://h", "data:,x", "/etc/passwd"}) {
    EXPECT_THROW(check_url(bad), Error) << bad;
  }
  EXPECT_THROW(check_url("http://h/" + std::string(5000, 'a')), Error);
}

TEST(Urls, AreShownWithoutWhatMayBeSecret) {
  EXPECT_EQ(shown_url("https://h/a?token=1"), "https://h/a");
  EXPECT_EQ(shown_url("https://h/a#b"), "https://h/a");
  EXPECT_EQ(shown_url("https://h/a"), "https://h/a");
}

}  // namespace
}  // namespace ruche::ports
