// The contract against the real program, and what only a hostile server does.
#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/random.hpp"
#include "contract/download_suite.hpp"
#include "contract/hostile_web_server.hpp"
#include "contract/temporary_directory.hpp"
#include "drivers/curl/downloads.hpp"
#include "drivers/linux/processes.hpp"

namespace ruche::contract {
namespace {

constexpr std::uint32_t kHelperUser = 912'346;

// A file as a good server gives it, with ETag and ranges.
std::string good_answer(const std::string& head, const std::string& content, std::size_t cut) {
  const auto etag = fmt::format("\"{}\"", std::hash<std::string>()(content));
  std::size_t begin = 0;
  const auto range = field_of(head, "Range");
  const bool part = !range.empty() && field_of(head, "If-Range") == etag;
  if (part) begin = std::stoul(range.substr(6));
  std::string answer = part ? "HTTP/1.1 206 Partial Content\r\n" : "HTTP/1.1 200 OK\r\n";
  if (part) {
    answer +=
        fmt::format("Content-Range: bytes {}-{}/{}\r\n", begin, content.size() - 1, content.size());
  }
  answer += fmt::format("ETag: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", etag,
                        content.size() - begin);
  return answer + content.substr(begin, cut > begin ? cut - begin : 0);
}

class CurlHarness : public DownloadHarness {
 public:
  CurlHarness()
      : processes_(drivers::linux::linux_processes(
            {std::string(RUCHE_BINARY_DIR) + "/bin/jail", "contract", "/sys/fs/cgroup"})),
        server(loop) {
    std::ofstream(path()).flush();
    drivers::curl::CurlOptions options;
    options.program = std::string(RUCHE_BINARY_DIR) + "/bin/fetch";
    if (::geteuid() == 0) options.user = options.group = kHelperUser;
    options.standstill = Duration{1000};
    options.first_pause = options.longest_pause = Duration{10};
    options.attempts = 3;
    options.first_attempts = 2;
    downloads_ = std::make_unique<drivers::curl::CurlDownloads>(loop.clock(), *processes_, options);
  }
  ports::Downloads& downloads() override { return *downloads_; }
  void run(Async<void> work) override { loop.run(std::move(work)); }
  void serve(std::string content, int breaks) override {
    server.answer = [content, breaks](const std::string& head) mutable {
      const bool cut = breaks-- > 0;
      return good_answer(head, content, cut ? content.size() / 2 : content.size());
    };
  }
  void serve_nothing() override {
    server.answer = [](const std::string&) {
      return "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\nConnection: close\r\n\r\nnope";
    };
  }
  std::string url() override { return server.url(); }
  std::string path() override { return place_.file("file"); }
  std::string content() override {
    std::ifstream file(path(), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  // The reason and words of the failure; "" when there is none.
  std::string fetch(std::string url) {
    std::string words;
    loop.run(keep(std::move(url), words));
    return words;
  }

  Loop loop;

 private:
  Async<void> keep(std::string url, std::string& words) {
    std::optional<Error> failure;
    try {
      co_await downloads_->fetch({url, path(), mib(1)}, {});
    } catch (const Error& error) {
      failure = error;
    }
    if (failure) words = fmt::format("{}: {}", failure->reason_name(), failure->message());
  }

  TemporaryDirectory place_;
  std::unique_ptr<ports::Processes> processes_;
  std::unique_ptr<drivers::curl::CurlDownloads> downloads_;

 public:
  HostileWebServer server;
};

class HostileServers : public testing::Test {
 protected:
  void say(std::string bytes) {
    harness_.server.answer = [bytes](const std::string&) { return bytes; };
  }
  std::string fetch() { return harness_.fetch(harness_.url()); }
  CurlHarness harness_;
};

const std::string kHead = "HTTP/1.1 200 OK\r\nConnection: close\r\n";

TEST_F(HostileServers, ALengthThatIsTooLongNeverEnds) {
  say(kHead + "Content-Length: 1000\r\n\r\nshort");
  EXPECT_TRUE(fetch().starts_with("download-failed: ")) << fetch();
}

TEST_F(HostileServers, ALengthThatIsTooShortCountsAsItSays) {
  say(kHead + "Content-Length: 5\r\n\r\nshortand more");
  EXPECT_EQ(fetch(), "");
  EXPECT_EQ(harness_.content(), "short");
}

TEST_F(HostileServers, AnAnnouncedGiantIsNotBegun) {
  say(kHead + "Content-Length: 99999999999999\r\n\r\nx");
  EXPECT_TRUE(fetch().starts_with("body-too-large: "));
  EXPECT_EQ(harness_.content(), "");
}

TEST_F(HostileServers, AnEndlessBodyEndsAtTheLimit) {
  harness_.server.endless = true;
  say(kHead + "\r\n" + std::string(65536, 'x'));
  EXPECT_TRUE(fetch().starts_with("body-too-large: "));
  EXPECT_LE(harness_.content().size(), std::size_t{1} << 20);
}

TEST_F(HostileServers, AServerThatStandsStillIsGivenUp) {
  harness_.server.hang = true;
  say(kHead + "Content-Length: 1000\r\n\r\nfirst");
  EXPECT_TRUE(fetch().starts_with("download-failed: "));
}

TEST_F(HostileServers, AnotherPartThanTheOneAskedForIsNotTaken) {
  harness_.server.answer = [](const std::string& head) {
    if (field_of(head, "Range").empty()) return good_answer(head, "0123456789", 5);
    return std::string(
        "HTTP/1.1 206 Partial Content\r\nConnection: close\r\nContent-Range: bytes 7-9/10\r\n"
        "Content-Length: 3\r\n\r\n789");
  };
  EXPECT_TRUE(fetch().starts_with("download-failed: "));
  harness_.serve("0123456789", 0);
  EXPECT_EQ(fetch(), "");
  EXPECT_EQ(harness_.content(), "0123456789");
}

TEST_F(HostileServers, ARedirectLeadsNowhereElse) {
  for (const std::string where :
       {"file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://127.0.0.1/"}) {
    say("HTTP/1.1 302 Found\r\nConnection: close\r\nContent-Length: 0\r\nLocation: " + where +
        "\r\n\r\n");
    EXPECT_TRUE(fetch().starts_with("download-refused: ")) << where;
  }
  say("HTTP/1.1 302 Found\r\nConnection: close\r\nContent-Length: 0\r\nLocation: /file\r\n\r\n");
  harness_.server.requests.clear();
  EXPECT_TRUE(fetch().starts_with("download-refused: "));
  EXPECT_EQ(harness_.server.requests.size(), 6u);
  EXPECT_EQ(harness_.content(), "");
}

TEST_F(HostileServers, MetadataAddressesAreNotAsked) {
  std::vector<std::string> urls{"http://169.254.169.254/latest/meta-data/"};
  if (const int probe = ::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0); probe >= 0) {
    ::close(probe);
    urls.insert(urls.end(), {"http://[fe80::1]/", "http://[::ffff:169.254.169.254]/"});
  }
  for (const auto& url : urls) {
    const auto words = harness_.fetch(url);
    EXPECT_TRUE(words.starts_with("download-refused: ")) << url << " → " << words;
    EXPECT_NE(words.find("link-local"), std::string::npos) << url << " → " << words;
  }
}

TEST_F(HostileServers, NoiseIsNoFile) {
  for (const std::string noise : {"", "\r\n\r\n", "SSH-2.0-OpenSSH\r\n", "HTTP/1.1 999 x\r\n\r\n",
                                  "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
                                  "HTTP/1.1 206 Partial Content\r\n\r\nhello"}) {
    say(noise);
    EXPECT_NE(fetch(), "") << noise;
  }
  say("HTTP/1.1 200 OK\r\n" + std::string(2 << 20, 'h'));
  EXPECT_NE(fetch(), "");
  EXPECT_LE(harness_.content().size(), std::size_t{1} << 20);
}

}  // namespace

std::unique_ptr<DownloadHarness> make_download_harness() { return std::make_unique<CurlHarness>(); }

}  // namespace ruche::contract
