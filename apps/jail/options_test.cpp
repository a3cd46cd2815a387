#include "options.hpp"

#include <gtest/gtest.h>

namespace ruche::jail {
namespace {

TEST(JailOptions, reads_everything) {
  const auto options = parse({"--status-fd",
                              "9",
                              "--cgroup",
                              "/sys/fs/cgroup/a",
                              "--limit",
                              "fsize=1024",
                              "--user",
                              "1000",
                              "--group",
                              "1001",
                              "--landlock",
                              "--read",
                              "/usr",
                              "--write",
                              "/tmp/x",
                              "--execute",
                              "/bin/true",
                              "--keep",
                              "5",
                              "--keep",
                              "7",
                              "--stdout",
                              "/tmp/out",
                              "--stderr",
                              "/tmp/err",
                              "--directory",
                              "/tmp",
                              "--parent",
                              "42",
                              "--",
                              "/bin/true",
                              "--user",
                              ""});
  ASSERT_TRUE(options) << options.error();
  EXPECT_EQ(options->status_fd, 9);
  EXPECT_EQ(options->cgroups, std::vector<std::string>{"/sys/fs/cgroup/a"});
  ASSERT_EQ(options->limits.size(), 1U);
  EXPECT_EQ(options->limits[0].resource, static_cast<int>(RLIMIT_FSIZE));
  EXPECT_EQ(options->limits[0].value, 1024U);
  EXPECT_EQ(options->user, 1000U);
  EXPECT_EQ(options->group, 1001U);
  EXPECT_TRUE(options->landlock);
  EXPECT_EQ(options->keep, (std::vector<int>{5, 7}));
  EXPECT_EQ(options->parent, 42);
  EXPECT_EQ(options->argv, (std::vector<std::string>{"/bin/true", "--user", ""}));
}

TEST(JailOptions, knows_the_limit_of_locked_memory) {
  const auto options = parse({"--limit", "memlock=9223372036854775807", "--", "/bin/true"});
  ASSERT_TRUE(options) << options.error();
  ASSERT_EQ(options->limits.size(), 1U);
  EXPECT_EQ(options->limits[0].resource, static_cast<int>(RLIMIT_MEMLOCK));
}

TEST(JailOptions, refuses_what_it_does_not_understand) {
  using Arguments = std::vector<std::string_view>;
  const std::vector<std::pair<Arguments, std::string>> cases = {
      {{}, "no program after --"},
      {{"--"}, "no program after --"},
      {{"--", "true"}, "the program must be an absolute path"},
      {{"--nonsense", "1", "--", "/bin/true"}, "--nonsense: unknown option '--nonsense'"},
      {{"--user"}, "'--user' has no value"},
      {{"--user", "0", "--", "/bin/true"}, "--user: '0' is not a number in range"},
      {{"--user", "12x", "--", "/bin/true"}, "--user: '12x' is not a number in range"},
      {{"--user", "4294967295", "--group", "1", "--", "/bin/true"},
       "--user: '4294967295' is not a number in range"},
      {{"--user", "1", "--", "/bin/true"},
       "--user needs --group, or the program keeps the group of root"},
      {{"--keep", "2", "--", "/bin/true"}, "--keep: '2' is not a number in range"},
      {{"--read", "usr", "--", "/bin/true"}, "--read: 'usr' is not an absolute path"},
      {{"--read", "/usr", "--", "/bin/true"}, "paths without --landlock mean nothing"},
      {{"--own-root", "5", "--", "/bin/true"}, "--own-root: ids are FIRST:COUNT"},
      {{"--own-root", "0:5", "--", "/bin/true"}, "--own-root: '0' is not a number in range"},
      {{"--own-root", "5:5", "--landlock", "--", "/bin/true"},
       "--own-root has its own user and paths"},
      {{"--limit", "fsize", "--", "/bin/true"}, "--limit: a limit is NAME=VALUE"},
      {{"--limit", "stack=1", "--", "/bin/true"}, "--limit: unknown limit 'stack'"},
  };
  for (const auto& [arguments, message] : cases) {
    const auto options = parse(arguments);
    ASSERT_FALSE(options) << message;
    EXPECT_EQ(options.error(), message);
  }
}

}  // namespace
}  // namespace ruche::jail
