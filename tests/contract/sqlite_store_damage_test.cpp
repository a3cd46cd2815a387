// What happens to the file: killed processes, a full disk, damage, a second process.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <map>
#include <vector>

#include "base/log.hpp"
#include "base/loop.hpp"
#include "base/stepped_loop.hpp"
#include "contract/failing_disk.hpp"
#include "contract/temporary_directory.hpp"
#include "drivers/sqlite/sqlite_store.hpp"

namespace ruche::contract {
namespace {

using namespace ports;  // NOLINT: the test speaks of nothing else

class SqliteFile : public testing::Test {
 protected:
  std::unique_ptr<StateStore> open(drivers::sqlite::StoreOptions options = {}) {
    return run_now(loop_, drivers::sqlite::open_store(path_, loop_.executor(), clock_, log_,
                                                      std::move(options)));
  }
  CommitResult put(StateStore& store, std::string key, std::string value) {
    Commit commit{"n" + std::to_string(++nonces_), {}, {Put{std::move(key), std::move(value)}}};
    return run_now(loop_, store.commit(std::move(commit)));
  }
  std::map<std::string, std::string> everything(StateStore& store) {
    std::map<std::string, std::string> found;
    ListRequest request{.prefix = "", .after = {}};
    const ListPage page = run_now(loop_, store.list(std::move(request)));
    for (const auto& entry : page.entries) found[entry.key] = entry.value;
    return found;
  }
  Error error_of(std::function<void()> action) {
    try {
      action();
    } catch (const Error& error) {
      return error;
    }
    return Error(Reason::internal_error, "nothing was thrown");
  }

  TemporaryDirectory directory_;
  std::string path_ = directory_.file("state.db");
  MemoryLog log_;
  ManualClock clock_;
  Loop loop_;
  int nonces_ = 0;
};

// A process in the state's hands, whose output is read line by line.
class Victim {
 public:
  explicit Victim(std::vector<std::string> arguments) {
    int ends[2];
    if (::pipe(ends) != 0) throw std::runtime_error("pipe");
    pid_ = ::fork();
    if (pid_ == 0) {
      ::dup2(ends[1], 1);
      ::close(ends[0]);
      std::vector<char*> argv;
      std::string program = std::string(RUCHE_BINARY_DIR) + "/bin/sqlite_store_victim";
      argv.push_back(program.data());
      for (auto& argument : arguments) argv.push_back(argument.data());
      argv.push_back(nullptr);
      ::execv(program.c_str(), argv.data());
      ::_exit(127);
    }
    ::close(ends[1]);
    output_ = ::fdopen(ends[0], "r");
  }
  ~Victim() {
    if (pid_ > 0) kill();
    std::fclose(output_);
  }
  bool read_line(std::string& line) {
    char buffer[1024];
    if (std::fgets(buffer, sizeof buffer, output_) == nullptr) return false;
    line = buffer;
    if (!line.empty() && line.back() == '\n') line.pop_back();
    return true;
  }
  void kill() {
    ::kill(pid_, SIGKILL);
    wait();
  }
  int wait() {
    int status = 0;
    ::waitpid(std::exchange(pid_, 0), &status, 0);
    return status;
  }

