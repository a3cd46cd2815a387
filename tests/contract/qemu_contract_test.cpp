#include <sched.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "contract/hypervisor_suite.hpp"
#include "contract/qemu_host.hpp"

namespace ruche::contract {
namespace {

INSTANTIATE_TYPED_TEST_SUITE_P(Qemu, HypervisorSuite, QemuHost);

// How many threads of the process may run on exactly these hardware threads.
std::map<std::string, int> allowed(std::int32_t pid) {
  std::map<std::string, int> counts;
  for (const auto& task : std::filesystem::directory_iterator(fmt::format("/proc/{}/task", pid))) {
    std::ifstream file(task.path() / "status");
    const std::string title = "Cpus_allowed_list:\t";
    for (std::string line; std::getline(file, line);) {
      if (line.starts_with(title)) ++counts[line.substr(title.size())];
    }
  }
  return counts;
}

bool has_two_threads() {
  cpu_set_t mine;
  CPU_ZERO(&mine);
  return ::sched_getaffinity(0, sizeof(mine), &mine) == 0 && CPU_ISSET(0, &mine) != 0 &&
         CPU_ISSET(1, &mine) != 0;
}

TEST(QemuPins, cpus_run_where_they_are_pinned_and_nothing_else_does) {
  if (!has_two_threads()) GTEST_SKIP() << "needs the hardware threads 0 and 1";
  QemuHost host;
  host.run([](QemuHost& host) -> Async<void> {
    auto spec = host.machine();
    spec.spec.cpus_max = 2;
    spec.spec.cpu_pins = {"1"};
    auto machine = co_await launch_running(host, spec);
    const auto pid = host.pid(spec.guest);
    EXPECT_EQ(allowed(pid)["1"], 1);
    co_await machine->devices()->change(ports::SetCpus{2});
    for (int again = 0; again < 2; ++again) {
      std::vector<std::string> each{"0", "1"};
      co_await machine->devices()->change(ports::SetPins{std::move(each)});
    }
    EXPECT_EQ(allowed(pid)["0"], 1);
    EXPECT_EQ(allowed(pid)["1"], 1);
    std::vector<std::string> beyond{"8000"};
    const auto reason =
        co_await reason_of(machine->devices()->change(ports::SetPins{std::move(beyond)}));
    EXPECT_EQ(reason, Reason::host_cannot);
    co_await machine->devices()->change(ports::SetPins{});
    EXPECT_EQ(allowed(pid)["0"], 0);
    EXPECT_EQ(allowed(pid)["1"], 0);
  });
}

TEST(QemuMemory, two_numa_nodes_and_a_board_of_its_own) {
  QemuHost host;
  host.run([](QemuHost& host) -> Async<void> {
    auto spec = host.machine();
    spec.spec.cpus = 2;
    spec.spec.cpus_max = 4;
    spec.spec.numa.nodes = 2;
    spec.spec.smbios.manufacturer = "Bee, hive";
    spec.spec.sound = model::SoundKind::hda;
    spec.spec.display = model::DisplayKind::virtio;
    spec.spec.boot.order = {spec.spec.disks.front().name};
    auto machine = co_await launch_running(host, spec);
    co_await machine->devices()->change(ports::SetCpus{4});
    const auto status = co_await machine->status();
    EXPECT_EQ(status.state, ports::MachineState::running);
  });
}

}  // namespace
}  // namespace ruche::contract
