// Real processes through the real jail.
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/loop.hpp"
#include "contract/temporary_directory.hpp"
#include "drivers/linux/proc_stat.hpp"
#include "drivers/linux/processes.hpp"

namespace ruche::contract {
namespace {

namespace fs = std::filesystem;

bool is_running(int pid) {
  const auto stat = drivers::linux::read_proc_stat(pid);
  return stat && !stat->ended();
}

class RealProcesses : public testing::Test {
 protected:
  RealProcesses() {
    drivers::linux::ProcessOptions options;
    options.jail_path = std::string(RUCHE_BINARY_DIR) + "/bin/jail";
    options.instance = fmt::format("processes-{}", ::getpid());
    processes = drivers::linux::linux_processes(std::move(options));
  }

  ports::SpawnRequest shell(const std::string& script) {
    ports::SpawnRequest request;
    request.name = "sh";
    request.argv = {"/bin/sh", "-c", script};
    request.environment = {"PATH=/usr/bin:/bin"};
    request.confinement.landlock = false;
    return request;
  }
  ports::HelperResult help(ports::SpawnRequest request) {
    return run_now(loop, ports::run_helper(*processes, std::move(request), directory.path()));
  }
  std::unique_ptr<ports::Process> spawn(ports::SpawnRequest request) {
    return run_now(loop, processes->spawn(std::move(request)));
  }
  std::string refusal(ports::SpawnRequest request) {
    try {
      spawn(std::move(request));
    } catch (const Error& error) {
      EXPECT_EQ(error.reason(), Reason::process_failed);
      return error.message();
    }
    ADD_FAILURE() << "it was started";
    return {};
  }
  static bool root() { return ::getuid() == 0; }

  TemporaryDirectory directory;
  Loop loop;
  std::unique_ptr<ports::Processes> processes;
};

TEST_F(RealProcesses, end_with_a_status_or_a_signal) {
  EXPECT_EQ(help(shell("exit 7")).status, 7);
  const auto result = help(shell("echo out; echo err >&2"));
  EXPECT_EQ(result.status, 0);
  EXPECT_EQ(result.output, "out\n");
  EXPECT_EQ(result.error_output, "err\n");
  auto process = spawn(shell("exec sleep 60"));
  EXPECT_TRUE(process->alive());
  process->signal(SIGKILL);
  const auto end = run_now(loop, process->wait());
  EXPECT_EQ(end.status, -SIGKILL);
  EXPECT_TRUE(end.signalled());
  EXPECT_FALSE(process->alive());
  process->signal(SIGKILL);  // gone already: no error
  EXPECT_EQ(run_now(loop, process->wait()).status, -SIGKILL);
}

TEST_F(RealProcesses, are_found_again_by_identity_only) {
  auto process = spawn(shell("exec sleep 60"));
  auto identity = process->identity();
  EXPECT_NE(processes->find(identity), nullptr);
  auto other = identity;
  ++other.start_ticks;
  EXPECT_EQ(processes->find(other), nullptr);
  other = identity;
  other.boot_id = "another boot";
  EXPECT_EQ(processes->find(other), nullptr);
  EXPECT_EQ(processes->find({}), nullptr);
  process->signal(SIGKILL);
  auto found = processes->find(identity);
  if (found) run_now(loop, found->wait());
  run_now(loop, process->wait());
  EXPECT_EQ(processes->find(identity), nullptr);
}

TEST_F(RealProcesses, are_found_by_words_of_their_command_line) {
  auto request = shell("exec sleep 60");
  const auto word = fmt::format("word-{}", ::getpid());
  request.argv = {"/bin/sh", "-c", "kill -STOP $$", "-uuid", word};
  auto process = spawn(request);
  const auto found = processes->find_by_words({"-uuid", word});
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0], process->identity());
  EXPECT_TRUE(processes->find_by_words({word, "-uuid"}).empty());
  process->signal(SIGKILL);
  run_now(loop, process->wait());
}

TEST_F(RealProcesses, say_which_preparation_failed) {
  auto request = shell("true");
  request.argv[0] = "/no/such/program";
  EXPECT_NE(refusal(request).find("exec: /no/such/program: No such file"), std::string::npos);
  request = shell("true");
  request.working_directory = "/no/such/directory";
  EXPECT_NE(refusal(request).find("directory: /no/such/directory"), std::string::npos);
  request = shell("true");
  request.stdout_path = "/no/such/directory/out";
  EXPECT_NE(refusal(request).find("files: /no/such/directory/out"), std::string::npos);
  request = shell("true");
  request.confinement.landlock = true;
  request.confinement.read_paths = {"/no/such/path"};
  EXPECT_NE(refusal(request).find("landlock: /no/such/path"), std::string::npos);
  request = shell("true");
  request.argv = {"relative"};
  EXPECT_THROW(spawn(request), Error);
}

