#include "model/guest_rules.hpp"

#include <gtest/gtest.h>

#include <array>
#include <map>
#include <set>

namespace ruche::model {
namespace {

VmSpec good() {
  VmSpec spec;
  spec.cpus = 4;
  spec.memory = mib(512);
  spec.disks.push_back({"disk0", {}, gib(1), DiskBus::virtio_blk, 3});
  spec.nics.push_back({"nic0", NicKind::user, "52:54:00:00:00:01", {{8080, 80}}, 4});
  return spec;
}

// The rule that a change breaks, as "reason at /field".
std::string broken_by(void (*change)(VmSpec&)) {
  VmSpec spec = good();
  change(spec);
  const auto checked = check_spec(spec);
  if (checked) return "";
  return std::string(checked.error().reason_name()) + " at " + checked.error().field();
}

TEST(GuestRules, AGoodSpecificationPasses) {
  EXPECT_EQ(broken_by([](VmSpec&) {}), "");
}

TEST(GuestRules, TheTopologyIsTheNumberOfCpus) {
  EXPECT_EQ(broken_by([](VmSpec& s) { s.topology = {2, 2, 1}; }), "");
  EXPECT_EQ(broken_by([](VmSpec& s) { s.topology = {2, 2, 2}; }), "topology-mismatch at /topology");
  EXPECT_EQ(broken_by([](VmSpec& s) { s.topology = {65536, 65536, 1}; }),
            "topology-mismatch at /topology");  // 2^32 is not 0
}

TEST(GuestRules, MemoryIsWholeMebibytes) {
  EXPECT_EQ(broken_by([](VmSpec& s) { s.memory = {mib(512).count + 4096}; }),
            "memory-not-aligned at /memory_bytes");
}

TEST(GuestRules, DirectKernelBootNeedsAKernel) {
  EXPECT_EQ(broken_by([](VmSpec& s) { s.boot.kind = BootKind::direct_kernel; }),
            "kernel-missing at /boot/kernel");
  EXPECT_EQ(broken_by([](VmSpec& s) {
              s.boot.kind = BootKind::direct_kernel;
              s.boot.kernel.emplace();
              s.boot.command_line = "quiet";
            }),
            "");
}

TEST(GuestRules, ACommandLineNeedsDirectKernelBoot) {
  EXPECT_EQ(broken_by([](VmSpec& s) { s.boot.command_line = "quiet"; }),
            "kernel-not-used at /boot/command_line");
}

TEST(GuestRules, SecureBootIsUefis) {
  EXPECT_EQ(broken_by([](VmSpec& s) { s.boot.secure = true; }), "bad-spec at /boot/secure");
  EXPECT_EQ(broken_by([](VmSpec& s) { s.boot = {.kind = BootKind::uefi, .secure = true}; }), "");
  EXPECT_EQ(broken_by([](VmSpec& s) {
              s.boot = {.kind = BootKind::uefi, .secure = true, .kernel = LayerId{Uuid{}}};
            }),
            "bad-spec at /boot/secure");
}

TEST(GuestRules, DevicesHaveNamesOfTheirOwn) {
  EXPECT_EQ(broken_by([](VmSpec& s) { s.disks.push_back(s.disks[0]); }),
            "duplicate-device at /disks/1/name");
  EXPECT_EQ(broken_by([](VmSpec& s) { s.nics[0].name = "disk0"; }),
            "duplicate-device at /nics/0/name");
}

TEST(GuestRules, DevicesOfTheHostAreNamedAsTheHostNamesThem) {
  EXPECT_EQ(broken_by([](VmSpec& s) { s.usb.push_back({"usb0", "046d", "c52b", {}}); }), "");
  EXPECT_EQ(broken_by([](VmSpec& s) { s.usb.push_back({"usb0", "046d", "C52B", {}}); }),
            "bad-format at /usb/0");
  EXPECT_EQ(broken_by([](VmSpec& s) { s.usb.push_back({"disk0", "046d", "c52b", {}}); }),
            "duplicate-device at /usb/0/name");
  EXPECT_EQ(broken_by([](VmSpec& s) { s.pci.push_back({"pci0", "0000:3b:00.0", {}, 9}); }), "");
  EXPECT_EQ(broken_by([](VmSpec& s) { s.pci.push_back({"pci0", "0000:3b:00.0,x=y", {}, 9}); }),
            "bad-format at /pci/0/address");
  EXPECT_EQ(broken_by([](VmSpec& s) {
              s.memory_min = mib(128);
              s.pci.push_back({"pci0", "0000:3b:00.0", {}, 9});
            }),
            "bad-spec at /memory_min_bytes");
}

TEST(GuestRules, AHostPortLeadsToOneGuestPort) {
  EXPECT_EQ(broken_by([](VmSpec& s) { s.nics[0].forwards.push_back({8080, 443}); }),
            "duplicate-port at /nics/0/forwards/1/host_port");
}

TEST(GuestRules, TheBootOrderNamesDevicesThatAreThereOnce) {
  EXPECT_EQ(broken_by([](VmSpec& s) { s.boot.order = {"nic0", "disk0"}; }), "");
  EXPECT_EQ(broken_by([](VmSpec& s) { s.boot.order = {"disk0", "cdrom0"}; }),
            "bad-spec at /boot_order/1");
  EXPECT_EQ(broken_by([](VmSpec& s) { s.boot.order = {"disk0", "disk0"}; }),
            "duplicate-device at /boot_order/1");
}

TEST(GuestRules, NumaNodesHaveACpuAndWholeMebibytesEach) {
  EXPECT_EQ(broken_by([](VmSpec& s) { s.numa.nodes = 4; }), "");
  EXPECT_EQ(broken_by([](VmSpec& s) { s.numa.nodes = 5; }), "out-of-range at /numa/nodes");
  EXPECT_EQ(broken_by([](VmSpec& s) { s.numa.nodes = 3; }), "memory-not-aligned at /memory_bytes");
  EXPECT_EQ(broken_by([](VmSpec& s) {
              s.numa.nodes = 8;
              s.cpus_max = 8;
            }),
            "");
}

TEST(GuestRules, HugePagesFillTheMemoryAndStay) {
  EXPECT_EQ(broken_by([](VmSpec& s) { s.huge_pages = HugePageSize::mib2; }), "");
  EXPECT_EQ(broken_by([](VmSpec& s) { s.huge_pages = HugePageSize::gib1; }),
            "memory-not-aligned at /memory_bytes");
  EXPECT_EQ(broken_by([](VmSpec& s) {
              s.huge_pages = HugePageSize::gib1;
              s.memory = gib(1);
              s.numa.nodes = 2;
            }),
            "memory-not-aligned at /memory_bytes");
  EXPECT_EQ(broken_by([](VmSpec& s) {
              s.huge_pages = HugePageSize::mib2;
              s.memory_max = gib(1);
            }),
            "");
  EXPECT_EQ(broken_by([](VmSpec& s) {
              s.huge_pages = HugePageSize::gib1;
              s.memory = gib(1);
              s.memory_max = gib(2);
            }),
            "bad-spec at /memory_max_bytes");
  EXPECT_EQ(broken_by([](VmSpec& s) {
              s.huge_pages = HugePageSize::mib2;
              s.memory_min = mib(256);
            }),
            "bad-spec at /memory_min_bytes");
}

TEST(GuestRules, PinsAreForAllOrForEach) {
  EXPECT_EQ(broken_by([](VmSpec& s) { s.cpu_pins = {"0-3,8"}; }), "");
  EXPECT_EQ(broken_by([](VmSpec& s) { s.cpu_pins = {"0", "1", "2", "3"}; }), "");
  EXPECT_EQ(broken_by([](VmSpec& s) { s.cpu_pins = {"0", "1"}; }), "bad-spec at /cpu_pins");
  EXPECT_EQ(broken_by([](VmSpec& s) {
              s.cpus_max = 8;
              s.cpu_pins = {"0", "1", "2", "3"};
            }),
            "bad-spec at /cpu_pins");
  EXPECT_EQ(broken_by([](VmSpec& s) { s.cpu_pins = {"0", "1", "2", "3-"}; }),
            "bad-format at /cpu_pins/3");
}

TEST(GuestRules, ABoardSaysPrintableAscii) {
  EXPECT_EQ(broken_by([](VmSpec& s) { s.smbios.manufacturer = "Bee, hive = \"good\""; }), "");
  EXPECT_EQ(broken_by([](VmSpec& s) { s.smbios.serial = "47\n11"; }),
            "bad-format at /smbios/serial");
  EXPECT_EQ(broken_by([](VmSpec& s) { s.smbios.asset_tag = "größe"; }),
            "bad-format at /smbios/asset_tag");
}

TEST(GuestRules, Tags) {
  EXPECT_TRUE(check_tags({"web", "production", "größe"}).has_value());
  for (const std::string bad : {"", "a,b", "a=b", "a~b", "a b", "a\tb"}) {
    const auto checked = check_tags({"web", bad});
    ASSERT_FALSE(checked.has_value()) << bad;
    EXPECT_EQ(checked.error().reason(), Reason::bad_tag);
    EXPECT_EQ(checked.error().field(), "/tags/1");
  }
  EXPECT_TRUE(check_tags({std::string(63, 'a')}).has_value());
  EXPECT_FALSE(check_tags({std::string(64, 'a')}).has_value());
}

// The whole table of docs/states.md: what may be asked in which state.
TEST(GuestRules, PowerInEveryState) {
  constexpr std::array kRequests = {
      PowerRequest::start,   PowerRequest::shutdown, PowerRequest::stop,
      PowerRequest::reset,   PowerRequest::pause,    PowerRequest::resume,
      PowerRequest::suspend, PowerRequest::discard,  PowerRequest::remove};
  const std::map<GuestState, std::set<PowerRequest>> allowed = {
      {GuestState::provisioning, {PowerRequest::remove}},
      {GuestState::stopped, {PowerRequest::start, PowerRequest::remove}},
      {GuestState::crashed, {PowerRequest::start, PowerRequest::remove}},
      {GuestState::running,
       {PowerRequest::shutdown, PowerRequest::stop, PowerRequest::reset, PowerRequest::pause,
        PowerRequest::suspend}},
      {GuestState::paused,
       {PowerRequest::stop, PowerRequest::reset, PowerRequest::resume, PowerRequest::suspend}},
      {GuestState::suspended,
       {PowerRequest::start, PowerRequest::resume, PowerRequest::discard, PowerRequest::remove}},
      {GuestState::broken, {PowerRequest::stop}},
  };
  for (const auto& [state, requests] : allowed) {
    for (const auto request : kRequests) {
      const auto refusal = refuse_power(request, state, "web1");
      EXPECT_EQ(refusal.has_value(), !requests.contains(request))
          << enum_name(state) << ", request " << static_cast<int>(request);
      if (!refusal) continue;
      EXPECT_FALSE(refusal->remedy_text().empty()) << refusal->message();
      EXPECT_NE(refusal->message().find("web1"), std::string::npos);
      const auto reason = state == GuestState::broken ? Reason::object_broken : Reason::wrong_state;
      EXPECT_EQ(refusal->reason(), reason);
    }
  }
}

TEST(GuestRules, AGuestReservesItsOverheadToo) {
  const auto reserved = reservation_of(good(), mib(64));
  EXPECT_EQ(reserved.memory, mib(576));
  EXPECT_EQ(reserved.cpus, 4u);
}

TEST(GuestRules, TheShownStateTellsOfTheTask) {
  EXPECT_EQ(shown_state(GuestState::stopped, "vm.start", false), "starting");
  EXPECT_EQ(shown_state(GuestState::running, "vm.start", false), "running");
  EXPECT_EQ(shown_state(GuestState::running, "vm.stop", false), "stopping");
  EXPECT_EQ(shown_state(GuestState::running, "vm.shutdown", false), "stopping");
  EXPECT_EQ(shown_state(GuestState::stopped, "", true), "deleted");
  EXPECT_EQ(shown_state(GuestState::crashed, "", false), "crashed");
}

}  // namespace
}  // namespace ruche::model
