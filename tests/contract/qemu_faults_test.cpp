// A QEMU that hangs or lies, records that are lost or forged, disks that are missing or damaged.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/json.hpp"
#include "contract/hypervisor_suite.hpp"
#include "contract/mount.hpp"
#include "contract/qemu_host.hpp"
#include "drivers/qemu/runtime_record.hpp"
#include "net/stream.hpp"

namespace ruche::contract {
namespace {

namespace fs = std::filesystem;
using drivers::qemu::GuestDirectory;
using drivers::qemu::RuntimeRecord;

Async<std::string> failure_of(Async<void> work) {
  std::string message;
  try {
    co_await std::move(work);
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error& error) {
    message = error.full_message();
  }
  co_return message;
}

bool is_running(std::int32_t pid) {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  std::string number, name, state;
  file >> number >> name >> state;
  return !state.empty() && state != "Z";
}

TEST(Faults, a_monitor_that_hangs_has_deadlines_and_can_be_killed) {
  QemuHost host;
  host.command_limit = Duration(300);
  host.adopt_limit = Duration(300);
  host.run([](QemuHost& here) -> Async<void> {
    const auto spec = here.machine();
    auto machine = co_await launch_running(here, spec);
    const auto pid = here.pid(spec.guest);
    ::kill(pid, SIGSTOP);
    const auto asked = co_await failure_of(without_result(machine->status()));
    EXPECT_NE(asked.find("did not answer query-status within"), std::string::npos) << asked;
    machine.reset();
    co_await here.restart();
    const auto adopted = co_await reason_of(without_result(here.engine().adopt(spec.guest)));
    EXPECT_EQ(adopted, Reason::hypervisor_failed);
    EXPECT_TRUE(is_running(pid));  // it has run: adopting never ends it
    const auto found = co_await here.engine().survey();
    EXPECT_TRUE(found.size() == 1 && found[0].alive);
    co_await here.engine().clear(spec.guest);
    EXPECT_FALSE(is_running(pid));
  });
}

TEST(Faults, kill_works_on_a_monitor_that_hangs) {
  QemuHost host;
  host.run([](QemuHost& here) -> Async<void> {
    const auto spec = here.machine();
    auto machine = co_await launch_running(here, spec);
    const auto pid = here.pid(spec.guest);
    ::kill(pid, SIGSTOP);
    co_await machine->power(PowerAction::kill);
    EXPECT_FALSE(is_running(pid));
  });
}

TEST(Faults, an_orphan_that_never_ran_is_dismissed) {
  QemuHost host;
  host.run([](QemuHost& here) -> Async<void> {
    const auto spec = here.machine();
    auto machine = co_await here.engine().launch(spec);
    const auto pid = here.pid(spec.guest);
    machine.reset();
    co_await here.stop();
    fs::remove(here.guest_file(spec.guest, "record.json"));  // as if killed before it was written
    co_await here.start();
    const auto found = co_await here.engine().survey();
    EXPECT_TRUE(found.size() == 1 && !found[0].alive);
    EXPECT_FALSE(is_running(pid));
    machine = co_await here.engine().launch(spec);
    EXPECT_NE(machine, nullptr);
  });
}

TEST(Faults, a_guest_that_has_run_survives_the_loss_of_its_record) {
  QemuHost host;
  host.run([](QemuHost& here) -> Async<void> {
    for (const auto* content : {"", "{\"format\": 1}", "not json", "deleted"}) {
      const auto spec = here.machine();
      auto machine = co_await launch_running(here, spec);
      const auto pid = here.pid(spec.guest);
      machine.reset();
      co_await here.stop();
      const auto record = here.guest_file(spec.guest, "record.json");
      if (std::string(content) == "deleted") {
        fs::remove(record);
      } else {
        std::ofstream(record) << content;
      }
      co_await here.start();
      const auto found = co_await here.engine().survey();
      EXPECT_TRUE(found.size() == 1 && found[0].alive) << content;
      const auto reason = co_await reason_of(without_result(here.engine().adopt(spec.guest)));
      EXPECT_EQ(reason, Reason::hypervisor_failed) << content;
      EXPECT_TRUE(is_running(pid)) << content;
      co_await here.engine().clear(spec.guest);
      EXPECT_FALSE(is_running(pid)) << content;
      const auto left = co_await here.engine().survey();
      EXPECT_TRUE(left.empty());
    }
  });
}

TEST(Faults, a_pid_that_was_reused_is_not_the_guest) {
  QemuHost host;
  host.run([](QemuHost& here) -> Async<void> {
    const auto spec = here.machine();
    auto machine = co_await launch_running(here, spec);
    co_await machine->power(PowerAction::kill);
    machine.reset();
    co_await here.stop();
    const GuestDirectory place(here.run_directory(), spec.guest);
    auto record = *drivers::qemu::read_record(place, spec.guest);
    record.pid = ::getpid();
    drivers::qemu::write_record(place, record);
    co_await here.start();
    const auto found = co_await here.engine().survey();
    EXPECT_TRUE(found.size() == 1 && !found[0].alive);
    machine = co_await here.engine().adopt(spec.guest);
    EXPECT_EQ(machine, nullptr);
    co_await here.engine().clear(spec.guest);  // and we are still here
  });
}

// A process that is not QEMU behind a record, and somebody who answers its monitor.
Async<void> answer_once(net::Listener& listener, std::vector<std::string> answers) {
  const auto stream = co_await listener.accept();
  try {
    for (const auto& answer : answers) co_await stream->write_all(answer + "\n");
    co_await stream->wait_hang_up();
  } catch (const Error&) {
    co_return;  // it left
  }
}

TEST(Faults, a_monitor_that_lies_is_not_trusted) {
  QemuHost host;
  host.adopt_limit = Duration(500);
  host.command_limit = Duration(500);
  const std::string greeting =
      R"({"QMP":{"version":{"qemu":{"micro":2,"minor":0,"major":10}},"capabilities":[]}})";
  const std::string ready = R"({"return":{},"id":1})";
  const std::vector<std::vector<std::string>> peers = {
      {},
      {"garbage"},
      {greeting},
      {greeting, ready},
      {greeting, ready, R"({"return":{"UUID":"01890000-0000-7000-8000-000000000009"},"id":2})"},
      {greeting, ready, R"({"return":[],"id":2})"},
      {greeting, R"({"return":{},"id":77})"},
      {std::string(8 << 20, 'x')},
  };
  host.run([&peers](QemuHost& here) -> Async<void> {
    for (const auto& answers : peers) {
      const auto spec = here.machine();
      ports::SpawnRequest request;
      request.name = "sleep";
      request.argv = {"/usr/bin/sleep", "60"};
      request.confinement.landlock = false;
      auto process = co_await here.processes().spawn(request);
      GuestDirectory place(here.run_directory(), spec.guest);
      place.create();
      RuntimeRecord record;
      record.guest = spec.guest;
      record.epoch = 7;
      record.pid = process->identity().pid;
      record.start_ticks = process->identity().start_ticks;
      record.boot_id = process->identity().boot_id;
      drivers::qemu::write_record(place, record);
      const auto address = place.address("qmp");
      auto listener = net::listen_unix(here.loop().executor(), {.path = place.file("qmp")});
      Scope scope(here.loop().executor(), "peer");
      scope.spawn("peer", answer_once(*listener, answers));
      const auto reason = co_await reason_of(without_result(here.engine().adopt(spec.guest)));
      EXPECT_EQ(reason, Reason::hypervisor_failed);
      scope.cancel(CancelReason::shutdown);
      co_await scope.join();
      listener.reset();
      EXPECT_TRUE(process->alive());
      co_await here.engine().clear(spec.guest);
      EXPECT_FALSE(process->alive());
    }
  });
}

TEST(Faults, a_disk_that_is_missing_or_damaged_refuses_the_start_with_a_reason) {
  QemuHost host;
  host.run([](QemuHost& here) -> Async<void> {
    auto missing = here.machine();
    fs::remove(missing.disks[0].chain[0].path);
    const auto first = co_await failure_of(without_result(here.engine().launch(missing)));
    EXPECT_NE(first.find("No such file or directory"), std::string::npos) << first;

    auto damaged = here.machine();
    damaged.disks[0].chain[0].format = model::DiskFormat::qcow2;
    const auto second = co_await failure_of(without_result(here.engine().launch(damaged)));
    EXPECT_NE(second.find("Image is not in qcow2 format"), std::string::npos) << second;

    auto directory = here.machine();
    directory.disks[0].chain[0].path = here.root();
    const auto third = co_await failure_of(without_result(here.engine().launch(directory)));
    EXPECT_FALSE(third.empty());
    const auto found = co_await here.engine().survey();
    EXPECT_TRUE(found.empty());
  });
}

// Nothing of a guest is lost by memory that cannot be used: not its file, and no process stays.
TEST(Faults, memory_that_is_damaged_or_full_is_refused_with_a_reason) {
  QemuHost host;
  host.run([](QemuHost& here) -> Async<void> {
    auto spec = here.machine();
    const auto memory = here.new_disk("memory", 1).files.chain[0].path;
    auto machine = co_await launch_running(here, spec);
    const auto full =
        co_await reason_of(without_result(machine->snapshots()->save("/dev/full", {})));
    EXPECT_EQ(full, Reason::io_failed);  // no plain file
    auto status = co_await machine->status();
    EXPECT_EQ(status.state, MachineState::running) << "what it was, as nothing was begun";
    co_await machine->snapshots()->save(memory, {});
    co_await machine->power(PowerAction::kill);
    machine.reset();
    co_await here.engine().clear(spec.guest);
    fs::resize_file(memory, 5000);
    const auto ports = model::root_ports(spec.spec);
    spec.saved = {memory, spec.spec.memory, {ports.begin(), ports.end()}};
    const auto damaged = co_await reason_of(without_result(here.engine().launch(spec)));
    EXPECT_EQ(damaged, Reason::memory_unusable);
    EXPECT_EQ(fs::file_size(memory), 5000U);
    const auto found = co_await here.engine().survey();
    EXPECT_TRUE(found.empty());
  });
}

// The disk fills up while QEMU writes, not before.
TEST(Faults, memory_that_does_not_fit_costs_the_guest_nothing) {
  QemuHost host;
  const Mount small(host.root() + "/small", "tmpfs", "size=256k");
  if (!small) GTEST_SKIP() << "needs root";
  host.run([](QemuHost& here) -> Async<void> {
    auto spec = here.machine();
    auto machine = co_await launch_running(here, spec);
    co_await here.settle(*machine);
    const auto scarce = here.root() + "/small/memory";
    std::ofstream(scarce).close();
    for (int again = 0; again < 2; ++again) {
      const auto full = co_await reason_of(without_result(machine->snapshots()->save(scarce, {})));
      EXPECT_EQ(full, Reason::not_enough_space);
      const auto status = co_await machine->status();
      EXPECT_EQ(status.state, MachineState::paused);
      EXPECT_EQ(status.pause_cause, model::PauseCause::asked);
    }
    EXPECT_GT(fs::file_size(scarce), 0U) << "nothing was begun";
    co_await machine->power(PowerAction::resume);
    co_await await_state(here, *machine, MachineState::running);
    co_await here.settle(*machine);

    const auto memory = here.new_disk("memory", 1).files.chain[0].path;
    co_await machine->snapshots()->save(memory, {});
    co_await machine->power(PowerAction::kill);
    machine.reset();
    co_await here.engine().clear(spec.guest);
    const auto ports = model::root_ports(spec.spec);
    spec.saved = {memory, spec.spec.memory, {ports.begin(), ports.end()}};
    machine = co_await launch_running(here, spec);
    co_await here.settle(*machine);
  });
}

TEST(Faults, what_a_launch_costs_beside_qemu) {
  QemuHost host;
  host.run([](QemuHost& here) -> Async<void> {
    std::vector<std::int64_t> micros;
    for (int i = 0; i < 10; ++i) {
      const auto spec = here.machine();
      const auto before = here.clock().now();
      auto machine = co_await launch_running(here, spec);
      co_await await_event(here, *machine, MachineEventKind::resumed);
      micros.push_back((here.clock().now() - before).count());
      if (i == 0) {
        std::ifstream rollup(fmt::format("/proc/{}/smaps_rollup", here.pid(spec.guest)));
        for (std::string line; std::getline(rollup, line);) {
          if (line.starts_with("Pss:") || line.starts_with("Rss:"))
            fmt::print("overhead: {}\n", line);
        }
      }
      machine.reset();
      co_await here.engine().clear(spec.guest);
    }
    std::sort(micros.begin(), micros.end());
    fmt::print("launch to RESUME: median {} us\n", micros[micros.size() / 2]);
  });
}

}  // namespace
}  // namespace ruche::contract
