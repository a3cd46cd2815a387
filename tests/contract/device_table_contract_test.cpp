// The table of what devices allow (model/device_abilities.cpp) against the QEMU that is installed:
// what the table lets come, QEMU takes while it runs, and what it keeps out, QEMU refuses; what it
// lets be saved, QEMU saves, and what it does not, QEMU names as what stands in the way. The
// exceptions are named here, and what QEMU would do with them is checked too.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>

#include "base/json.hpp"
#include "contract/hypervisor_suite.hpp"
#include "contract/qemu_host.hpp"
#include "drivers/qemu/qmp_session.hpp"
#include "drivers/qemu/tpm.hpp"
#include "model/device_abilities.hpp"
#include "net/stream.hpp"

namespace ruche::contract {

// Its helpers are used here, not its cases.
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(HypervisorSuite);

namespace {

namespace fs = std::filesystem;
using drivers::qemu::QmpEvent;
using drivers::qemu::QmpSession;
using model::Ability;
using model::DeviceKind;

using Questions = std::function<Async<void>(QmpSession&)>;

// Asks the QEMU of a machine itself. Nobody else may hold its monitor: the daemon is away
// meanwhile.
Async<void> ask_monitor(QemuHost& here, model::GuestId guest, Questions questions) {
  const drivers::qemu::GuestDirectory place(here.run_directory(), guest);
  const auto address = place.address(drivers::qemu::kQmpSocket);
  auto monitor = co_await net::connect_unix(address.path);
  const auto qmp = std::make_shared<QmpSession>(std::move(monitor), here.clock(), Duration(10'000));
  Scope scope(here.loop().executor(), "monitor");
  scope.spawn("monitor", qmp->run([](const QmpEvent&) {}));
  std::exception_ptr failure;
  try {
    co_await qmp->negotiate(Duration(10'000));
    co_await questions(*qmp);
  } catch (const std::exception&) {
    failure = std::current_exception();
  }
  qmp->close();
  co_await uninterrupted(scope.join());
  if (failure) std::rethrow_exception(failure);
}

// With the machine stopped before its first instruction; it is gone afterwards.
Async<void> ask_about(QemuHost& here, ports::MachineSpec spec, Questions questions) {
  auto machine = co_await here.engine().launch(spec);
  machine.reset();
  co_await here.stop();
  co_await ask_monitor(here, spec.guest, std::move(questions));
  co_await here.start();
  co_await here.engine().clear(spec.guest);
}

// Empty when QEMU did it.
Async<std::string> refusal(QmpSession& qmp, std::string command, json::Object arguments) {
  std::string why;
  try {
    co_await qmp.execute(std::move(command), std::move(arguments));
  } catch (const Error& error) {
    why = error.full_message();
  }
  co_return why;
}

// --- coming while the machine runs ---------------------------------------------------------------

struct Command {
  std::string name;
  json::Object arguments;
};
struct Coming {
  DeviceKind kind;
  std::optional<Command> before;  // what the device stands on
  json::Object device;  // where a machine has it
};

constexpr const char* kFreePort = "port5";

Command disk_behind() {
  return {"blockdev-add", {{"driver", "null-co"}, {"node-name", "new"}, {"size", 1 << 20}}};
}
Command network_behind() { return {"netdev_add", {{"type", "user"}, {"id", "new"}}}; }
Command memory_behind() {
  return {"object-add", {{"qom-type", "memory-backend-ram"}, {"id", "new"}, {"size", 64 << 20}}};
}

std::vector<Coming> comings() {
  using K = DeviceKind;
  return {
      {K::virtio_blk,
       disk_behind(),
       {{"driver", "virtio-blk-pci"}, {"drive", "new"}, {"bus", kFreePort}}},
      {K::virtio_scsi,
       disk_behind(),
       {{"driver", "scsi-hd"}, {"drive", "new"}, {"bus", "scsi.0"}, {"scsi-id", 7}}},
      {K::nvme,
       disk_behind(),
       {{"driver", "nvme"}, {"drive", "new"}, {"serial", "new"}, {"bus", kFreePort}}},
      {K::sata, disk_behind(), {{"driver", "ide-hd"}, {"drive", "new"}, {"bus", "ide.3"}}},
      {K::cdrom, {}, {{"driver", "ide-cd"}, {"bus", "ide.3"}}},
      {K::virtio_nic,
       network_behind(),
       {{"driver", "virtio-net-pci"}, {"netdev", "new"}, {"bus", kFreePort}}},
      {K::e1000e, network_behind(), {{"driver", "e1000e"}, {"netdev", "new"}, {"bus", kFreePort}}},
      {K::virtio_mem,
       memory_behind(),
       {{"driver", "virtio-mem-pci"}, {"memdev", "new"}, {"bus", kFreePort}}},
      {K::balloon, {}, {{"driver", "virtio-balloon-pci"}, {"bus", kFreePort}}},
      {K::display, {}, {{"driver", "VGA"}, {"bus", "pcie.0"}}},
      {K::display, {}, {{"driver", "virtio-vga"}, {"bus", "pcie.0"}}},
      {K::watchdog, {}, {{"driver", "i6300esb"}, {"bus", "pcie.0"}}},
      {K::serial, {}, {{"driver", "isa-serial"}}},
      {K::tpm, {}, {{"driver", "tpm-crb"}}},
      {K::sound, {}, {{"driver", "ich9-intel-hda"}, {"bus", "pcie.0"}}},
      {K::usb,
       {},
       {{"driver", "usb-host"}, {"vendorid", 0x1234}, {"productid", 0x5678}, {"bus", "usb.0"}}},
  };
}

// QEMU would take one at any time; a guest's share of memory is settled by its start.
const std::set<DeviceKind> kHeldBack = {DeviceKind::balloon};
// A folder needs a virtiofsd and a PCI device hardware, before QEMU says anything of them.
const std::set<DeviceKind> kNotAsked = {DeviceKind::share, DeviceKind::pci};

Async<void> expect_coming(QmpSession& qmp, Coming coming) {
  if (coming.before) {
    const auto why = co_await refusal(qmp, coming.before->name, coming.before->arguments);
    EXPECT_EQ(why, "");
  }
  const auto why = co_await refusal(qmp, "device_add", coming.device);
  const bool comes = model::why_not(coming.kind, Ability::hot_plug).empty();
  // Without any USB on the host there may be nothing that QEMU can ask of it.
  if (coming.kind == DeviceKind::usb && why.find("libusb") != why.npos) co_return;
  if (comes || kHeldBack.contains(coming.kind)) {
    EXPECT_EQ(why, "");
    EXPECT_EQ(comes, !kHeldBack.contains(coming.kind)) << "it is held back no more";
  } else {
    EXPECT_NE(why.find("hotplug"), why.npos) << why;
  }
}

TEST(DeviceTable, what_may_come_qemu_takes_and_what_may_not_it_refuses) {
  QemuHost host;
  host.run([](QemuHost& here) -> Async<void> {
    for (const auto& coming : comings()) {
      SCOPED_TRACE(enum_name(coming.kind));
      auto spec = here.machine();
      spec.spec.display = model::DisplayKind::vga;  // brings the USB controller
      spec.spec.cdroms.push_back({"cdrom0", {}, {}, 1});  // and this one SATA
      spec.cdroms.push_back({"cdrom0", ""});
      co_await ask_about(here, spec, [coming](this auto, QmpSession& qmp) -> Async<void> {
        co_await expect_coming(qmp, coming);
      });
    }
  });
}

TEST(DeviceTable, every_kind_is_asked_about) {
  std::set<DeviceKind> asked = kNotAsked;
  for (const auto& coming : comings()) asked.insert(coming.kind);
  EXPECT_EQ(asked.size(), type_of<DeviceKind>().values.size());
}

// --- being saved ---------------------------------------------------------------------------------

struct Having {
  DeviceKind kind;
  void (*give)(ports::MachineSpec&);
};

void put_disk_on(ports::MachineSpec& machine, model::DiskBus bus, std::uint32_t slot) {
  machine.spec.disks[0].bus = bus;
  machine.spec.disks[0].slot = slot;
}

void give_tpm(ports::MachineSpec& machine) {
  const auto folder =
      fs::path(machine.disks[0].chain[0].path).parent_path() / ("of-" + machine.name);
  fs::create_directory(folder);
  machine.spec.tpm = model::TpmSpec{};
  machine.tpm_state_path = (folder / "state.tpm").string();
  std::ofstream(machine.tpm_state_path) << std::string(65536, '\0');
}

bool has_tpms() { return drivers::qemu::why_no_tpm("/usr/bin/swtpm").empty(); }

std::vector<Having> havings() {
  using K = DeviceKind;
  using M = ports::MachineSpec;
  std::vector<Having> all = {
      {K::virtio_blk, [](M&) {}},
      {K::virtio_nic, [](M&) {}},
      {K::serial, [](M& m) { m.spec.serial_ports = 2; }},
      {K::virtio_scsi, [](M& m) { put_disk_on(m, model::DiskBus::virtio_scsi, 1); }},
      {K::sata, [](M& m) { put_disk_on(m, model::DiskBus::sata, 1); }},
      {K::nvme, [](M& m) { put_disk_on(m, model::DiskBus::nvme, 3); }},
      {K::cdrom,
       [](M& m) {
         m.spec.cdroms.push_back({"cdrom0", {}, {}, 2});
         m.cdroms.push_back({"cdrom0", ""});
       }},
      {K::e1000e, [](M& m) { m.spec.nics[0].model = model::NicModel::e1000e; }},
      {K::virtio_mem,
       [](M& m) {
         m.spec.memory = mib(128);
         m.spec.memory_max = mib(256);
       }},
      {K::balloon, [](M& m) { m.spec.memory_min = mib(16); }},
      {K::display, [](M& m) { m.spec.display = model::DisplayKind::virtio; }},
      {K::display, [](M& m) { m.spec.display = model::DisplayKind::vga; }},
      {K::watchdog, [](M& m) { m.spec.watchdog = model::WatchdogAction::reset; }},
      {K::sound, [](M& m) { m.spec.sound = model::SoundKind::hda; }},
  };
  if (has_tpms()) all.push_back({K::tpm, give_tpm});
  return all;
}

// The three that save what is in memory and in devices are one to QEMU.
bool may_be_saved(DeviceKind kind) {
  const bool migrates = model::why_not(kind, Ability::migrate).empty();
  EXPECT_EQ(migrates, model::why_not(kind, Ability::suspend).empty());
  EXPECT_EQ(migrates, model::why_not(kind, Ability::memory_snapshot).empty());
  return migrates;
}

Async<void> expect_saving(QmpSession& qmp, DeviceKind kind) {
  const auto answer = co_await qmp.execute("query-migrate");
  const auto said = boost::json::serialize(answer);
  const bool blocked = said.find("blocked-reasons") != said.npos;
  EXPECT_EQ(blocked, !may_be_saved(kind)) << said;
  if (blocked) EXPECT_NE(said.find(enum_name(kind)), said.npos) << said;
}

TEST(DeviceTable, what_may_not_be_saved_qemu_names_and_nothing_else) {
  QemuHost host;
  host.run([](QemuHost& here) -> Async<void> {
    for (const auto& having : havings()) {
      SCOPED_TRACE(enum_name(having.kind));
      auto spec = here.machine();
      having.give(spec);
      const auto kind = having.kind;
      EXPECT_TRUE(std::ranges::any_of(model::devices_of(spec.spec),
                                      [&](const auto& device) { return device.kind == kind; }));
      co_await ask_about(here, spec, [kind](this auto, QmpSession& qmp) -> Async<void> {
        co_await expect_saving(qmp, kind);
      });
    }
  });
}

TEST(DeviceTable, all_that_may_be_saved_goes_on_from_where_it_was) {
  QemuHost host;
  host.run([](QemuHost& here) -> Async<void> {
    auto spec = here.machine();
    for (const auto& having : havings()) {
      // Of a machine's one disk and one adapter the last word would count.
      const bool of_its_own = having.kind != DeviceKind::virtio_scsi &&
                              having.kind != DeviceKind::sata && having.kind != DeviceKind::e1000e;
      if (of_its_own && may_be_saved(having.kind)) having.give(spec);
    }
    const auto memory = here.new_disk("memory", 1).files.chain[0].path;
    const auto ports = model::root_ports(spec.spec);
    auto machine = co_await launch_running(here, spec);
    co_await here.settle(*machine);
    const auto size = co_await machine->snapshots()->save(memory, {});
    EXPECT_GT(size.count, 0);
    co_await machine->power(PowerAction::kill);
    machine.reset();
    co_await here.engine().clear(spec.guest);
    spec.saved = {memory, spec.spec.memory, {ports.begin(), ports.end()}};
    machine = co_await launch_running(here, spec);
    co_await here.settle(*machine);
  });
}

}  // namespace
}  // namespace ruche::contract
