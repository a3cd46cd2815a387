// The pure parts; tests/contract/processes_test.cpp starts real processes.
#include <gtest/gtest.h>

#include <algorithm>

#include "drivers/linux/jail_command.hpp"
#include "drivers/linux/proc_stat.hpp"

namespace ruche::drivers::linux {
namespace {

TEST(ProcStat, survives_any_program_name) {
  const auto stat =
      parse_proc_stat("77 (a) b (c) S 1 77 77 0 -1 4194560 1 0 0 0 1 2 3 4 20 0 1 0 123456 789 0");
  ASSERT_TRUE(stat);
  EXPECT_EQ(stat->state, 'S');
  EXPECT_EQ(stat->start_ticks, 123456U);
  EXPECT_FALSE(stat->ended());
}

TEST(ProcStat, refuses_what_makes_no_sense) {
  for (const auto* text : {"", "1", "1 (x)", "1 (x) ", "1 (x) S 1 2 3",
                           "1 (x) S 1 77 77 0 -1 4194560 1 0 0 0 1 2 3 4 20 0 1 0 many 789"}) {
    EXPECT_FALSE(parse_proc_stat(text)) << text;
  }
}

TEST(HoldsWords, compares_whole_words_in_order) {
  const std::string line("qemu\0-name\0x\0-uuid\0abc\0", 23);
  EXPECT_TRUE(holds_words(line, {"-uuid", "abc"}));
  EXPECT_TRUE(holds_words(line, {"qemu"}));
  EXPECT_FALSE(holds_words(line, {"abc", "-uuid"}));
  EXPECT_FALSE(holds_words(line, {"-uuid", "ab"}));
  EXPECT_FALSE(holds_words(line, {"uuid", "abc"}));
  EXPECT_FALSE(holds_words(line, {}));
  EXPECT_FALSE(holds_words("", {"-uuid"}));
}

TEST(JailCommand, lets_a_process_lock_memory_only_when_it_is_asked) {
  const JailCommand command{"/usr/lib/ruche/jail", 5, 42, {}};
  ports::SpawnRequest request;
  request.argv = {"/bin/cat"};
  const std::string wanted = "memlock=9223372036854775807";
  EXPECT_EQ(std::ranges::count(jail_arguments(command, request), wanted), 0);
  request.confinement.locks_memory = true;
  EXPECT_EQ(std::ranges::count(jail_arguments(command, request), wanted), 1);
}

TEST(JailCommand, says_everything_that_the_request_asks) {
  ports::SpawnRequest request;
  request.argv = {"/bin/cat", "--", "x"};
  request.confinement.user = 1000;
  request.confinement.group = 1001;
  request.confinement.read_paths = {"/etc"};
  request.confinement.write_paths = {"/dev/null"};
  request.confinement.execute_paths = {"/usr"};
  request.confinement.file_size_max = mib(1);
  request.confinement.cpu_seconds_max = 5;
  request.confinement.dies_with_daemon = true;
  request.descriptors = {{20, 4}};
  request.stderr_path = "/tmp/err";
  const JailCommand command{"/usr/lib/ruche/jail", 5, 42, {"/sys/fs/cgroup/ruche-a/x"}};
  EXPECT_EQ(jail_arguments(command, request), (std::vector<std::string>{"/usr/lib/ruche/jail",
                                                                        "--status-fd",
                                                                        "5",
                                                                        "--cgroup",
                                                                        "/sys/fs/cgroup/ruche-a/x",
                                                                        "--limit",
                                                                        "core=0",
                                                                        "--limit",
                                                                        "fsize=1048576",
                                                                        "--limit",
                                                                        "cpu=5",
                                                                        "--user",
                                                                        "1000",
                                                                        "--group",
                                                                        "1001",
                                                                        "--landlock",
                                                                        "--read",
                                                                        "/etc",
                                                                        "--write",
                                                                        "/dev/null",
                                                                        "--execute",
                                                                        "/usr",
                                                                        "--keep",
                                                                        "4",
                                                                        "--stderr",
                                                                        "/tmp/err",
                                                                        "--directory",
                                                                        "/",
                                                                        "--parent",
                                                                        "42",
                                                                        "--",
                                                                        "/bin/cat",
                                                                        "--",
                                                                        "x"}));
}

}  // namespace
}  // namespace ruche::drivers::linux
