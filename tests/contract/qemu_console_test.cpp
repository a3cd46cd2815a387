// The serial line must never slow the guest down, whoever watches and however badly.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "contract/hypervisor_suite.hpp"
#include "contract/qemu_host.hpp"

namespace ruche::contract {
namespace {

// The number of the last complete "tick <hex>" line; 0 when there is none.
std::uint64_t last_tick(const std::string& text) {
  const auto end = text.rfind('\n');
  if (end == std::string::npos) return 0;
  const auto begin = text.rfind("tick ", end);
  if (begin == std::string::npos) return 0;
  return std::stoull(text.substr(begin + 5, end - begin - 5), nullptr, 16);
}

// Every tick appears once, in order.
void expect_seamless(const std::string& text) {
  std::uint64_t before = 0;
  std::size_t at = text.find("tick ");
  while (at != std::string::npos) {
    const auto end = text.find('\n', at);
    if (end == std::string::npos) return;
    const auto now = std::stoull(text.substr(at + 5, end - at - 5), nullptr, 16);
    if (before != 0) EXPECT_EQ(now, before + 1) << text;
    before = now;
    at = text.find("tick ", end);
  }
}

Async<void> read_for(QemuHost& host, ports::ConsoleSession& session, Duration duration,
                     std::string& seen) {
  const auto end = host.clock().now() + duration;
  while (host.clock().now() < end) {
    auto output = co_await session.read();
    if (!output) co_return;
    EXPECT_EQ(output->dropped, 0U);
    seen += output->data;
  }
}

// A guest on a busy machine takes its time for the first word.
constexpr std::string_view kFirstWords = "hello\ntick 00000001\n";
Async<void> read_first_words(QemuHost& host, ports::ConsoleSession& session, std::string& seen) {
  constexpr Duration kPatience{20'000};
  const auto end = host.clock().now() + kPatience;
  while (seen.find(kFirstWords) == seen.npos && host.clock().now() < end) {
    co_await read_for(host, session, Duration(1), seen);
  }
}

TEST(Console, shows_each_byte_once_across_attachments_and_daemons) {
  QemuHost host;
  host.run([](QemuHost& here) -> Async<void> {
    const auto spec = here.machine();
    auto machine = co_await launch_running(here, spec);
    for (int round = 0; round < 6; ++round) {
      auto session = co_await machine->consoles()->open(0);
      std::string seen;
      co_await read_first_words(here, *session, seen);
      co_await read_for(here, *session, Duration(150), seen);
      EXPECT_NE(seen.find(kFirstWords), std::string::npos) << "round " << round;
      expect_seamless(seen);
      if (round % 2 == 0) continue;
      session.reset();
      machine.reset();
      co_await here.restart();  // also with a session open just before
      machine = co_await here.engine().adopt(spec.guest);
      EXPECT_NE(machine, nullptr);
      if (!machine) co_return;
    }
  });
}

std::string content_of(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(Console, of_a_second_port_keeps_its_own_output) {
  QemuHost host;
  host.run([](QemuHost& here) -> Async<void> {
    auto spec = here.machine();
    spec.spec.serial_ports = 2;
    auto machine = co_await launch_running(here, spec);
    std::string typed;
    for (const char key : {'a', 'b', 'q'}) {
      typed += key;
      const auto all = "port 1 says hello\n" + typed;
      auto session = co_await machine->consoles()->open(1);
      std::string seen;
      co_await with_deadline(here.clock(), kPatience, "the second port's first word",
                             read_until(*session, "hello\n", seen));
      co_await session->write(std::string(1, key));
      co_await with_deadline(here.clock(), kPatience, "the echo", read_until(*session, all, seen));
      EXPECT_EQ(seen, all);
      session.reset();
      machine.reset();
      co_await here.restart();
      machine = co_await here.engine().adopt(spec.guest);
      EXPECT_NE(machine, nullptr);
      if (!machine) co_return;
    }
    // What would power it off on its console does nothing here.
    const auto status = co_await machine->status();
    EXPECT_EQ(status.state, MachineState::running);
    const auto kept = content_of(here.guest_file(spec.guest, "serial1.tail"));
    EXPECT_TRUE(kept.starts_with("port 1 says hello\n")) << kept;
    EXPECT_FALSE(std::ifstream(here.guest_file(spec.guest, "serial.tail")).is_open());
    machine.reset();
    co_await here.engine().clear(spec.guest);
    EXPECT_NE(::access(here.guest_file(spec.guest, "serial1").c_str(), F_OK), 0);
  });
}

TEST(Console, is_shared_by_several_watchers) {
  QemuHost host;
  host.run([](QemuHost& here) -> Async<void> {
    const auto spec = here.machine();
    auto machine = co_await launch_running(here, spec);
    auto first = co_await machine->consoles()->open(0);
    std::string seen_first, seen_second;
    co_await read_first_words(here, *first, seen_first);
    co_await read_for(here, *first, Duration(200), seen_first);
    auto second = co_await machine->consoles()->open(0);
    co_await read_for(here, *second, Duration(200), seen_second);
    co_await read_for(here, *first, Duration(200), seen_first);
    expect_seamless(seen_first);
    expect_seamless(seen_second);
    EXPECT_NE(seen_second.find("hello"), std::string::npos);
    first.reset();
    co_await read_for(here, *second, Duration(200), seen_second);
    expect_seamless(seen_second);
  });
}

TEST(Console, a_watcher_that_does_not_read_loses_the_oldest_and_is_told) {
  QemuHost host;
  host.run([](QemuHost& here) -> Async<void> {
    auto machine = co_await launch_running(here, here.machine());
    co_await here.settle(*machine);
    auto lazy = co_await machine->consoles()->open(0);
    auto busy = co_await machine->consoles()->open(0);
    co_await busy->write("f");
    std::size_t seen = 0;
    while (seen < 800 * 1024) {
      const auto output = co_await busy->read();
      if (!output) co_return;
      seen += output->data.size() + output->dropped;
    }
    co_await busy->write("f");
    std::size_t dropped = 0;
    for (int i = 0; i < 5; ++i) {
      const auto output = co_await lazy->read();
      if (output) dropped += output->dropped;
    }
    EXPECT_GT(dropped, 300U * 1024);
  });
}

// A daemon with a watcher, in a process of its own, that is stopped as a whole.
[[noreturn]] void watch_in_child(const std::string& run_directory, model::GuestId guest,
                                 int ready) {
  Loop loop;
  int status = 1;
  loop.run(
      [](Loop& here, std::string runs, model::GuestId id, int told, int& result) -> Async<void> {
        MemoryLog log;
        Lane lane("files");
        Scope scope(here.executor(), "daemon");
        drivers::linux::ProcessOptions options;
        options.jail_path = std::string(RUCHE_BINARY_DIR) + "/bin/jail";
        options.instance = fmt::format("test-{}", ::getppid());
        const auto processes = drivers::linux::linux_processes(std::move(options));
        drivers::qemu::QemuOptions qemu;
        qemu.run_directory = runs;
        qemu.pump_path = std::string(RUCHE_BINARY_DIR) + "/bin/pump";
        const drivers::qemu::Services services{*processes, here.clock(), log, scope, lane};
        auto engine = co_await drivers::qemu::open_qemu(std::move(qemu), services);
        auto machine = co_await engine->adopt(id);
        auto session = co_await machine->consoles()->open(0);
        std::string seen;
        co_await read_until(*session, "tick", seen);
        co_await session->write("f");
        [[maybe_unused]] const auto written = ::write(told, "r", 1);
        while (co_await session->read()) {
        }
        result = 0;
      }(loop, run_directory, guest, ready, status));
  ::_exit(status);
}

TEST(Console, the_guest_keeps_its_pace_while_the_watching_daemon_is_stopped) {
  QemuHost host;
  host.run([](QemuHost& here) -> Async<void> {
    const auto spec = here.machine();
    auto machine = co_await launch_running(here, spec);
    co_await here.settle(*machine);
    machine.reset();
    co_await here.stop();
    int ends[2];
    EXPECT_EQ(::pipe(ends), 0);
    const auto child = ::fork();
    if (child == 0) watch_in_child(here.run_directory(), spec.guest, ends[1]);
    ::close(ends[1]);
    co_await wait_readable(ends[0]);
    ::close(ends[0]);
    // The guest floods its serial line, 200 KiB/s or so; its reader's reader stands still.
    ::kill(child, SIGSTOP);
    co_await sleep_for(here.clock(), std::chrono::seconds(3));
    ::kill(child, SIGKILL);  // its pump ends with it
    ::waitpid(child, nullptr, 0);
    co_await here.start();
    machine = co_await here.engine().adopt(spec.guest);
    EXPECT_NE(machine, nullptr);
    if (!machine) co_return;
    auto session = co_await machine->consoles()->open(0);
    co_await session->write("f");
    std::string seen;
    co_await read_for(here, *session, Duration(300), seen);
    // Stalled, it would stand at the few hundred lines that fit into the socket (measured: 6 KB).
    EXPECT_GT(last_tick(seen), 2'000U) << seen.substr(seen.size() - 40);
  });
}

}  // namespace
}  // namespace ruche::contract
