// A real virtiofsd beside a real QEMU: what it may do, and that it lives as long as QEMU and no
// longer. That a guest mounts what it serves is in tests/system/test_shares.py.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "contract/hypervisor_suite.hpp"
#include "contract/qemu_host.hpp"
#include "drivers/qemu/shares.hpp"

namespace ruche::contract {
namespace {

namespace fs = std::filesystem;
using drivers::qemu::GuestDirectory;

std::string content_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string status_line(std::int32_t pid, const std::string& field) {
  std::ifstream file(fmt::format("/proc/{}/status", pid));
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(field + ":\t")) return line.substr(field.size() + 2);
  }
  return {};
}

ports::MachineSpec with_shares(QemuHost& here) {
  auto spec = here.machine();
  ::chmod(here.root().c_str(), 0755);
  std::uint32_t slot = 5;
  for (const auto* name : {"reading", "writing"}) {
    const auto folder = here.root() + "/of-" + spec.name + "-" + name;
    fs::create_directory(folder);
    fs::permissions(folder, fs::perms(0777));
    spec.spec.shares.push_back({name, folder, name == std::string("reading"), slot++});
  }
  return spec;
}

// The processes outside, one for each folder.
std::vector<ports::ProcessIdentity> servers(QemuHost& here, const ports::MachineSpec& spec) {
  const GuestDirectory place(here.run_directory(), spec.guest);
  std::vector<ports::ProcessIdentity> found;
  for (std::size_t i = 0; i < spec.spec.shares.size(); ++i) {
    const auto of_it = here.processes().find_by_words(drivers::qemu::share_words(place, i));
    found.insert(found.end(), of_it.begin(), of_it.end());
  }
  return found;
}

// Processes inside, by the folder that they were told to serve.
std::vector<std::int32_t> inside(const std::string& folder) {
  std::vector<std::int32_t> pids;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const auto name = entry.path().filename().string();
    if (name.find_first_not_of("0123456789") != name.npos) continue;
    const auto words = content_of((entry.path() / "cmdline").string());
    const bool serves = words.find("virtiofsd") != words.npos && words.find(folder) != words.npos;
    if (serves && words.find("--own-root") == words.npos) pids.push_back(std::stoi(name));
  }
  return pids;
}

Async<bool> come_to_their_end(QemuHost& here, ports::MachineSpec spec) {
  for (int tries = 0; tries < 200; ++tries) {
    const bool none =
        servers(here, spec).empty() && std::ranges::all_of(spec.spec.shares, [](const auto& share) {
          return inside(share.path).empty();
        });
    if (none) co_return true;
    co_await sleep_for(here.clock(), std::chrono::milliseconds(10));
  }
  co_return false;
}

class QemuShares : public testing::Test {
 protected:
  void SetUp() override {
    const drivers::qemu::QemuOptions usual;
    program_ = drivers::qemu::find_virtiofsd(usual.virtiofsd_path, usual.older_virtiofsd_path);
    const auto why = drivers::qemu::why_no_shares(program_, ::geteuid() == 0);
    if (!why.empty()) GTEST_SKIP() << why;
  }
  std::optional<drivers::qemu::Virtiofsd> program_;
  QemuHost host;
};

TEST_F(QemuShares, are_there_outlive_the_daemon_and_end_with_qemu) {
  host.run([](QemuHost& here) -> Async<void> {
    const auto spec = with_shares(here);
    auto machine = co_await launch_running(here, spec);
    co_await here.settle(*machine);
    const auto before = servers(here, spec);
    EXPECT_EQ(before.size(), 2U);
    machine.reset();
    co_await here.restart();
    machine = co_await here.engine().adopt(spec.guest);
    EXPECT_EQ(servers(here, spec), before);
    co_await machine->power(PowerAction::reset);
    co_await here.settle(*machine);
    EXPECT_EQ(servers(here, spec), before);
    here.crash(spec.guest);
    const bool gone = co_await come_to_their_end(here, spec);
    EXPECT_TRUE(gone);
  });
}

TEST_F(QemuShares, that_are_served_no_more_are_told_of) {
  host.run([](QemuHost& here) -> Async<void> {
    const auto spec = with_shares(here);
    auto machine = co_await launch_running(here, spec);
    co_await here.settle(*machine);
    for (const auto pid : inside(spec.spec.shares[1].path)) ::kill(pid, SIGKILL);
    co_await await_event(here, *machine, MachineEventKind::io_error);
    const auto status = co_await machine->status();
    EXPECT_EQ(status.state, MachineState::running);
    const auto& said = status.last_words;
    EXPECT_NE(said.find("its folder writing"), std::string::npos) << said;
    EXPECT_EQ(said.find("its folder reading"), std::string::npos) << said;
  });
}

