// What every HypervisorEngine must do, the simulated one and the real one. A Host type offers
//   void run(test)             runs a coroutine `Async<void> test(Host&)` to its end, bounded in
//   time engine()                   the current daemon's engine Async<void> restart()      kill -9
//   of the daemon, and a new one machine()                  a new guest's MachineSpec, with one
//   disk, a serial line and a NIC; new_disk(name, slot)  one more disk; keep_devices(id)  its guest
//   lets go of nothing; Async<void> power_off(id)  the guest powers itself off void
//   crash(id)             its process ends without being asked void break_launch(spec)    the next
//   launch of it fails Clock& clock()
#pragma once

#include <gtest/gtest.h>

#include "model/hardware.hpp"
#include "ports/hypervisor.hpp"

namespace ruche::contract {

inline constexpr Duration kPatience = std::chrono::seconds(20);

inline Async<void> find_event(ports::Machine& machine, ports::MachineEventKind kind) {
  while (true) {
    const auto event = co_await machine.next_event();
    if (event.kind == kind) co_return;
  }
}
template <class Host>
Async<void> await_event(Host& host, ports::Machine& machine, ports::MachineEventKind kind) {
  co_await with_deadline(host.clock(), kPatience, "an event", find_event(machine, kind));
}
inline Async<void> find_state(Clock& clock, ports::Machine& machine, ports::MachineState state) {
  while (true) {
    const auto status = co_await machine.status();
    if (status.state == state) co_return;
    co_await sleep_for(clock, std::chrono::milliseconds(20));
  }
}
template <class Host>
Async<void> await_state(Host& host, ports::Machine& machine, ports::MachineState state) {
  co_await with_deadline(host.clock(), kPatience, "a state",
                         find_state(host.clock(), machine, state));
}
template <class Host>
Async<std::unique_ptr<ports::Machine>> launch_running(Host& host, ports::MachineSpec spec) {
  auto machine = co_await host.engine().launch(std::move(spec));
  co_await machine->power(ports::PowerAction::resume);
  co_return machine;
}
inline Async<void> read_until(ports::ConsoleSession& session, std::string text, std::string& seen) {
  while (seen.find(text) == std::string::npos) {
    auto output = co_await session.read();
    if (!output) throw Error(Reason::peer_gone, "the console ended before '" + text + "'");
    seen += output->data;
  }
}
inline Async<Reason> reason_of(Async<void> work) {
  Reason reason = Reason::internal_error;
  try {
    co_await std::move(work);
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error& error) {
    reason = error.reason();
  }
  co_return reason;
}
template <class T>
Async<void> without_result(Async<T> work) {
  co_await std::move(work);
}

template <class Host>
class HypervisorSuite : public testing::Test {
 protected:
  Host host;
};
TYPED_TEST_SUITE_P(HypervisorSuite);

using ports::MachineEventKind;
using ports::MachineState;
using ports::PowerAction;

TYPED_TEST_P(HypervisorSuite, launches_without_running_and_resumes) {
  this->host.run([](TypeParam& host) -> Async<void> {
    auto spec = host.machine();
    auto machine = co_await host.engine().launch(spec);
    auto status = co_await machine->status();
    EXPECT_EQ(status.state, MachineState::prelaunch);
    EXPECT_GT(status.pid, 1);
    EXPECT_FALSE(status.argv.empty());
    EXPECT_EQ(status.accelerator, enum_name(host.engine().capabilities().accelerator));
    EXPECT_EQ(status.disks.size(), 1U);
    if (!status.disks.empty()) {
      EXPECT_EQ(status.disks[0].name, spec.disks[0].name);
      EXPECT_EQ(status.disks[0].path, spec.disks[0].chain[0].path);
    }
    co_await machine->power(PowerAction::resume);
    co_await await_event(host, *machine, MachineEventKind::resumed);
    status = co_await machine->status();
    EXPECT_EQ(status.state, MachineState::running);
  });
}

TYPED_TEST_P(HypervisorSuite, pauses_resumes_and_resets) {
  this->host.run([](TypeParam& host) -> Async<void> {
    auto machine = co_await launch_running(host, host.machine());
    co_await machine->power(PowerAction::pause);
    co_await await_event(host, *machine, MachineEventKind::paused);
    auto status = co_await machine->status();
    EXPECT_EQ(status.state, MachineState::paused);
    co_await machine->power(PowerAction::resume);
    co_await await_event(host, *machine, MachineEventKind::resumed);
    co_await machine->power(PowerAction::reset);
    co_await await_event(host, *machine, MachineEventKind::reset);
    status = co_await machine->status();
    EXPECT_EQ(status.state, MachineState::running);
  });
}

TYPED_TEST_P(HypervisorSuite, a_guest_that_powers_off_waits_to_be_dismissed) {
  this->host.run([](TypeParam& host) -> Async<void> {
    auto machine = co_await launch_running(host, host.machine());
    co_await host.settle(*machine);
    co_await machine->power(PowerAction::shutdown);
    co_await await_event(host, *machine, MachineEventKind::shut_down);
    auto status = co_await machine->status();
    EXPECT_EQ(status.state, MachineState::shut_down);
    co_await machine->power(PowerAction::kill);
    co_await await_event(host, *machine, MachineEventKind::ended);
    status = co_await machine->status();
    EXPECT_EQ(status.state, MachineState::gone);
  });
}

TYPED_TEST_P(HypervisorSuite, kill_ends_the_process_at_once_and_clear_leaves_nothing) {
  this->host.run([](TypeParam& host) -> Async<void> {
    const auto spec = host.machine();
    auto machine = co_await launch_running(host, spec);
    co_await machine->power(PowerAction::kill);
    const auto status = co_await machine->status();
    EXPECT_EQ(status.state, MachineState::gone);
    co_await machine->power(PowerAction::kill);  // again: nothing to do
    const auto next = co_await reason_of(machine->power(PowerAction::resume));
    EXPECT_EQ(next, Reason::hypervisor_failed);
    machine.reset();
    const auto adopted = co_await host.engine().adopt(spec.guest);
    EXPECT_EQ(adopted, nullptr);
    co_await host.engine().clear(spec.guest);
    co_await host.engine().clear(spec.guest);
    const auto found = co_await host.engine().survey();
    EXPECT_TRUE(found.empty());
  });
}

TYPED_TEST_P(HypervisorSuite, a_crash_is_seen_with_its_last_words) {
  this->host.run([](TypeParam& host) -> Async<void> {
    const auto spec = host.machine();
    auto machine = co_await launch_running(host, spec);
    host.crash(spec.guest);
    co_await await_event(host, *machine, MachineEventKind::ended);
    const auto status = co_await machine->status();
    EXPECT_EQ(status.state, MachineState::gone);
    EXPECT_NE(status.last_words.find("signal 9"), std::string::npos) << status.last_words;
    const auto words = co_await host.engine().last_words(spec.guest);
    EXPECT_EQ(words, status.last_words);
  });
}

TYPED_TEST_P(HypervisorSuite, a_daemon_that_returns_takes_its_guest_over) {
  this->host.run([](TypeParam& host) -> Async<void> {
    const auto spec = host.machine();
    auto machine = co_await launch_running(host, spec);
    auto before = co_await machine->status();
    machine.reset();
    co_await host.restart();
    const auto found = co_await host.engine().survey();
    EXPECT_EQ(found.size(), 1U);
    if (found.empty()) co_return;
    EXPECT_EQ(found[0].guest, spec.guest);
    EXPECT_EQ(found[0].epoch, spec.epoch);
    EXPECT_EQ(found[0].store_id, spec.store_id);
    EXPECT_TRUE(found[0].alive);
    machine = co_await host.engine().adopt(spec.guest);
    EXPECT_NE(machine, nullptr);
    if (!machine) co_return;
    auto after = co_await machine->status();
    EXPECT_EQ(after.state, MachineState::running);
    EXPECT_EQ(after.pid, before.pid);
    EXPECT_EQ(after.argv, before.argv);
    EXPECT_EQ(after.disks.size(), 1U);
    co_await machine->power(PowerAction::pause);
    co_await await_event(host, *machine, MachineEventKind::paused);
  });
}

TYPED_TEST_P(HypervisorSuite, what_happened_while_nobody_looked_is_read_again) {
  this->host.run([](TypeParam& host) -> Async<void> {
    const auto off = host.machine();
    const auto crashed = host.machine();
    auto first = co_await launch_running(host, off);
    auto second = co_await launch_running(host, crashed);
    co_await host.settle(*first);
    first.reset();
    second.reset();
    co_await host.stop();
    co_await host.power_off(off.guest);
    host.crash(crashed.guest);
    co_await host.start();
    first = co_await host.engine().adopt(off.guest);
    EXPECT_NE(first, nullptr);
    if (first) co_await await_state(host, *first, MachineState::shut_down);
    second = co_await host.engine().adopt(crashed.guest);
    EXPECT_EQ(second, nullptr);
    const auto found = co_await host.engine().survey();
    EXPECT_EQ(found.size(), 2U);
    for (const auto& one : found) EXPECT_EQ(one.alive, one.guest == off.guest);
  });
}

TYPED_TEST_P(HypervisorSuite, launch_is_idempotent_until_the_guest_has_run) {
  this->host.run([](TypeParam& host) -> Async<void> {
    const auto spec = host.machine();
    auto machine = co_await host.engine().launch(spec);
    const auto first = co_await machine->status();
    machine.reset();
    machine = co_await host.engine().launch(spec);
    const auto second = co_await machine->status();
    EXPECT_NE(first.pid, second.pid);
    EXPECT_EQ(second.state, MachineState::prelaunch);
    co_await machine->power(PowerAction::resume);
    const auto refused = co_await reason_of(without_result(host.engine().launch(spec)));
    EXPECT_EQ(refused, Reason::wrong_state);
    machine.reset();
    machine = co_await host.engine().adopt(spec.guest);
    EXPECT_NE(machine, nullptr);
    if (!machine) co_return;
    const auto still = co_await machine->status();
    EXPECT_EQ(still.pid, second.pid);
    EXPECT_EQ(still.state, MachineState::running);
  });
}

TYPED_TEST_P(HypervisorSuite, a_launch_that_fails_leaves_nothing) {
  this->host.run([](TypeParam& host) -> Async<void> {
    auto spec = host.machine();
    host.break_launch(spec);
    const auto reason = co_await reason_of(without_result(host.engine().launch(spec)));
    EXPECT_EQ(reason, Reason::hypervisor_failed);
    co_await host.engine().clear(spec.guest);
    const auto found = co_await host.engine().survey();
    EXPECT_TRUE(found.empty());
  });
}

TYPED_TEST_P(HypervisorSuite, a_disk_has_one_writer) {
  this->host.run([](TypeParam& host) -> Async<void> {
    auto first = host.machine();
    auto second = host.machine();
    second.disks = first.disks;
    auto machine = co_await host.engine().launch(first);
    const auto reason = co_await reason_of(without_result(host.engine().launch(second)));
    EXPECT_EQ(reason, Reason::hypervisor_failed);
    co_await machine->power(PowerAction::kill);
    co_await host.engine().clear(first.guest);
    machine = co_await host.engine().launch(second);  // the lock went with its process
    const auto status = co_await machine->status();
    EXPECT_EQ(status.state, MachineState::prelaunch);
  });
}

TYPED_TEST_P(HypervisorSuite, a_console_shows_output_and_takes_input) {
  this->host.run([](TypeParam& host) -> Async<void> {
    auto machine = co_await launch_running(host, host.machine());
    co_await host.settle(*machine);
    auto* consoles = machine->consoles();
    EXPECT_NE(consoles, nullptr);
    if (consoles == nullptr) co_return;
    auto session = co_await consoles->open(0);
    std::string seen;
    co_await with_deadline(host.clock(), kPatience, "a tick", read_until(*session, "tick", seen));
    EXPECT_NE(seen.find("hello"), std::string::npos) << "the output from before the session";
    seen.clear();
    co_await session->write("X");
    co_await with_deadline(host.clock(), kPatience, "the echo", read_until(*session, "X", seen));
    co_await machine->power(PowerAction::kill);
    auto rest = co_await session->read();
    while (rest) rest = co_await session->read();
  });
}

TYPED_TEST_P(HypervisorSuite, each_serial_port_has_a_line_of_its_own) {
  this->host.run([](TypeParam& host) -> Async<void> {
    auto spec = host.machine();
    spec.spec.serial_ports = 2;
    auto machine = co_await launch_running(host, spec);
    co_await host.settle(*machine);
    for (const std::string key : {"Y", "Z"}) {
      auto console = co_await machine->consoles()->open(0);
      auto second = co_await machine->consoles()->open(1);
      std::string seen;
      co_await with_deadline(host.clock(), kPatience, "the second port's first word",
                             read_until(*second, "port 1 says hello", seen));
      co_await second->write(key);
      co_await with_deadline(host.clock(), kPatience, "its echo", read_until(*second, key, seen));
      EXPECT_EQ(seen.find("tick"), std::string::npos) << seen;
      seen.clear();
      co_await with_deadline(host.clock(), kPatience, "a tick", read_until(*console, "tick", seen));
      EXPECT_EQ(seen.find(key), std::string::npos) << seen;
      const auto beyond = co_await reason_of(without_result(machine->consoles()->open(2)));
      EXPECT_EQ(beyond, Reason::no_such_object);
      console.reset();
      second.reset();
      machine.reset();
      co_await host.restart();
      machine = co_await host.engine().adopt(spec.guest);
      EXPECT_NE(machine, nullptr);
      if (!machine) co_return;
    }
  });
}

TYPED_TEST_P(HypervisorSuite, a_disk_comes_and_the_next_daemon_knows_it) {
  this->host.run([](TypeParam& host) -> Async<void> {
    const auto spec = host.machine();
    auto machine = co_await launch_running(host, spec);
    const auto plug = host.new_disk("disk1", 5);
    co_await machine->devices()->change(plug);
    co_await machine->devices()->change(plug);
    auto status = co_await machine->status();
    EXPECT_EQ(status.disks.size(), 2U);
    machine.reset();
    co_await host.restart();
    machine = co_await host.engine().adopt(spec.guest);
    EXPECT_NE(machine, nullptr);
    if (!machine) co_return;
    status = co_await machine->status();
    EXPECT_EQ(status.disks.size(), 2U);
    co_await machine->devices()->change(plug);
    auto limited = plug.disk;
    limited.limits.iops = 100;
    limited.limits.iops_burst = 200;
    limited.limits.bytes_per_second = mib(1);
    co_await machine->devices()->change(ports::LimitDisk{limited});
    co_await machine->devices()->grow(plug.disk, mib(2));
    co_await machine->devices()->grow(plug.disk, mib(2));
  });
}

TYPED_TEST_P(HypervisorSuite, a_disk_that_is_open_elsewhere_does_not_come) {
  this->host.run([](TypeParam& host) -> Async<void> {
    auto first = co_await launch_running(host, host.machine());
    auto second = co_await launch_running(host, host.machine());
    const auto plug = host.new_disk("disk1", 5);
    co_await first->devices()->change(plug);
    const auto reason = co_await reason_of(second->devices()->change(plug));
    EXPECT_EQ(reason, Reason::hypervisor_failed);
    auto status = co_await second->status();
    EXPECT_EQ(status.disks.size(), 1U);
    // Nothing is left of it in the way of another.
    co_await second->devices()->change(host.new_disk("disk1", 5));
    status = co_await second->status();
    EXPECT_EQ(status.disks.size(), 2U);
  });
}

TYPED_TEST_P(HypervisorSuite, what_the_guest_keeps_stays) {
  this->host.run([](TypeParam& host) -> Async<void> {
    const auto spec = host.machine();
    auto machine = co_await launch_running(host, spec);
    const auto plug = host.new_disk("disk1", 5);
    co_await machine->devices()->change(plug);
    host.keep_devices(spec.guest);
    const auto reason =
        co_await reason_of(machine->devices()->change(ports::UnplugDisk{plug.disk}));
    EXPECT_EQ(reason, Reason::guest_did_not_follow);
    auto status = co_await machine->status();
    EXPECT_EQ(status.disks.size(), 2U);
    machine.reset();
    co_await host.restart();
    machine = co_await host.engine().adopt(spec.guest);
    EXPECT_NE(machine, nullptr);
    if (!machine) co_return;
    status = co_await machine->status();
    EXPECT_EQ(status.disks.size(), 2U);
  });
}

TYPED_TEST_P(HypervisorSuite, adapters_and_cpus_come_and_cables_are_pulled) {
  this->host.run([](TypeParam& host) -> Async<void> {
    auto spec = host.machine();
    spec.spec.cpus_max = 4;
    auto machine = co_await launch_running(host, spec);
    model::NicSpec nic;
    nic.name = "nic1";
    nic.mac = "52:54:00:00:00:07";
    nic.slot = 6;
    for (int again = 0; again < 2; ++again) {
      co_await machine->devices()->change(ports::PlugNic{nic, {}});
    }
    nic.link = model::LinkState::down;
    co_await machine->devices()->change(ports::SetLink{nic});
    for (int again = 0; again < 2; ++again) {
      co_await machine->devices()->change(ports::SetCpus{3});
    }
    const auto status = co_await machine->status();
    EXPECT_EQ(status.state, MachineState::running);
  });
}

TYPED_TEST_P(HypervisorSuite, media_are_exchanged) {
  this->host.run([](TypeParam& host) -> Async<void> {
    auto spec = host.machine();
    model::CdromSpec drive;
    drive.name = "cdrom0";
    drive.slot = 1;
    spec.spec.cdroms.push_back(drive);
    spec.cdroms.push_back({"cdrom0", ""});
    auto machine = co_await launch_running(host, spec);
    for (const char* medium :
         {"018f0000-0000-7000-8000-000000000001", "018f0000-0000-7000-8000-000000000002"}) {
      drive.layer = model::LayerId{*parse_uuid(medium)};
      const ports::ChangeMedium insert{drive, host.new_disk("medium", 1).files.chain[0].path};
      co_await machine->devices()->change(insert);
      co_await machine->devices()->change(insert);
    }
    drive.layer.reset();
    co_await machine->devices()->change(ports::ChangeMedium{drive, {}});
    co_await machine->devices()->change(ports::ChangeMedium{drive, {}});
  });
}

// What a saved machine had follows from no specification: a disk and CPUs that came later.
TYPED_TEST_P(HypervisorSuite, a_machine_goes_on_from_its_saved_memory) {
  this->host.run([](TypeParam& host) -> Async<void> {
    auto spec = host.machine();
    spec.spec.cpus_max = 4;
    const auto ports = model::root_ports(spec.spec);
    const auto memory = host.new_disk("memory", 1).files.chain[0].path;
    auto machine = co_await launch_running(host, spec);
    co_await host.settle(*machine);
    const auto plug = host.new_disk("disk1", 5);
    co_await machine->devices()->change(plug);
    co_await machine->devices()->change(ports::SetCpus{2});
    auto* snapshots = machine->snapshots();
    EXPECT_NE(snapshots, nullptr);
    if (snapshots == nullptr) co_return;
    for (int again = 0; again < 2; ++again) {
      const auto size = co_await snapshots->save(memory, {});
      EXPECT_GT(size.count, 0);
      auto status = co_await machine->status();
      EXPECT_EQ(status.state, MachineState::paused);
      EXPECT_EQ(status.pause_cause.value_or(model::PauseCause::asked), model::PauseCause::asked);
    }
    co_await machine->power(PowerAction::resume);
    co_await await_state(host, *machine, MachineState::running);
    co_await snapshots->cancel();
    co_await snapshots->save(memory, {});
    co_await machine->power(PowerAction::kill);
    machine.reset();
    co_await host.engine().clear(spec.guest);

    spec.spec.cpus = 2;
    spec.spec.disks.push_back(plug.disk);
    spec.disks.push_back(plug.files);
    spec.saved = {memory, spec.spec.memory, {ports.begin(), ports.end()}};
    machine = co_await host.engine().launch(spec);
    auto status = co_await machine->status();
    EXPECT_EQ(status.state, MachineState::paused);
    EXPECT_EQ(status.disks.size(), 2U);
    machine.reset();
    co_await host.restart();
    machine = co_await host.engine().adopt(spec.guest);
    EXPECT_NE(machine, nullptr);
    if (!machine) co_return;
    co_await machine->power(PowerAction::resume);
    co_await await_state(host, *machine, MachineState::running);
    auto session = co_await machine->consoles()->open(0);
    std::string seen;
    co_await with_deadline(host.clock(), kPatience, "a tick", read_until(*session, "tick", seen));
  });
}

REGISTER_TYPED_TEST_SUITE_P(
    HypervisorSuite, launches_without_running_and_resumes, pauses_resumes_and_resets,
    a_guest_that_powers_off_waits_to_be_dismissed,
    kill_ends_the_process_at_once_and_clear_leaves_nothing, a_crash_is_seen_with_its_last_words,
    a_daemon_that_returns_takes_its_guest_over, what_happened_while_nobody_looked_is_read_again,
    launch_is_idempotent_until_the_guest_has_run, a_launch_that_fails_leaves_nothing,
    a_disk_has_one_writer, a_console_shows_output_and_takes_input,
    each_serial_port_has_a_line_of_its_own, a_disk_comes_and_the_next_daemon_knows_it,
    a_disk_that_is_open_elsewhere_does_not_come, what_the_guest_keeps_stays,
    adapters_and_cpus_come_and_cables_are_pulled, media_are_exchanged,
    a_machine_goes_on_from_its_saved_memory);

}  // namespace ruche::contract