TEST_F(RealProcesses, a_jail_that_is_missing_is_named) {
  drivers::linux::ProcessOptions options;
  options.jail_path = "/no/such/jail";
  options.instance = "none";
  processes = drivers::linux::linux_processes(std::move(options));
  EXPECT_NE(refusal(shell("true")).find("/no/such/jail"), std::string::npos);
}

TEST_F(RealProcesses, inherit_only_what_they_are_given) {
  std::ofstream(directory.file("a")) << "A";
  std::ofstream(directory.file("b")) << "B";
  const int a = ::open(directory.file("a").c_str(), O_RDONLY);  // not even close-on-exec
  const int b = ::open(directory.file("b").c_str(), O_RDONLY);
  auto request = shell("cat <&4; cat <&3; ls -l /proc/self/fd >&2");
  // Crossed over: each of our numbers may be another one's number over there.
  request.descriptors = {{a, 3}, {b, 4}};
  const auto result = help(request);
  EXPECT_EQ(result.output, "BA");
  EXPECT_EQ(result.error_output.find("pipe"), std::string::npos) << result.error_output;
  request.descriptors = {{a, b}, {b, a}};
  request.argv[2] = fmt::format("cat <&{}; cat <&{}", a, b);
  ::lseek(a, 0, SEEK_SET);
  ::lseek(b, 0, SEEK_SET);
  EXPECT_EQ(help(request).output, "BA");
  ::close(a);
  ::close(b);
  request = shell("ls /proc/self/fd | wc -l");
  EXPECT_EQ(help(request).output, "4\n");  // 0, 1, 2 and the listing's own
}

TEST_F(RealProcesses, run_as_another_user_without_privileges) {
  if (!root()) GTEST_SKIP() << "needs root";
  auto request = shell("id -u; id -g; id -G; grep -E 'NoNewPrivs|CapEff' /proc/self/status");
  request.confinement.user = 61'234;
  request.confinement.group = 61'235;
  const auto result = help(request);
  EXPECT_EQ(result.output, "61234\n61235\n61235\nCapEff:\t0000000000000000\nNoNewPrivs:\t1\n");
}

TEST_F(RealProcesses, have_limits) {
  auto request = shell("head -c 100000 /dev/zero > " + directory.file("big"));
  request.confinement.file_size_max = kib(4);
  EXPECT_NE(help(request).status, 0);
  EXPECT_EQ(fs::file_size(directory.file("big")), 4096U);
  request = shell("while true; do true; done");
  request.confinement.cpu_seconds_max = 1;
  EXPECT_LT(help(request).status, 0);
}

TEST_F(RealProcesses, stay_below_their_paths) {
  fs::create_directory(directory.file("in"));
  std::ofstream(directory.file("in/file")) << "inside";
  std::ofstream(directory.file("out")) << "outside";
  fs::permissions(directory.path(), fs::perms(0755));
  auto request =
      shell(fmt::format("cat {0}/in/file; cat {0}/out; echo x > {0}/in/new", directory.path()));
  request.confinement.landlock = true;
  request.confinement.execute_paths = {"/usr"};
  request.confinement.read_paths = {directory.file("in")};
  auto result = help(request);
  EXPECT_EQ(result.output, "inside");
  EXPECT_FALSE(fs::exists(directory.file("in/new")));
  request.confinement.write_paths = {directory.file("in")};
  help(request);
  EXPECT_TRUE(fs::exists(directory.file("in/new")));
}

// A helper of its own root: what it sees, whose the files are, and that nothing of it outlives it.
class OwnRoot : public RealProcesses {
 protected:
  static constexpr std::uint32_t kFirst = 0x6ffd0000;

  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    ASSERT_EQ(::chown(work().c_str(), kFirst, kFirst), 0);
  }
  std::string work() {
    const auto path = directory.path() + "/work";
    fs::create_directory(path);
    return path;
  }
  ports::SpawnRequest apart(const std::string& script) {
    auto request = shell(script);
    request.working_directory = work();
    auto& confinement = request.confinement;
    confinement.own_root = ports::IdRange{kFirst, 65536};
    confinement.write_paths = {work()};
    for (const char* path : {"/usr", "/bin", "/lib", "/lib64"}) {
      if (fs::exists(path)) confinement.read_paths.emplace_back(path);
    }
    return request;
  }
};

TEST_F(OwnRoot, sees_its_paths_and_owns_its_files) {
  std::ofstream(directory.path() + "/secret") << "secret";
  const auto result =
      help(apart("id -u; echo $$; ls -d /etc /root /home 2>/dev/null; cat ../secret 2>/dev/null; "
                 "touch /usr/x 2>/dev/null && echo wrote; echo file > mine; chown 7:8 mine; "
                 "mount -t tmpfs x /tmp && touch /tmp/y && echo mounted; exit 3"));
  EXPECT_EQ(result.status, 3);
  EXPECT_EQ(result.output, "0\n1\nmounted\n") << result.error_output;
  struct stat info{};
  ASSERT_EQ(::stat((work() + "/mine").c_str(), &info), 0);
  EXPECT_EQ(info.st_uid, kFirst + 7);
  EXPECT_EQ(info.st_gid, kFirst + 8);
}

