// Disks that are cut and merged, and memory that is saved, under a real QEMU.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "contract/hypervisor_suite.hpp"
#include "contract/qemu_host.hpp"

namespace ruche::contract {
namespace {

namespace fs = std::filesystem;
using ports::DiskOverlay;
using ports::ImageFile;

void shell(const std::string& line) { ASSERT_EQ(std::system(line.c_str()), 0) << line; }

ImageFile overlay_on(QemuHost& host, const ImageFile& below, const std::string& name) {
  const auto path = host.root() + "/" + name + ".qcow2";
  shell(fmt::format("qemu-img create -q -u -f qcow2 -b {} -F {} {} 1M && chmod 600 {}", below.path,
                    enum_name(below.format), path, path));
  return {path, model::DiskFormat::qcow2};
}

// What a chain shows, as qemu-img sees it from the file of the top.
std::string shown_by(QemuHost& host, const ImageFile& top) {
  const auto raw = host.root() + "/shown.raw";
  shell(
      fmt::format("qemu-img convert -U -f {} -O raw {} {}", enum_name(top.format), top.path, raw));
  std::ifstream file(raw, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

DiskOverlay overlay_of(QemuHost& host, const ports::MachineSpec& spec, std::size_t disk,
                       const std::string& name) {
  return {spec.spec.disks[disk], spec.disks[disk],
          overlay_on(host, spec.disks[disk].chain.front(), name)};
}

void stand_on(ports::MachineSpec& spec, std::size_t disk, const DiskOverlay& overlay) {
  auto& chain = spec.disks[disk].chain;
  chain.insert(chain.begin(), overlay.overlay);
}

ports::MachineSpec with_two_disks(QemuHost& host) {
  auto spec = host.machine();
  auto plug = host.new_disk("disk1", 5);
  spec.spec.disks.push_back(plug.disk);
  spec.disks.push_back(plug.files);
  return spec;
}

Async<std::string> next_ticks(QemuHost& host, ports::Machine& machine) {
  auto session = co_await machine.consoles()->open(0);
  std::string seen;
  for (int i = 0; i < 2; ++i) {
    auto output = co_await session->read();
    if (!output) break;
    seen += output->data;
  }
  seen.clear();
  co_await with_deadline(host.clock(), kPatience, "a tick", read_until(*session, "tick", seen));
  co_return seen;
}

TEST(QemuSnapshots, two_disks_go_on_in_overlays_and_the_next_daemon_knows_them) {
  QemuHost host;
  host.run([](QemuHost& host) -> Async<void> {
    auto spec = with_two_disks(host);
    auto machine = co_await launch_running(host, spec);
    co_await host.settle(*machine);
    ports::SnapshotOrder order;
    for (std::size_t i = 0; i < 2; ++i) {
      order.disks.push_back(overlay_of(host, spec, i, fmt::format("cut{}", i)));
    }
    for (int again = 0; again < 2; ++again) {
      const auto taken = co_await machine->snapshots()->take(order, {});
      EXPECT_EQ(taken.pause.count(), 0);
    }
    machine.reset();
    co_await host.restart();
    machine = co_await host.engine().adopt(spec.guest);
    EXPECT_NE(machine, nullptr);
    if (!machine) co_return;
    const auto status = co_await machine->status();
    EXPECT_EQ(status.state, MachineState::running);
    for (std::size_t i = 0; i < 2; ++i) {
      EXPECT_EQ(status.disks[i].path, order.disks[i].overlay.path);
    }
    co_await next_ticks(host, *machine);
  });
}

TEST(QemuSnapshots, an_overlay_that_is_open_elsewhere_leaves_every_disk_where_it_was) {
  QemuHost host;
  host.run([](QemuHost& host) -> Async<void> {
    auto other = host.machine();
    auto spec = with_two_disks(host);
    auto machine = co_await launch_running(host, spec);
    ports::SnapshotOrder order;
    for (std::size_t i = 0; i < 2; ++i) {
      order.disks.push_back(overlay_of(host, spec, i, fmt::format("cut{}", i)));
    }
    other.disks[0].chain = {order.disks[1].overlay};
    auto holder = co_await host.engine().launch(other);
    const auto why = co_await reason_of(without_result(machine->snapshots()->take(order, {})));
    EXPECT_EQ(why, Reason::hypervisor_failed);
    auto status = co_await machine->status();
    EXPECT_EQ(status.state, MachineState::running);
    EXPECT_EQ(status.disks[0].path, spec.disks[0].chain.front().path);
    co_await holder->power(PowerAction::kill);
    co_await machine->snapshots()->take(order, {});
    status = co_await machine->status();
    EXPECT_EQ(status.disks[0].path, order.disks[0].overlay.path);
  });
}

TEST(QemuSnapshots, memory_of_the_instant_comes_back_and_another_can_be_taken) {
  QemuHost host;
  host.run([](QemuHost& host) -> Async<void> {
    auto spec = host.machine();
    const auto ports = model::root_ports(spec.spec);
    auto machine = co_await launch_running(host, spec);
    co_await host.settle(*machine);
    auto cut = spec;  // as it was at the first instant
    std::string memory;
    for (int number = 0; number < 2; ++number) {
      ports::SnapshotOrder order;
      order.disks.push_back(overlay_of(host, spec, 0, fmt::format("cut{}", number)));
      order.memory_path = host.new_disk("memory", 1).files.chain[0].path;
      if (memory.empty()) memory = order.memory_path;
      const auto taken = co_await machine->snapshots()->take(order, {});
      EXPECT_GT(taken.memory_size.count, 0);
      EXPECT_GT(taken.pause.count(), 0);
      const auto status = co_await machine->status();
      EXPECT_EQ(status.state, MachineState::running);
      stand_on(spec, 0, order.disks[0]);
    }
    if (host.engine().capabilities().no_write_tracking.empty()) {
      for (const auto& line : host.log().lines()) {
        EXPECT_EQ(line.message.find("stands still"), std::string::npos) << "it may not track";
      }
    }
    const auto later = host.new_disk("memory", 1).files.chain[0].path;
    co_await machine->snapshots()->save(later, {});
    co_await machine->power(PowerAction::kill);
    machine.reset();
    co_await host.engine().clear(spec.guest);
    stand_on(cut, 0, overlay_of(host, cut, 0, "back"));
    cut.saved = {memory, spec.spec.memory, {ports.begin(), ports.end()}};
    machine = co_await host.engine().launch(cut);
    const auto status = co_await machine->status();
    EXPECT_EQ(status.state, MachineState::paused);
    co_await machine->power(PowerAction::resume);
    const auto seen = co_await next_ticks(host, *machine);
    EXPECT_EQ(seen.find("hello"), std::string::npos) << "it began anew";
  });
}

TEST(QemuSnapshots, a_memory_that_does_not_fit_leaves_the_guest_running_in_its_overlays) {
  if (::getuid() != 0) GTEST_SKIP() << "only root can mount a small file system";
  QemuHost host;
  host.run([](QemuHost& host) -> Async<void> {
    const auto spec = host.machine();
    auto machine = co_await launch_running(host, spec);
    co_await host.settle(*machine);
    const auto small = host.root() + "/small";
    fs::create_directory(small);
    EXPECT_EQ(::mount("tmpfs", small.c_str(), "tmpfs", 0, "size=64k"), 0);
    ports::SnapshotOrder order;
    order.disks.push_back(overlay_of(host, spec, 0, "cut"));
    order.memory_path = small + "/memory";
    std::ofstream(order.memory_path).close();
    const auto why = co_await reason_of(without_result(machine->snapshots()->take(order, {})));
    ::umount2(small.c_str(), MNT_DETACH);
    EXPECT_EQ(why, Reason::not_enough_space);
    const auto status = co_await machine->status();
    EXPECT_EQ(status.state, MachineState::running);
    EXPECT_EQ(status.disks[0].path, order.disks[0].overlay.path);
    co_await next_ticks(host, *machine);
  });
}

// base ← one ← two ← three, started so: `one` is taken in by `two` in the middle, then what is left
// below it at the bottom.
TEST(QemuSnapshots, layers_are_merged_in_the_middle_and_at_the_bottom) {
  QemuHost host;
  host.run([](QemuHost& host) -> Async<void> {
    auto spec = with_two_disks(host);
    auto& chain = spec.disks[1].chain;
    int pattern = 1;
    for (const char* name : {"one", "two", "three"}) {
      const auto layer = overlay_on(host, chain.front(), name);
      shell(fmt::format("qemu-io -f qcow2 -c 'write -P {} {}k 192k' {} > /dev/null", pattern,
                        pattern * 128, layer.path));
      ++pattern;
      chain.insert(chain.begin(), layer);
    }
    const auto layers = chain;
    const auto before = shown_by(host, layers[1]);
    auto machine = co_await launch_running(host, spec);
    ports::DiskMerge order{spec.spec.disks[1], spec.disks[1], layers[1], layers[2], layers[3]};
    for (int again = 0; again < 2; ++again) {
      co_await machine->snapshots()->merge(order, {});
    }
    EXPECT_EQ(shown_by(host, layers[1]), before);
    order.files.chain.erase(order.files.chain.begin() + 2);
    order.below = layers[3];
    order.base.reset();
    co_await machine->snapshots()->merge(order, {});
    host.crash(spec.guest);
    co_await await_event(host, *machine, MachineEventKind::ended);
    fs::remove(layers[2].path);
    fs::remove(layers[3].path);
    EXPECT_EQ(shown_by(host, layers[1]), before);
    EXPECT_EQ(shown_by(host, layers[0]).substr(384 << 10, 192 << 10), std::string(192 << 10, '\3'));
  });
}

TEST(QemuSnapshots, a_layer_is_merged_into_the_one_that_is_written_and_nothing_is_lost_in_a_crash) {
  QemuHost host;
  host.run([](QemuHost& host) -> Async<void> {
    auto spec = with_two_disks(host);
    auto& chain = spec.disks[1].chain;
    shell(fmt::format("qemu-io -f raw -c 'write -P 5 0 1M' {} > /dev/null", chain.front().path));
    chain.insert(chain.begin(), overlay_on(host, chain.front(), "top"));
    const auto layers = chain;
    auto machine = co_await launch_running(host, spec);
    ports::DiskMerge order{spec.spec.disks[1], spec.disks[1], layers[0], layers[1], {}};
    co_await machine->snapshots()->merge(order, {});
    host.crash(spec.guest);
    co_await await_event(host, *machine, MachineEventKind::ended);
    fs::remove(layers[1].path);
    EXPECT_EQ(shown_by(host, layers[0]), std::string(1 << 20, '\5'));
  });
}

Async<void> crash_soon(QemuHost& host, model::GuestId guest) {
  co_await sleep_for(host.clock(), std::chrono::milliseconds(400));
  host.crash(guest);
}

// At the pace of a merge this takes more than a second.
TEST(QemuSnapshots, a_crash_in_the_middle_of_a_merge_changes_nothing_that_is_shown) {
  QemuHost host;
  host.run([](QemuHost& host) -> Async<void> {
    auto spec = with_two_disks(host);
    auto& chain = spec.disks[1].chain;
    const auto base = chain.front().path;
    shell(
        fmt::format("qemu-img resize -q -f raw {0} 256M && "
                    "qemu-io -f raw -c 'write -P 5 0 256M' {0} > /dev/null",
                    base));
    const auto top = host.root() + "/top.qcow2";
    shell(fmt::format("qemu-img create -q -u -f qcow2 -b {} -F raw {} 256M", base, top));
    chain.insert(chain.begin(), {top, model::DiskFormat::qcow2});
    const auto layers = chain;
    auto machine = co_await launch_running(host, spec);
    ports::DiskMerge order{spec.spec.disks[1], spec.disks[1], layers[0], layers[1], {}};
    Bytes most;
    std::vector<Async<void>> both;
    both.push_back(crash_soon(host, spec.guest));
    both.push_back(machine->snapshots()->merge(order, [&](Bytes done, Bytes) { most = done; }));
    const auto why = co_await reason_of(all(std::move(both)));
    EXPECT_EQ(why, Reason::hypervisor_failed);
    EXPECT_LT(most, mib(256));
    shell(fmt::format("qemu-img compare -q -f qcow2 -F raw {} {}", top, base));
    machine.reset();
    co_await host.engine().clear(spec.guest);
    machine = co_await launch_running(host, spec);
    co_await machine->snapshots()->merge(order, {});
    shell(fmt::format("qemu-img compare -q -U -f qcow2 -F raw {} {}", top, base));
    shell(fmt::format("! qemu-img info -U {} | grep -q backing", top));
  });
}

TEST(QemuSnapshots, a_paused_guest_stays_paused_and_small_files_are_copied) {
  QemuHost host;
  host.run([](QemuHost& host) -> Async<void> {
    const auto spec = host.machine();
    auto machine = co_await launch_running(host, spec);
    co_await machine->power(PowerAction::pause);
    ports::SnapshotOrder order;
    order.disks.push_back(overlay_of(host, spec, 0, "cut"));
    order.copies.push_back({host.root() + "/from", host.root() + "/to"});
    std::ofstream(order.copies[0].from) << std::string(100'000, 'v');
    std::ofstream(order.copies[0].to) << std::string(100'000, '\0');
    order.memory_path = host.new_disk("memory", 1).files.chain[0].path;
    order.was_paused = true;
    const auto taken = co_await machine->snapshots()->take(order, {});
    EXPECT_EQ(taken.pause.count(), 0);
    std::ifstream copy(order.copies[0].to, std::ios::binary);
    const std::string content{std::istreambuf_iterator<char>(copy), {}};
    EXPECT_EQ(content, std::string(100'000, 'v'));
    const auto status = co_await machine->status();
    EXPECT_EQ(status.state, MachineState::paused);
    EXPECT_EQ(status.disks[0].path, order.disks[0].overlay.path);
    co_await machine->power(PowerAction::resume);
    co_await await_state(host, *machine, MachineState::running);
  });
}

}  // namespace
}  // namespace ruche::contract
