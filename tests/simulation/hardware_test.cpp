// Hardware of guests that run, on a simulated host: what follows at once, what waits, what is
// refused, and what becomes of a change that fails.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/guests/host_devices.hpp"
#include "model/hardware_change.hpp"
#include "sim_client.hpp"

namespace ruche::sim {
namespace {

using model::TaskState;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::IsEmpty;

class HardwareTest : public testing::Test {
 protected:
  HardwareTest() : cluster_(1), host_(cluster_.add_host("alpha")) {
    host_.networks().capabilities = {.available = true};
    start_all(cluster_);
    import_demo(cluster_, host_, "local");
    ask_and_wait(cluster_, host_, requests::create_network("default"));
  }
  ~HardwareTest() override {
    wait_until_quiet(cluster_);
    cluster_.run_for(seconds(20));
    wait_until_quiet(cluster_);
    EXPECT_THAT(check_at_rest(cluster_), IsEmpty());
    EXPECT_THAT(cluster_.errors(), IsEmpty());
  }

  model::Task wait(const Request& request) { return ask_and_wait(cluster_, host_, request); }
  void done(const Request& request) {
    const auto task = wait(request);
    EXPECT_EQ(task.state, TaskState::done) << (task.error ? task.error->message : "");
  }
  Error refusal(const Request& request) {
    try {
      wait(request);
    } catch (const Error& error) {
      return error;
    }
    ADD_FAILURE() << "nothing was refused";
    return Error(Reason::internal_error, "nothing was refused");
  }
  model::Guest guest() { return *guest_named(read_truth(cluster_.store()), "web1"); }
  model::GuestStatus status() { return read_truth(cluster_.store()).statuses.at(guest().id.value); }
  std::vector<model::HardwareChange> pending() {
    return model::pending_changes(*status().running, guest().spec);
  }
  // Of the process.
  model::VmSpec has() { return host_.machines().find(guest().id)->spec.spec; }

  void create(bool roomy = true) {
    model::CreateVm request;
    request.name = "web1";
    request.image = "demo";
    request.memory = mib(256);
    if (roomy) request.memory_max = gib(1);
    if (!roomy) request.cpus_max = 0;
    request.start = true;
    done(requests::create(request));
  }