TEST_F(OwnRoot, reads_only_also_where_something_is_mounted_below) {
  const auto folder = directory.path() + "/folder";
  fs::create_directories(folder + "/below");
  fs::permissions(folder, fs::perms(0755));
  ASSERT_EQ(::mount("tmpfs", (folder + "/below").c_str(), "tmpfs", 0, "mode=0777"), 0);
  auto request =
      apart(fmt::format("ls -d {0}/below; touch {0}/below/x 2>/dev/null && echo wrote; "
                        "mount -o remount,bind,rw {0}/below 2>/dev/null && echo changed",
                        folder));
  request.confinement.read_paths.push_back(folder);
  const auto result = help(std::move(request));
  EXPECT_EQ(result.output, folder + "/below\n") << result.error_output;
  EXPECT_FALSE(fs::exists(folder + "/below/x"));
  EXPECT_EQ(::umount((folder + "/below").c_str()), 0);
}

TEST_F(OwnRoot, takes_everything_along_when_it_ends) {
  const auto pipe = work() + "/pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0666), 0);
  ASSERT_EQ(::chown(pipe.c_str(), kFirst, kFirst), 0);
  // A grandchild that left its session holds the pipe open for as long as it lives.
  auto process =
      spawn(apart("setsid sh -c 'exec 3> pipe; while :; do sleep 1; done' & "
                  "while :; do sleep 1; done"));
  const int reader = ::open(pipe.c_str(), O_RDONLY | O_CLOEXEC);
  ASSERT_GE(reader, 0);
  process->signal(SIGKILL);
  run_now(loop, process->wait());
  char byte = 0;
  EXPECT_EQ(::read(reader, &byte, 1), 0);  // blocks until the last writer is gone
  ::close(reader);
}

TEST_F(RealProcesses, live_in_a_cgroup_with_limits) {
  auto request = shell("exec sleep 60");
  request.confinement.cgroup = "guest";
  request.confinement.memory_max = mib(64);
  request.confinement.pids_max = 17;
  request.confinement.cpu_percent = 150;
  auto process = spawn(request);
  const auto path = processes->cgroup_path("guest");
  if (path.empty()) GTEST_SKIP() << "no usable cgroup controller";
  std::ifstream members(path + "/cgroup.procs");
  std::int32_t member = 0;
  members >> member;
  EXPECT_EQ(member, process->identity().pid);
  try {
    processes->remove_cgroup("guest");
    ADD_FAILURE() << "it still holds a process";
  } catch (const Error& error) {
    EXPECT_EQ(error.reason(), Reason::in_use);
  }
  process->signal(SIGKILL);
  run_now(loop, process->wait());
  processes->remove_cgroup("guest");
  processes->remove_cgroup("guest");
  EXPECT_FALSE(fs::exists(path));
  processes.reset();
  EXPECT_FALSE(fs::exists(fs::path(path).parent_path()));
}

TEST_F(RealProcesses, are_in_a_late_cgroup_too_when_they_have_started) {
  auto request = shell("exec sleep 60");
  request.confinement.cgroup = "late";
  request.confinement.late_cgroup = true;
  request.confinement.memory_max = mib(64);
  auto process = spawn(request);
  const auto path = processes->cgroup_path("late");
  if (!path.empty()) {
    std::ifstream members(path + "/cgroup.procs");
    std::int32_t member = 0;
    members >> member;
    EXPECT_EQ(member, process->identity().pid);
  }
  process->signal(SIGKILL);
  run_now(loop, process->wait());
  request.argv = {"/usr/bin/true"};  // over before it is in
  for (int i = 0; i < 10; ++i) run_now(loop, spawn(request)->wait());
  processes->remove_cgroup("late");
}

TEST_F(RealProcesses, a_helper_dies_with_its_daemon_and_a_guest_does_not) {
  const auto pids = directory.file("pids");
  const auto child = ::fork();
  if (child == 0) {
    Loop inner;
    for (const bool dies : {true, false}) {
      auto request = shell("echo $$ >> " + pids + "; exec sleep 60");
      request.confinement.dies_with_daemon = dies;
      auto process = run_now(inner, processes->spawn(request));
      while (fs::exists(pids) ? fs::file_size(pids) == 0 : true) ::usleep(1000);
      if (!dies) ::usleep(100'000);
    }
    ::_exit(0);
  }
  ::waitpid(child, nullptr, 0);
  ::usleep(200'000);
  std::ifstream file(pids);
  int helper = 0, guest = 0;
  file >> helper >> guest;
  ASSERT_GT(helper, 0);
  ASSERT_GT(guest, 0);
  EXPECT_FALSE(is_running(helper));
  EXPECT_TRUE(is_running(guest));
  EXPECT_EQ(::kill(guest, SIGKILL), 0);
}

}  // namespace
}  // namespace ruche::contract
