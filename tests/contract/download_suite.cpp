#include "contract/download_suite.hpp"

#include <optional>
#include <vector>

#include "base/error.hpp"

namespace ruche::contract {
namespace {

class DownloadContract : public testing::Test {
 protected:
  DownloadContract() : harness_(make_download_harness()) {}

  // The reason with which it fails; "" when it does not.
  std::string fetch(const std::string& url, Bytes limit = mib(1)) {
    std::string reason;
    harness_->run(keep(url, limit, reason));
    return reason;
  }
  Async<void> keep(std::string url, Bytes limit, std::string& reason) {
    std::optional<Error> failure;
    try {
      co_await harness_->downloads().fetch(
          {url, harness_->path(), limit},
          [this](Bytes d, Bytes t) { progress_.emplace_back(d, t); });
    } catch (const Error& error) {
      failure = error;
    }
    if (failure) reason = failure->reason_name();
  }

  std::unique_ptr<DownloadHarness> harness_;
  std::vector<std::pair<Bytes, Bytes>> progress_;
};

std::string letters(std::size_t count) {
  std::string text;
  for (std::size_t i = 0; i < count; ++i) text += static_cast<char>('a' + i * 7 % 26);
  return text;
}

TEST_F(DownloadContract, TheWholeFileArrives) {
  harness_->serve(letters(100), 0);
  EXPECT_EQ(fetch(harness_->url()), "");
  EXPECT_EQ(harness_->content(), letters(100));
  EXPECT_EQ(fetch(harness_->url()), "") << "again is nothing";
  EXPECT_EQ(harness_->content(), letters(100));
}

TEST_F(DownloadContract, ABrokenConnectionIsGoneOnWith) {
  harness_->serve(letters(100), 2);
  EXPECT_EQ(fetch(harness_->url()), "");
  EXPECT_EQ(harness_->content(), letters(100));
}

TEST_F(DownloadContract, AnotherFileBeginsAnew) {
  harness_->serve(letters(100), 99);
  EXPECT_EQ(fetch(harness_->url()), "download-failed");
  EXPECT_FALSE(harness_->content().empty()) << "what came stays";
  harness_->serve("another file, and shorter", 0);
  EXPECT_EQ(fetch(harness_->url()), "");
  EXPECT_EQ(harness_->content(), "another file, and shorter");
}

TEST_F(DownloadContract, WhatIsNotThereIsRefused) {
  harness_->serve_nothing();
  EXPECT_EQ(fetch(harness_->url()), "download-refused");
}

TEST_F(DownloadContract, TheLimitHolds) {
  harness_->serve(letters(2000), 0);
  EXPECT_EQ(fetch(harness_->url(), Bytes{1999}), "body-too-large");
  EXPECT_LE(harness_->content().size(), 1999u);
  EXPECT_EQ(fetch(harness_->url(), Bytes{2000}), "");
  EXPECT_EQ(harness_->content(), letters(2000));
}

TEST_F(DownloadContract, OnlyUrlsOfTheWeb) {
  EXPECT_EQ(fetch("file:///etc/passwd"), "bad-format");
  EXPECT_EQ(fetch("http://user:word@localhost/"), "bad-format");
  EXPECT_EQ(harness_->content(), "");
}

}  // namespace
}  // namespace ruche::contract