  SimCluster cluster_;
  SimHost& host_;
};

TEST_F(HardwareTest, CpusAndMemoryFollowAtOnceWithinTheirRoom) {
  create();
  done(requests::edit("web1", [](auto& edit) {
    edit.cpus = 4;
    edit.memory = gib(1);
  }));
  EXPECT_EQ(has().cpus, 4u);
  EXPECT_EQ(has().memory, gib(1));
  EXPECT_THAT(pending(), IsEmpty());
  done(requests::edit("web1", [](auto& edit) {
    edit.cpus = 1;
    edit.memory = mib(256);
  }));
  EXPECT_EQ(has().cpus, 1u);
  EXPECT_EQ(has().memory, mib(256));
}

TEST_F(HardwareTest, WhatThereIsNoRoomForWaitsForTheNextStart) {
  create(false);
  const auto task = wait(requests::edit("web1", [](auto& edit) {
    edit.cpus = 2;
    edit.memory = mib(512);
  }));
  EXPECT_EQ(task.state, TaskState::done);
  EXPECT_THAT(task.summary, HasSubstr("waits for a restart: cpus, memory"));
  EXPECT_EQ(has().cpus, 1u);
  ASSERT_EQ(pending().size(), 2u);
  EXPECT_EQ(pending()[0].device, "cpus");
  EXPECT_THAT(pending()[0].waits, HasSubstr("room"));
  done(requests::stop("web1"));
  EXPECT_FALSE(status().running);
  done(requests::start("web1"));
  EXPECT_EQ(has().cpus, 2u);
  EXPECT_EQ(has().memory, mib(512));
  EXPECT_THAT(pending(), IsEmpty());
}

TEST_F(HardwareTest, MoreThanTheRoomMakesRoomAtTheNextStart) {
  create();
  done(requests::edit("web1", [](auto& edit) { edit.cpus = 6; }));
  EXPECT_EQ(guest().spec.cpus_max, 6u);
  EXPECT_EQ(has().cpus, 1u);
  done(requests::edit("web1", [](auto& edit) { edit.cpus = 3; }));
  EXPECT_EQ(has().cpus, 3u) << "what is possible now is done now";
}

TEST_F(HardwareTest, DisksComeGrowAndGo) {
  create();
  done(requests::add_disk({.vm = "web1", .size = mib(64), .bus = model::DiskBus::virtio_scsi}));
  ASSERT_EQ(has().disks.size(), 2u);
  EXPECT_EQ(has().disks[1].name, "disk1");
  EXPECT_EQ(status().disks.size(), 2u);
  done(requests::grow_disk("web1", "disk1", gib(1)));
  EXPECT_EQ(has().disks[1].size, gib(1));
  done(requests::edit_disk("web1", "disk1", [](auto& edit) { edit.limits.iops = 100; }));
  EXPECT_EQ(has().disks[1].limits.iops, 100u);
  done(requests::remove_disk("web1", "disk1"));
  EXPECT_EQ(has().disks.size(), 1u);
  EXPECT_EQ(guest().spec.disks.size(), 1u);
  done(requests::stop("web1"));
  done(requests::grow_disk("web1", "disk0", gib(4)));
  EXPECT_EQ(guest().spec.disks[0].size, gib(4));
  EXPECT_EQ(refusal(requests::grow_disk("web1", "disk0", gib(1))).reason(), Reason::out_of_range);
}

TEST_F(HardwareTest, OnlyAsManyPciDevicesComeAsThereArePorts) {
  create();
  for (int i = 0; i < 4; ++i) {
    done(requests::add_disk({.vm = "web1", .size = mib(1)}));
  }
  EXPECT_EQ(has().disks.size(), 5u);
  const auto task = wait(requests::add_disk({.vm = "web1", .size = mib(1)}));
  EXPECT_THAT(task.summary, HasSubstr("waits for a restart: disk5"));
  EXPECT_EQ(has().disks.size(), 5u);
  done(requests::remove_disk("web1", "disk5"));
  EXPECT_THAT(pending(), IsEmpty());
}

TEST_F(HardwareTest, SataWaitsAndIsNotTakenOut) {
  create();
  done(requests::add_disk({.vm = "web1", .size = mib(1), .bus = model::DiskBus::sata}));
  EXPECT_EQ(has().disks.size(), 1u);
  ASSERT_EQ(pending().size(), 1u);
  EXPECT_THAT(pending()[0].waits, HasSubstr("with a start"));
  EXPECT_EQ(refusal(requests::remove_disk("web1", "disk1")).reason(), Reason::wrong_state);
}

TEST_F(HardwareTest, AdaptersComeGoAndLoseTheirCable) {
  create();
  done(requests::add_nic({.vm = "web1", .network = "default", .mac = "52:54:00:12:34:56"}));
  ASSERT_EQ(has().nics.size(), 2u);
  const auto address = guest().spec.nics[1].address;
  EXPECT_FALSE(host_.networks().plugged.at(address).expired());
  EXPECT_EQ(refusal(requests::add_nic({.vm = "web1", .mac = "52:54:00:12:34:56"})).reason(),
            Reason::name_in_use);
  EXPECT_EQ(refusal(requests::add_nic({.vm = "web1", .mac = "53:54:00:12:34:56"})).reason(),
            Reason::bad_spec);
  done(requests::edit_nic("web1", "nic1", [](auto& edit) { edit.link = model::LinkState::down; }));
  EXPECT_EQ(has().nics[1].link, model::LinkState::down);
  done(requests::remove_nic("web1", "nic1"));
  EXPECT_EQ(has().nics.size(), 1u);
  done(requests::add_nic({.vm = "web1", .mac = "52:54:00:12:34:56"}));
  EXPECT_EQ(guest().spec.nics[1].address, address) << "it became free";
}

TEST_F(HardwareTest, UsbDevicesComeAndGo) {
  create();
  done(requests::add_usb({.vm = "web1", .device = "1050:0407"}));
  ASSERT_EQ(has().usb.size(), 1u);
  EXPECT_EQ(has().usb[0].name, "usb0");
  EXPECT_THAT(pending(), IsEmpty());
  EXPECT_EQ(refusal(requests::suspend("web1")).reason(), Reason::device_forbids);
  done(requests::remove_usb("web1", "usb0"));
  EXPECT_THAT(has().usb, IsEmpty());
  EXPECT_THAT(guest().spec.usb, IsEmpty());
}

TEST_F(HardwareTest, AUsbDeviceThatIsNotPluggedInIsLeftOutOfAStart) {
  create();
  done(requests::add_usb({.vm = "web1", .device = "1050:0407"}));
  done(requests::stop("web1"));
  const auto plugged = host_.facts().usb;
  host_.facts().usb.clear();
  done(requests::start("web1"));
  const auto process = host_.machines().find(guest().id);
  ASSERT_EQ(process->spec.usb.size(), 1u);
  EXPECT_EQ(process->spec.usb[0].path, "");
  host_.facts().usb = plugged;
  done(requests::remove_usb("web1", "usb0"));
  done(requests::add_usb({.vm = "web1", .device = "1050:0407"}));
  EXPECT_EQ(process->spec.usb[0].path, plugged[0].path);
}

TEST_F(HardwareTest, PciDevicesWaitForTheNextStart) {
  create();
  const auto task = wait(requests::add_pci({.vm = "web1", .address = "0000:3b:00.0"}));
  EXPECT_EQ(task.state, TaskState::done);
  EXPECT_THAT(task.summary, HasSubstr("waits for a restart: pci0"));
  EXPECT_THAT(has().pci, IsEmpty());
  done(requests::stop("web1"));
  done(requests::start("web1"));
  ASSERT_EQ(has().pci.size(), 1u);
  EXPECT_EQ(host_.machines().find(guest().id)->spec.pci[0].path, host_.facts().pci[0].path);
  done(requests::remove_pci("web1", "pci0"));
  EXPECT_EQ(has().pci.size(), 1u);
}

TEST_F(HardwareTest, AGuestDoesNotStartWithoutItsPciDevice) {
  create();
  done(requests::add_pci({.vm = "web1", .address = "0000:3b:00.0"}));
  done(requests::stop("web1"));
  const auto before = host_.facts().pci;
  host_.facts().pci[0].driver = "i40e";
  const auto task = wait(requests::start("web1"));
  EXPECT_EQ(task.state, TaskState::failed);
  ASSERT_TRUE(task.error);
  EXPECT_THAT(task.error->message, HasSubstr("i40e, not vfio-pci"));
  host_.facts().pci = before;
  done(requests::start("web1"));
}

TEST_F(HardwareTest, ADeviceOfTheHostIsOneGuests) {
  create();
  model::CreateVm other;
  other.name = "web2";
  other.image = "demo";
  done(requests::create(other));
  done(requests::add_usb({.vm = "web1", .device = "1050:0407"}));
  done(requests::add_pci({.vm = "web1", .address = "0000:3b:00.0"}));
  const auto usb = refusal(requests::add_usb({.vm = "web2", .device = "1050:0407"}));
  EXPECT_EQ(usb.reason(), Reason::in_use);
  EXPECT_THAT(usb.message(), HasSubstr("web1 has"));
  model::HostFacts facts;
  facts.is_root = true;
  facts.usb = host_.facts().usb;
  const auto devices =
      core::devices_for_guests(host_.control().writer().inventory(), facts, host_.control().self());
  ASSERT_EQ(devices.size(), 1u);
  EXPECT_EQ(devices[0].usable, "no: web1 has 1050:0407, as usb0");
  EXPECT_EQ(refusal(requests::add_pci({.vm = "web2", .address = "0000:3b:00.0"})).reason(),
            Reason::in_use);
  done(requests::stop("web1"));
  done(requests::start("web1"));
  done(requests::remove_pci("web1", "pci0"));
  EXPECT_THAT(refusal(requests::add_pci({.vm = "web2", .address = "0000:3b:00.0"})).message(),
              HasSubstr("until its next start"));
  done(requests::stop("web1"));
  done(requests::add_pci({.vm = "web2", .address = "0000:3b:00.0"}));
}

TEST_F(HardwareTest, AnotherHardwareAddressWaits) {
  create();
  const auto before = guest().spec.nics[0].mac;
  done(requests::edit_nic("web1", "nic0", [](auto& edit) { edit.mac = "52:54:00:00:00:07"; }));
  EXPECT_EQ(has().nics[0].mac, before);
  EXPECT_EQ(pending().size(), 1u);
  done(requests::stop("web1"));
  done(requests::start("web1"));
  EXPECT_EQ(has().nics[0].mac, "52:54:00:00:00:07");
}

TEST_F(HardwareTest, AGuestThatKeepsADeviceKeepsItsDocument) {
  create();
  done(requests::add_disk({.vm = "web1", .size = mib(1)}));
  host_.machines().find(guest().id)->keeps_devices = true;
  for (const auto& request :
       {requests::remove_disk("web1", "disk1"), requests::remove_nic("web1", "nic0"),
        requests::edit("web1", [](auto& edit) { edit.cpus = 3; }),
        requests::edit("web1", [](auto& edit) { edit.memory = mib(512); })}) {
    const auto task = wait(request);
    EXPECT_EQ(task.state, TaskState::failed);
    EXPECT_EQ(task.error->reason, "guest-did-not-follow");
  }
  EXPECT_EQ(guest().spec.disks.size(), 2u);
  EXPECT_EQ(guest().spec.nics.size(), 1u);
  EXPECT_EQ(guest().spec.cpus, 1u);
  EXPECT_EQ(guest().spec.memory, mib(256));
  EXPECT_THAT(pending(), IsEmpty());
}

TEST_F(HardwareTest, WhatAGuestDoesNotTakeBackIsKnown) {
  create();
  const auto process = host_.machines().find(guest().id);
  process->follows = 1;
  const auto task = wait(requests::edit("web1", [](auto& edit) {
    edit.cpus = 3;
    edit.memory = mib(512);
  }));
  EXPECT_EQ(task.state, TaskState::failed);
  EXPECT_EQ(guest().spec.cpus, 1u) << "the change failed";
  EXPECT_EQ(status().running->spec.cpus, 3u);
  EXPECT_EQ(pending().size(), 1u);
  process->keeps_devices = false;
  done(requests::edit("web1", [](auto& edit) { edit.memory = mib(512); }));
  EXPECT_EQ(has().cpus, 1u) << "the next change tries again";
  EXPECT_THAT(pending(), IsEmpty());
}

TEST_F(HardwareTest, APausedGuestCannotDoItsPart) {
  create();
  done(requests::pause("web1"));
  EXPECT_EQ(refusal(requests::edit("web1", [](auto& edit) { edit.cpus = 2; })).reason(),
            Reason::wrong_state);
  done(requests::add_disk({.vm = "web1", .size = mib(1)}));
  EXPECT_EQ(has().disks.size(), 2u);
  done(requests::resume("web1"));
}

TEST_F(HardwareTest, TheHostMustPromiseWhatIsAdded) {
  create();
  const auto error = refusal(requests::edit("web1", [](auto& edit) {
    edit.memory = gib(64);
    edit.memory_max = gib(64);
  }));
  EXPECT_EQ(error.reason(), Reason::never_fits);
}

TEST_F(HardwareTest, AgentsPutCpusToUse) {
  host_.machines().with_agents = true;
  create();
  cluster_.run_for(seconds(5));
  done(requests::edit("web1", [](auto& edit) { edit.cpus = 3; }));
  EXPECT_EQ(host_.machines().find(guest().id)->agent.cpus_online, 3u);
}

TEST_F(HardwareTest, MediaAreCountedWhileTheyAreInADrive) {
  cluster_.storage().add_source("/images/a.iso", {model::ImageFormat::iso, mib(4), "sha256:a", ""});
  cluster_.storage().add_source("/images/b.iso", {model::ImageFormat::iso, mib(4), "sha256:b", ""});
  done(requests::import_from({.name = "a", .path = "/images/a.iso"}));
  done(requests::import_from({.name = "b", .path = "/images/b.iso"}));
  create();
  done(requests::add_drive("web1", "a"));
  EXPECT_EQ(pending().size(), 1u) << "drives come with a start";
  done(requests::stop("web1"));
  done(requests::start("web1"));
  done(requests::insert("web1", "cdrom0", "b"));
  EXPECT_EQ(has().cdroms[0].layer, guest().spec.cdroms[0].layer);
  done(requests::insert("web1", "cdrom0", "b"));
  EXPECT_EQ(refusal(requests::insert("web1", "cdrom0", "demo")).reason(), Reason::bad_spec);
  done(requests::remove_image("a"));
  done(requests::eject("web1", "cdrom0"));
  EXPECT_FALSE(has().cdroms[0].layer);
  EXPECT_EQ(refusal(requests::remove_drive("web1", "cdrom0")).reason(), Reason::wrong_state);
  done(requests::stop("web1"));
  done(requests::remove_drive("web1", "cdrom0"));
  done(requests::remove_image("b"));
}

TEST_F(HardwareTest, PinsFollowAtOnceAlsoOfCpusThatCome) {
  create();
  const auto pin = [&](std::vector<std::string> pins) {
    done(requests::edit("web1", [=](auto& edit) { edit.cpu_pins = pins; }));
    EXPECT_EQ(has().cpu_pins, pins);
    EXPECT_THAT(pending(), IsEmpty());
  };
  pin({"0-3"});
  done(requests::edit("web1", [](auto& edit) { edit.cpus = 3; }));
  EXPECT_EQ(has().cpu_pins, std::vector<std::string>{"0-3"});
  pin({"0", "1", "2", "3"});
  pin({});
  const auto refused =
      refusal(requests::edit("web1", [](auto& edit) { edit.cpu_pins = {"0-99"}; }));
  EXPECT_EQ(refused.reason(), Reason::host_cannot);
  EXPECT_EQ(refused.field(), "/cpu_pins/0");
}

TEST_F(HardwareTest, WhatTheBoardSaysWaits) {
  create();
  done(requests::edit("web1", [](auto& edit) {
    edit.boot_order = {"disk0"};
    edit.smbios.serial = "4711";
    edit.numa.nodes = 2;
    edit.huge_pages = model::HugePageSize::mib2;
    edit.sound = model::SoundKind::hda;
    edit.display = model::DisplayKind::virtio;
    edit.serial_ports = 3;
  }));
  EXPECT_EQ(pending().size(), 7u);
  EXPECT_EQ(has().numa.nodes, 1u);
  EXPECT_EQ(has().serial_ports, 1u);
  done(requests::stop("web1"));
  done(requests::start("web1"));
  EXPECT_THAT(pending(), IsEmpty());
  EXPECT_EQ(has().numa.nodes, 2u);
  EXPECT_EQ(has().serial_ports, 3u);
}

TEST_F(HardwareTest, ADiskThatGoesLeavesTheBootOrder) {
  create();
  done(requests::add_disk({.vm = "web1", .size = mib(1)}));
  done(requests::edit("web1", [](auto& edit) { edit.boot_order = {"disk1", "nic0", "disk0"}; }));
  done(requests::stop("web1"));
  done(requests::start("web1"));
  done(requests::remove_disk("web1", "disk1"));
  EXPECT_EQ(guest().spec.boot.order, (std::vector<std::string>{"nic0", "disk0"}));
  EXPECT_THAT(pending(), IsEmpty());
}

TEST_F(HardwareTest, ADaemonThatReturnsKnowsWhatItsGuestHas) {
  create();
  done(requests::add_disk({.vm = "web1", .size = mib(1)}));
  host_.sever();
  cluster_.run_for(seconds(1));
  host_.start();
  wait_until_quiet(cluster_);
  done(requests::remove_disk("web1", "disk1"));
  EXPECT_EQ(has().disks.size(), 1u);
}

}  // namespace
}  // namespace ruche::sim