 private:
  pid_t pid_ = 0;
  FILE* output_ = nullptr;
};

int number_in(const std::string& line) { return std::stoi(line.substr(line.find(' ') + 1)); }

// Every acknowledged commit is there, and of the one under way all or nothing.
void expect_whole(const std::map<std::string, std::string>& found, int acknowledged) {
  int newest = 0;
  for (const auto& [key, value] : found) {
    if (!key.starts_with("left/")) continue;
    newest = std::max(newest, std::stoi(value));
    const auto right = found.find("right/" + key.substr(5));
    ASSERT_NE(right, found.end());
    EXPECT_EQ(right->second, value);
  }
  EXPECT_GE(newest, acknowledged);
  EXPECT_LE(newest, acknowledged + 1);
}

TEST_F(SqliteFile, killed_in_the_middle_of_commits_it_has_every_acknowledged_one_whole) {
  for (int round = 0; round < 6; ++round) {
    std::filesystem::remove_all(path_);
    std::filesystem::remove_all(path_ + "-wal");
    Victim victim({path_, "endless"});
    std::string line;
    int acknowledged = 0;
    while (acknowledged < 40 + 17 * round) {
      ASSERT_TRUE(victim.read_line(line));
      acknowledged = number_in(line);
    }
    victim.kill();
    while (victim.read_line(line)) {
      if (line.starts_with("done ")) acknowledged = number_in(line);
    }
    const auto store = open();
    expect_whole(everything(*store), acknowledged);
    const auto settled = run_now(loop_, store->settled("nonce-" + std::to_string(acknowledged)));
    EXPECT_TRUE(settled.has_value());
    EXPECT_TRUE(std::holds_alternative<Committed>(put(*store, "after", "x")));
  }
}

TEST_F(SqliteFile, a_file_that_may_not_grow_fails_clearly_and_never_commits_half) {
  for (const char* limit : {"150000", "400000", "1000000"}) {
    std::filesystem::remove_all(path_);
    std::filesystem::remove_all(path_ + "-wal");
    Victim victim({path_, "full", limit});
    std::string line;
    int acknowledged = 0;
    std::string failed;
    bool read_back = false;
    while (victim.read_line(line)) {
      if (line.starts_with("done ")) acknowledged = number_in(line);
      if (line.starts_with("failed ")) failed = line;
      if (line.starts_with("read ")) read_back = true;
    }
    EXPECT_EQ(victim.wait(), 0);
    EXPECT_TRUE(failed.starts_with("failed store-")) << failed;
    EXPECT_TRUE(read_back);
    const auto store = open();
    expect_whole(everything(*store), acknowledged);
  }
}

// A real full file system needs a mount of its own, and so root.
TEST_F(SqliteFile, a_full_disk_refuses_commits_says_so_and_recovers_when_there_is_room) {
  const std::string mount_point = directory_.file("small");
  ::mkdir(mount_point.c_str(), 0700);
  if (::mount("tmpfs", mount_point.c_str(), "tmpfs", 0, "size=1m") != 0) {
    GTEST_SKIP() << "mounting a small tmpfs needs root";
  }
  path_ = mount_point + "/state.db";
  {
    const auto store = open();
    put(*store, "kept", "1");
    const std::string ballast = mount_point + "/ballast";
    std::ofstream(ballast) << std::string(700'000, 'x');
    const std::string large(200'000, 'v');
    const Error error = error_of([&] {
      for (int i = 0; i < 10; ++i) put(*store, "big", large);
    });
    EXPECT_EQ(error.reason_name(), "store-unavailable");
    EXPECT_NE(error.message().find("full"), std::string::npos) << error.message();
    EXPECT_FALSE(error.remedy_text().empty());
    EXPECT_EQ(everything(*store)["kept"], "1");
    std::filesystem::remove(ballast);
    EXPECT_TRUE(std::holds_alternative<Committed>(put(*store, "kept", "2")));
    EXPECT_EQ(everything(*store)["kept"], "2");
  }
  const auto store = open();
  EXPECT_EQ(everything(*store)["kept"], "2");
  ::umount2(mount_point.c_str(), MNT_DETACH);
}

// A flush that fails leaves a commit in doubt. With one failure SQLite gets to tidy up and the
// commit is gone; when the disk fails on, the commit is found in the file at the next open. Both
// ways the store goes on, says the same to everyone, and the same commit settles it.
TEST_F(SqliteFile, a_failed_flush_is_an_unknown_outcome_and_the_same_commit_settles_it) {
  install_failing_disk();
  int happened = 0;
  for (const int failures : {1, 1'000}) {
    path_ = directory_.file("state-" + std::to_string(failures) + ".db");
    const auto store = open();
    put(*store, "a", "1");
    const auto watch = store->watch("a", {1});
    run_now(loop_, watch->next());
    Commit wanted{"the-one", {}, {Put{"a", "2"}}};
    fail_flushes(failures);
    const Error error = error_of([&] { run_now(loop_, store->commit(wanted)); });
    fail_flushes(0);
    EXPECT_EQ(error.reason_name(), "store-outcome-unknown") << error.full_message();
    const bool found = run_now(loop_, store->settled("the-one")).has_value();
    EXPECT_EQ(everything(*store)["a"], found ? "2" : "1");
    if (found) ++happened;
    const auto again = run_now(loop_, store->commit(wanted));
    EXPECT_EQ(std::get<Committed>(again).revision.number, 2);
    put(*store, "a", "3");
    for (const std::int64_t revision : {2, 3}) {
      const auto batch = std::get<Batch>(run_now(loop_, watch->next()));
      EXPECT_EQ(batch.revision.number, revision);
      EXPECT_EQ(batch.changes[0].value, std::to_string(revision));
    }
  }
  EXPECT_EQ(happened, 1);
}

TEST_F(SqliteFile, a_file_of_something_else_is_refused_and_left_alone) {
  const std::string text(10'000, 'x');
  std::ofstream(path_) << text;
  const Error error = error_of([&] { open(); });
  EXPECT_EQ(error.reason_name(), "store-unavailable");
  EXPECT_NE(error.message().find("damaged"), std::string::npos) << error.message();
  EXPECT_FALSE(error.remedy_text().empty());
  std::ifstream file(path_);
  const std::string content((std::istreambuf_iterator<char>(file)), {});
  EXPECT_EQ(content, text);
}

TEST_F(SqliteFile, damage_in_the_middle_is_an_error_and_not_an_answer) {
  {
    const auto store = open();
    for (int i = 0; i < 40; ++i) put(*store, "k" + std::to_string(i), std::string(20'000, 'v'));
  }
  {
    std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(0, std::ios::end);
    const auto size = static_cast<std::int64_t>(file.tellp());
    for (std::int64_t page = 2 * 4096; page < size; page += 4096) {
      file.seekp(page);
      file << std::string(64, '\xee');
    }
  }
  const Error error = error_of([&] {
    const auto store = open();
    everything(*store);
  });
  EXPECT_EQ(error.reason_name(), "store-unavailable");
  EXPECT_NE(error.message().find("damaged"), std::string::npos) << error.message();
}

TEST_F(SqliteFile, a_second_process_is_told_who_is_in_the_way) {
  Victim victim({path_, "endless"});
  std::string line;
  ASSERT_TRUE(victim.read_line(line));
  const Error error = error_of([&] { open(); });
  EXPECT_EQ(error.reason_name(), "store-unavailable");
  EXPECT_NE(error.message().find("another process"), std::string::npos) << error.message();
  victim.kill();
  EXPECT_NO_THROW(open());
}

TEST_F(SqliteFile, a_directory_that_does_not_exist_is_named) {
  path_ = directory_.file("nowhere/state.db");
  const Error error = error_of([&] { open(); });
  EXPECT_EQ(error.reason_name(), "store-unavailable");
  EXPECT_NE(error.message().find("nowhere"), std::string::npos) << error.message();
}

TEST_F(SqliteFile, only_its_owner_may_read_it) {
  const auto store = open();
  put(*store, "a", "1");
  for (const auto& entry : std::filesystem::directory_iterator(directory_.path())) {
    struct stat status{};
    ASSERT_EQ(::stat(entry.path().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0600u) << entry.path();
  }
}

TEST_F(SqliteFile, the_commit_hook_sees_every_commit_before_and_after) {
  std::vector<std::string> seen;
  drivers::sqlite::StoreOptions options{[&](std::uint64_t number, bool done) {
    seen.push_back((done ? "after " : "before ") + std::to_string(number));
  }};
  const auto store = open(std::move(options));
  put(*store, "a", "1");
  put(*store, "a", "2");
  EXPECT_EQ(seen, (std::vector<std::string>{"before 1", "after 1", "before 2", "after 2"}));
}

TEST_F(SqliteFile, history_stays_an_hour_and_then_goes_whatever_the_wall_clock_does) {
  const auto store = open();
  put(*store, "a", "first");
  clock_.advance(std::chrono::minutes(2));
  put(*store, "a", "second");
  clock_.jump_wall(std::chrono::hours(24 * 365));
  clock_.advance(std::chrono::minutes(57));
  put(*store, "b", "an hour has not passed");
  ListRequest first{.prefix = "", .after = {}, .limit = 10, .at = {1}};
  EXPECT_EQ(run_now(loop_, store->list(first)).entries[0].value, "first");
  EXPECT_TRUE(run_now(loop_, store->settled("n1")).has_value());
  clock_.advance(std::chrono::minutes(4));
  put(*store, "b", "an hour has passed");
  EXPECT_FALSE(run_now(loop_, store->settled("n1")).has_value());
  const Error error = error_of([&] { run_now(loop_, store->list(first)); });
  EXPECT_EQ(error.reason_name(), "history-compacted");
  ListRequest second{.prefix = "", .after = {}, .limit = 10, .at = {2}};
  EXPECT_EQ(run_now(loop_, store->list(second)).entries[0].value, "second");
}

// A daemon that runs for months must not grow: history and nonces go at the rate they come.
TEST_F(SqliteFile, the_file_stops_growing) {
  const auto store = open();
  const auto run_for_hours = [&](int hours) {
    for (int i = 0; i < hours * 60; ++i) {
      put(*store, "status/" + std::to_string(i % 10), std::string(2'000, 'v'));
      clock_.advance(std::chrono::minutes(1));
    }
    return std::filesystem::file_size(path_) + std::filesystem::file_size(path_ + "-wal");
  };
  const auto early = run_for_hours(4);
  const auto late = run_for_hours(8);
  EXPECT_LT(late, early + early / 2 + 1'000'000);
}

}  // namespace
}  // namespace ruche::contract
