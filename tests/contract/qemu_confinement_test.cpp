// Looks from outside at a running QEMU: its user, seccomp mode, privileges, cgroup limits, open
// files, and what its confinement lets it reach.
#include <dirent.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include "contract/hypervisor_suite.hpp"
#include "contract/qemu_host.hpp"
#include "drivers/qemu/capabilities.hpp"
#include "drivers/qemu/launch.hpp"

namespace ruche::contract {
namespace {

namespace fs = std::filesystem;

std::map<std::string, std::string> read_status(std::int32_t pid) {
  std::ifstream file(fmt::format("/proc/{}/status", pid));
  std::map<std::string, std::string> fields;
  for (std::string line; std::getline(file, line);) {
    const auto colon = line.find(":\t");
    if (colon != std::string::npos) fields[line.substr(0, colon)] = line.substr(colon + 2);
  }
  return fields;
}

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

std::multiset<std::string> open_files(std::int32_t pid) {
  std::multiset<std::string> files;
  for (const auto& entry : fs::directory_iterator(fmt::format("/proc/{}/fd", pid))) {
    std::error_code gone;
    auto target = fs::read_symlink(entry.path(), gone).string();
    if (!gone) files.insert(target.substr(0, target.find(":[")));
  }
  return files;
}

class Confinement : public testing::Test {
 protected:
  void SetUp() override {
    if (::getuid() != 0) GTEST_SKIP() << "only root can give a guest a user of its own";
  }
  QemuHost host;
};

TEST_F(Confinement, of_a_running_guest) {
  host.run([](QemuHost& here) -> Async<void> {
    const auto spec = here.machine();
    auto machine = co_await launch_running(here, spec);
    co_await here.settle(*machine);
    const auto pid = here.pid(spec.guest);
    const auto user = std::to_string(spec.uid);

    auto status = read_status(pid);
    EXPECT_EQ(status["Uid"], fmt::format("{0}\t{0}\t{0}\t{0}", user));
    EXPECT_EQ(status["Gid"], fmt::format("{0}\t{0}\t{0}\t{0}", user));
    EXPECT_EQ(status["Groups"].find_first_not_of(" \t"), std::string::npos) << status["Groups"];
    EXPECT_EQ(status["NoNewPrivs"], "1");
    EXPECT_EQ(status["Seccomp"], "2");
    EXPECT_EQ(status["CapEff"], "0000000000000000");
    EXPECT_EQ(status["CapPrm"], "0000000000000000");

    // A session of its own, so that no signal to ours reaches it.
    EXPECT_EQ(::getsid(pid), pid);

    std::set<std::string> allowed = {"/dev/null",
                                     "socket",
                                     "anon_inode",
                                     "pipe",
                                     spec.disks[0].chain[0].path,
                                     here.guest_file(spec.guest, "stderr.log")};
    for (const auto& file : open_files(pid)) {
      const bool internal = file.starts_with("anon_inode:") || file.starts_with("/memfd:");
      EXPECT_TRUE(internal || allowed.contains(file)) << file;
    }
    // The daemon keeps no copy, which would hold the image's lock after QEMU died.
    EXPECT_EQ(open_files(::getpid()).count(spec.disks[0].chain[0].path), 0U);

    struct stat info{};
    EXPECT_EQ(::stat(here.guest_file(spec.guest, "").c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0700U);
    EXPECT_EQ(info.st_uid, 0U);
  });
}

TEST_F(Confinement, has_a_cgroup_with_limits) {
  host.run([](QemuHost& here) -> Async<void> {
    const auto spec = here.machine();
    auto machine = co_await launch_running(here, spec);
    const auto now = co_await machine->status();
    if (now.cgroup.empty()) co_return;  // no usable controller on this host
    const auto v2 = fs::exists(now.cgroup + "/memory.max");
    const auto limit = first_line(now.cgroup + (v2 ? "/memory.max" : "/memory.limit_in_bytes"));
    const auto overhead = here.engine().capabilities().overhead;
    EXPECT_EQ(limit, std::to_string((spec.spec.memory + overhead + overhead).count));
    std::ifstream members(now.cgroup + "/cgroup.procs");
    std::int32_t member = 0;
    members >> member;
    EXPECT_EQ(member, now.pid);
    auto pids = now.cgroup;
    if (!v2) pids.replace(pids.find("/memory/"), 8, "/pids/");
    EXPECT_EQ(first_line(pids + "/pids.max"), "152");
    machine.reset();
    co_await here.engine().clear(spec.guest);
    EXPECT_FALSE(fs::exists(now.cgroup));
    EXPECT_FALSE(fs::exists(pids));
  });
}

// What QEMU's own confinement, but for seccomp, lets any program do.
Async<ports::HelperResult> probe(QemuHost& here, std::vector<std::string> argv) {
  auto machine = here.machine();
  const drivers::qemu::CommandLine line{argv, {}};
  const drivers::qemu::GuestDirectory place(here.run_directory(), machine.guest);
  auto request =
      drivers::qemu::spawn_request(machine, line, drivers::qemu::Handover{}, place, mib(64));
  request.confinement.cgroup.clear();
  request.confinement.execute_paths.push_back(argv.front());
  co_return co_await ports::run_helper(here.processes(), std::move(request), here.root());
}

TEST_F(Confinement, reaches_nothing_but_what_qemu_needs) {
  host.run([](QemuHost& here) -> Async<void> {
    const std::string cat = "/usr/bin/cat";
    fs::permissions(here.root(), fs::perms(0755));
    const auto open_to_all = here.root() + "/open-to-all";
    std::ofstream(open_to_all) << "x";
    fs::permissions(open_to_all, fs::perms(0666));

    const auto allowed = co_await probe(here, {cat, "/etc/ld.so.cache"});
    EXPECT_EQ(allowed.status, 0) << allowed.error_output;
    for (const auto& path :
         {std::string("/etc/shadow"), std::string("/etc/passwd"), std::string("/proc/1/cmdline"),
          std::string("/etc/hostname"), open_to_all, std::string("/dev/zero")}) {
      const auto denied = co_await probe(here, {cat, path});
      EXPECT_NE(denied.status, 0) << path;
      EXPECT_NE(denied.error_output.find("Permission denied"), std::string::npos)
          << path << ": " << denied.error_output;
    }
    const auto listing = co_await probe(here, {"/usr/bin/ls", "/"});
    EXPECT_NE(listing.status, 0);
    const auto writing = co_await probe(here, {"/usr/bin/touch", here.root() + "/new"});
    EXPECT_NE(writing.status, 0);
    const auto another = co_await probe(here, {"/usr/bin/env", "/usr/bin/cat", "/etc/hostname"});
    EXPECT_NE(another.status, 0) << "a program that was not allowed was started";
  });
}

TEST_F(Confinement, a_kernel_that_the_guest_may_not_read_is_handed_over_in_memory) {
  host.run([](QemuHost& here) -> Async<void> {
    for (const auto mode : {0600, 0644}) {
      auto spec = here.machine();
      spec.spec.boot.kind = model::BootKind::direct_kernel;
      spec.kernel_path = here.root() + "/kernel";
      // Not a Linux kernel, but QEMU has to read it to say so.
      std::ofstream(spec.kernel_path) << std::string(8192, 'k');
      fs::permissions(spec.kernel_path, static_cast<fs::perms>(mode));
      std::string words;
      try {
        auto machine = co_await here.engine().launch(spec);
      } catch (const Error& error) {
        words = error.full_message();
      }
      EXPECT_NE(words.find("invalid kernel header"), std::string::npos) << words;
    }
  });
}

}  // namespace
}  // namespace ruche::contract
