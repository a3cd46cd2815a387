// A real swtpm beside a real QEMU: what it may do, that it lives as long as QEMU and no longer, and
// that what the TPM keeps survives.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/json.hpp"
#include "contract/hypervisor_suite.hpp"
#include "contract/qemu_host.hpp"
#include "drivers/qemu/qmp_session.hpp"
#include "drivers/qemu/tpm.hpp"
#include "net/stream.hpp"

namespace ruche::contract {
namespace {

namespace fs = std::filesystem;
using drivers::qemu::GuestDirectory;
using drivers::qemu::QmpEvent;
using drivers::qemu::QmpSession;

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

ports::MachineSpec with_tpm(QemuHost& here) {
  auto spec = here.machine();
  const auto folder = here.root() + "/of-" + spec.name;
  fs::create_directory(folder);
  spec.spec.tpm = model::TpmSpec{};
  spec.tpm_state_path = folder + "/state.tpm";
  std::ofstream(spec.tpm_state_path) << std::string(65536, '\0');
  return spec;
}

std::vector<ports::ProcessIdentity> tpms(QemuHost& here, const ports::MachineSpec& spec) {
  return here.processes().find_by_words(drivers::qemu::tpm_words(spec.guest));
}

Async<bool> comes_to_its_end(QemuHost& here, ports::MachineSpec spec) {
  for (int tries = 0; tries < 200; ++tries) {
    if (tpms(here, spec).empty()) co_return true;
    co_await sleep_for(here.clock(), std::chrono::milliseconds(10));
  }
  co_return false;
}

// Asks QEMU itself; nobody else may hold its monitor.
Async<std::string> ask(QemuHost& here, model::GuestId guest, std::string command) {
  const GuestDirectory place(here.run_directory(), guest);
  const auto address = place.address(drivers::qemu::kQmpSocket);
  auto monitor = co_await net::connect_unix(address.path);
  const auto qmp = std::make_shared<QmpSession>(std::move(monitor), here.clock(), Duration(10'000));
  Scope scope(here.loop().executor(), "monitor");
  scope.spawn("monitor", qmp->run([](const QmpEvent&) {}));
  std::string answer;
  std::exception_ptr failure;
  try {
    co_await qmp->negotiate(Duration(10'000));
    const auto value = co_await qmp->execute(command);
    answer = boost::json::serialize(value);
  } catch (const std::exception&) {
    failure = std::current_exception();
  }
  qmp->close();
  co_await uninterrupted(scope.join());
  if (failure) std::rethrow_exception(failure);
  co_return answer;
}

class QemuTpm : public testing::Test {
 protected:
  void SetUp() override {
    const auto why = drivers::qemu::why_no_tpm("/usr/bin/swtpm");
    if (!why.empty()) GTEST_SKIP() << why;
  }
  QemuHost host;
};

TEST_F(QemuTpm, is_there_outlives_the_daemon_and_ends_with_qemu) {
  host.run([](QemuHost& here) -> Async<void> {
    const auto spec = with_tpm(here);
    auto machine = co_await launch_running(here, spec);
    co_await here.settle(*machine);
    const auto before = tpms(here, spec);
    EXPECT_EQ(before.size(), 1U);
    machine.reset();
    co_await here.stop();
    const auto said = co_await ask(here, spec.guest, "query-tpm");
    EXPECT_NE(said.find("tpm-crb"), std::string::npos) << said;
    co_await here.start();
    machine = co_await here.engine().adopt(spec.guest);
    EXPECT_EQ(tpms(here, spec), before);
    co_await machine->power(PowerAction::reset);
    co_await here.settle(*machine);
    EXPECT_EQ(tpms(here, spec), before);
    here.crash(spec.guest);
    const bool gone = co_await comes_to_its_end(here, spec);
    EXPECT_TRUE(gone);
  });
}

// The guest goes on without it, and the next daemon knows too.
TEST_F(QemuTpm, that_ends_is_told_of) {
  host.run([](QemuHost& here) -> Async<void> {
    const auto spec = with_tpm(here);
    auto machine = co_await launch_running(here, spec);
    co_await here.settle(*machine);
    auto status = co_await machine->status();
    EXPECT_EQ(status.last_words, "");
    for (const auto& tpm : tpms(here, spec)) ::kill(tpm.pid, SIGKILL);
    co_await await_event(here, *machine, MachineEventKind::io_error);
    status = co_await machine->status();
    EXPECT_EQ(status.state, MachineState::running);
    EXPECT_NE(status.last_words.find("its TPM"), std::string::npos) << status.last_words;
    machine.reset();
    co_await here.restart();
    machine = co_await here.engine().adopt(spec.guest);
    co_await await_event(here, *machine, MachineEventKind::io_error);
    status = co_await machine->status();
    EXPECT_NE(status.last_words.find("its TPM"), std::string::npos) << status.last_words;
    co_await machine->power(PowerAction::kill);
    status = co_await machine->status();
    EXPECT_EQ(status.state, MachineState::gone);
  });
}

TEST_F(QemuTpm, keeps_what_it_was_told) {
  host.run([](QemuHost& here) -> Async<void> {
    const auto spec = with_tpm(here);
    auto machine = co_await launch_running(here, spec);
    co_await machine->power(PowerAction::kill);
    machine.reset();
    const auto kept = content_of(spec.tpm_state_path);
    EXPECT_TRUE(kept.starts_with("nilmptws")) << kept.size();
    EXPECT_GT(kept.size(), 1000U);
    machine = co_await launch_running(here, spec);
    const auto log = content_of(here.guest_file(spec.guest, "tpm.log"));
    EXPECT_EQ(log.find("Formatting"), std::string::npos) << log;
    EXPECT_EQ(tpms(here, spec).size(), 1U);
  });
}

TEST_F(QemuTpm, is_confined) {
  if (::getuid() != 0) GTEST_SKIP() << "only root can give a guest a user of its own";
  host.run([](QemuHost& here) -> Async<void> {
    const auto spec = with_tpm(here);
    auto machine = co_await launch_running(here, spec);
    const auto found = tpms(here, spec);
    EXPECT_EQ(found.size(), 1U);
    if (found.empty()) co_return;
    const auto pid = found[0].pid;
    EXPECT_EQ(status_line(pid, "Uid"), fmt::format("{0}\t{0}\t{0}\t{0}", spec.uid));
    EXPECT_EQ(status_line(pid, "Gid"), fmt::format("{0}\t{0}\t{0}\t{0}", spec.uid));
    EXPECT_EQ(status_line(pid, "NoNewPrivs"), "1");
    EXPECT_EQ(status_line(pid, "CapEff"), "0000000000000000");
    EXPECT_EQ(::getsid(pid), pid);
    const auto now = co_await machine->status();
    if (!now.cgroup.empty()) {
      const auto members = content_of(now.cgroup + "/cgroup.procs");
      EXPECT_NE(members.find(std::to_string(pid)), std::string::npos) << members;
    }
    for (const auto& entry : fs::directory_iterator(fmt::format("/proc/{}/fd", pid))) {
      std::error_code gone;
      const auto file = fs::read_symlink(entry.path(), gone).string();
      const bool inner = file.starts_with("socket:") || file.starts_with("pipe:") ||
                         file.starts_with("anon_inode:") || file == "/dev/null";
      EXPECT_TRUE(gone || inner || file == spec.tpm_state_path ||
                  file == here.guest_file(spec.guest, "tpm.log"))
          << file;
    }
  });
}

// As when the daemon is killed between the start of swtpm and that of QEMU.
TEST_F(QemuTpm, alone_is_found_and_ended) {
  host.run([](QemuHost& here) -> Async<void> {
    for (const auto* way : {"clear", "adopt", "launch"}) {
      const auto spec = with_tpm(here);
      GuestDirectory place(here.run_directory(), spec.guest);
      place.create();
      const auto handover = drivers::qemu::prepare_tpm(spec, place);
      auto request = drivers::qemu::tpm_request(spec, handover, place, "/usr/bin/swtpm");
      const auto alone = co_await here.processes().spawn(std::move(request));
      EXPECT_EQ(tpms(here, spec).size(), 1U) << way;
      std::unique_ptr<ports::Machine> machine;
      if (way == std::string("clear")) co_await here.engine().clear(spec.guest);
      if (way == std::string("adopt")) machine = co_await here.engine().adopt(spec.guest);
      if (way == std::string("launch")) machine = co_await here.engine().launch(spec);
      EXPECT_FALSE(alone->alive()) << way;
      EXPECT_EQ(tpms(here, spec).size(), machine ? 1U : 0U) << way;
    }
  });
}

TEST_F(QemuTpm, that_cannot_read_its_state_is_the_error_and_nothing_is_left) {
  host.run([](QemuHost& here) -> Async<void> {
    auto spec = with_tpm(here);
    auto machine = co_await launch_running(here, spec);
    co_await machine->power(PowerAction::kill);
    machine.reset();
    auto damaged = content_of(spec.tpm_state_path);
    for (std::size_t at = 400; at < damaged.size(); ++at) damaged[at] ^= 0x55;
    std::ofstream(spec.tpm_state_path) << damaged;
    std::string words;
    try {
      machine = co_await here.engine().launch(spec);
    } catch (const Error& error) {
      words = error.full_message();
    }
    EXPECT_NE(words.find("the TPM of " + spec.name + " did not start"), std::string::npos) << words;
    EXPECT_TRUE(tpms(here, spec).empty());
    EXPECT_FALSE(fs::exists(here.guest_file(spec.guest, "")));
  });
}

}  // namespace
}  // namespace ruche::contract
