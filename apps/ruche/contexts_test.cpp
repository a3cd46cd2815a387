#include "contexts.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

namespace ruche::cli {
namespace {

class ContextsTest : public testing::Test {
 protected:
  ContextsTest() {
    std::string pattern = testing::TempDir() + "ruche-contexts-XXXXXX";
    directory_ = ::mkdtemp(pattern.data());
    environment_.contexts_file = directory_ + "/config/ruche/contexts.json";
    global_.socket = "/run/s";
  }
  ~ContextsTest() override { std::filesystem::remove_all(directory_); }

  void keep(const std::string& current) {
    ContextFile contexts;
    contexts.current = current;
    for (const char* name : {"one", "two"}) {
      contexts.contexts.push_back({.name = name,
                                   .url = std::string("https://") + name + ":9443",
                                   .fingerprint = "",
                                   .user = "alice",
                                   .token = Secret<std::string>(std::string("token of ") + name),
                                   .expires_at = Timestamp{5}});
    }
    save_contexts(environment_.contexts_file, contexts);
  }
  std::string chosen() { return choose_endpoint(global_, environment_).text(); }

  std::string directory_;
  GlobalOptions global_;
  Environment environment_;
};

TEST_F(ContextsTest, AreKeptForTheirOwnerAlone) {
  keep("two");
  struct stat found{};
  ASSERT_EQ(::stat(environment_.contexts_file.c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0600U);
  keep("one");
  auto contexts = load_contexts(environment_.contexts_file);
  EXPECT_EQ(contexts.current, "one");
  EXPECT_EQ(contexts.find("two")->token.reveal(), "token of two");
  EXPECT_EQ(contexts.find("three"), nullptr);
  const auto folder = std::filesystem::path(environment_.contexts_file).parent_path();
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder), {}), 1);
  std::ofstream(environment_.contexts_file) << "{";
  EXPECT_THROW(load_contexts(environment_.contexts_file), Error);
}

TEST_F(ContextsTest, TheMoreExactWordWins) {
  EXPECT_EQ(chosen(), "/run/s") << "nothing is said: the system's daemon";
  keep("two");
  EXPECT_EQ(chosen(), "https://two:9443");
  environment_.socket = "/run/s";
  EXPECT_EQ(chosen(), "/run/s");
  environment_.context = "one";
  EXPECT_EQ(chosen(), "https://one:9443");
  environment_.url = "https://three";
  environment_.token = "abc";
  EXPECT_EQ(chosen(), "https://three:9443");
  EXPECT_EQ(choose_endpoint(global_, environment_).token.reveal(), "abc");
  global_.context = "two";
  EXPECT_EQ(chosen(), "https://two:9443");
  EXPECT_EQ(choose_endpoint(global_, environment_).token.reveal(), "token of two");
  global_.context = "local";
  EXPECT_EQ(chosen(), "/run/s");
  global_.context = "nobody";
  EXPECT_THROW(chosen(), Error);
  global_.socket_given = true;
  EXPECT_EQ(chosen(), "/run/s");
}

TEST(Server, IsNamedByItsUrl) {
  const auto url = [](std::string_view text) { return parse_server(text).url(); };
  EXPECT_EQ(url("https://host1:9443"), "https://host1:9443");
  EXPECT_EQ(url("https://host1/"), "https://host1:9443");
  EXPECT_EQ(url("host1"), "https://host1:9443");
  EXPECT_EQ(url("host1:1"), "https://host1:1");
  EXPECT_EQ(url("[::1]"), "https://[::1]:9443");
  EXPECT_EQ(url("https://[::1]:80"), "https://[::1]:80");
  for (const char* bad :
       {"", "http://host1", "https://", "https://host1:0", "https://host1:70000", "host1:", "[::1",
        "https://user@host1", "https://host1/path", "https://host 1", "[::1]9443"}) {
    EXPECT_THROW(parse_server(bad), Error) << bad;
  }
}

}  // namespace
}  // namespace ruche::cli