TEST_F(QemuShares, are_the_guests_user_with_one_folder_and_no_more) {
  host.run([](QemuHost& here) -> Async<void> {
    const auto spec = with_shares(here);
    auto machine = co_await launch_running(here, spec);
    const auto now = co_await machine->status();
    for (const auto& share : spec.spec.shares) {
      const auto pids = inside(share.path);
      EXPECT_FALSE(pids.empty()) << share.name;
      for (const auto pid : pids) {
        EXPECT_EQ(status_line(pid, "Uid"), fmt::format("{0}\t{0}\t{0}\t{0}", spec.uid));
        EXPECT_EQ(status_line(pid, "Gid"), fmt::format("{0}\t{0}\t{0}\t{0}", spec.uid));
        EXPECT_EQ(status_line(pid, "NoNewPrivs"), "1");
        // The kernel takes a path through a process's root as that process would.
        const auto root = fmt::format("/proc/{}/root", pid);
        for (const auto* hidden : {"/etc/passwd", "/root", "/home", "/var"}) {
          EXPECT_FALSE(fs::exists(root + hidden)) << hidden;
        }
        if (!now.cgroup.empty()) {
          const auto members = content_of(now.cgroup + "/cgroup.procs");
          EXPECT_NE(members.find(std::to_string(pid)), std::string::npos) << members;
        }
        const auto mounts = content_of(fmt::format("/proc/{}/mountinfo", pid));
        const auto folder = mounts.find(fs::path(share.path).filename().string());
        EXPECT_NE(folder, std::string::npos) << mounts;
        if (!share.read_only || folder == std::string::npos) continue;
        const auto line = mounts.substr(folder, mounts.find('\n', folder) - folder);
        EXPECT_NE(line.find(" ro,"), std::string::npos) << line;
      }
    }
  });
}

// As when the daemon is killed between the start of virtiofsd and that of QEMU: with the daemon its
// end of the socket goes; here it is kept, so that only who looks for the process ends it.
TEST_F(QemuShares, alone_are_found_and_ended) {
  const auto program = *program_;
  host.run([program](QemuHost& here) -> Async<void> {
    for (const auto* way : {"clear", "adopt", "launch"}) {
      const auto spec = with_shares(here);
      GuestDirectory place(here.run_directory(), spec.guest);
      place.create();
      const auto handover = drivers::qemu::prepare_share(spec, 0, place, {});
      auto request = drivers::qemu::share_request(spec, 0, handover, place, program);
      const auto alone = co_await here.processes().spawn(std::move(request));
      EXPECT_EQ(servers(here, spec).size(), 1U) << way;
      std::unique_ptr<ports::Machine> machine;
      if (way == std::string("clear")) co_await here.engine().clear(spec.guest);
      if (way == std::string("adopt")) machine = co_await here.engine().adopt(spec.guest);
      if (way == std::string("launch")) machine = co_await here.engine().launch(spec);
      EXPECT_FALSE(alone->alive()) << way;
      EXPECT_EQ(servers(here, spec).size(), machine ? 2U : 0U) << way;
    }
  });
}

TEST_F(QemuShares, that_are_absent_are_the_error_and_nothing_is_left) {
  host.run([](QemuHost& here) -> Async<void> {
    auto spec = with_shares(here);
    fs::remove(spec.spec.shares.back().path);
    std::string words;
    try {
      const auto machine = co_await here.engine().launch(spec);
    } catch (const Error& error) {
      words = error.full_message();
    }
    EXPECT_NE(words.find("is no folder of this host"), std::string::npos) << words;
    EXPECT_TRUE(servers(here, spec).empty());
    EXPECT_FALSE(fs::exists(here.guest_file(spec.guest, "")));
  });
}

TEST_F(QemuShares, of_the_engines_own_directory_are_refused) {
  host.run([](QemuHost& here) -> Async<void> {
    auto spec = with_shares(here);
    spec.spec.shares.back().path = here.root();  // which holds it
    std::string words;
    try {
      const auto machine = co_await here.engine().launch(spec);
    } catch (const Error& error) {
      words = error.full_message();
    }
    EXPECT_NE(words.find("Ruche keeps its own files"), std::string::npos) << words;
  });
}

}  // namespace
}  // namespace ruche::contract
