// Kill sweeps of hardware that changes while its guest runs.
#include <gtest/gtest.h>

#include "kill_sweep.hpp"

namespace ruche::sim {
namespace {

std::function<bool(const StoreTruth&)> has_disks(std::size_t count) {
  return [count](const StoreTruth& truth) {
    const auto* guest = guest_named(truth, "web1");
    return guest != nullptr && guest->spec.disks.size() == count;
  };
}

std::function<bool(const StoreTruth&)> has(std::function<bool(const model::VmSpec&)> what) {
  return [what](const StoreTruth& truth) {
    const auto* guest = guest_named(truth, "web1");
    return guest != nullptr && what(guest->spec);
  };
}

model::AddDisk data_disk() { return {.vm = "web1", .size = mib(32), .bus = model::DiskBus::nvme}; }

TEST(KillSweep, AddDisk) {
  for (const bool running : {false, true}) {
    sweep({running ? "disk add, live" : "disk add", with_guest(running),
           requests::add_disk(data_disk()), has_disks(2), has_disks(1)});
  }
}

TEST(KillSweep, RemoveDisk) {
  for (const bool running : {false, true}) {
    const auto with_two = [running](SimCluster& cluster) {
      with_guest(running)(cluster);
      ask_and_wait(cluster, cluster.host("alpha"), requests::add_disk(data_disk()));
    };
    sweep({running ? "disk remove, live" : "disk remove", with_two,
           requests::remove_disk("web1", "disk1"), has_disks(1), has_disks(2)});
  }
}

TEST(KillSweep, GrowDisk) {
  for (const bool running : {false, true}) {
    const auto is_large = [](Bytes size) {
      return has([size](const model::VmSpec& spec) { return spec.disks.at(0).size == size; });
    };
    sweep({running ? "disk grow, live" : "disk grow", with_guest(running),
           requests::grow_disk("web1", "disk0", gib(2)), is_large(gib(2)), is_large(mib(64))});
  }
}

TEST(KillSweep, AddAndRemoveNic) {
  const auto nics = [](std::size_t count) {
    return has([count](const model::VmSpec& spec) { return spec.nics.size() == count; });
  };
  sweep({"nic add, live", with_guest(true), requests::add_nic({.vm = "web1"}), nics(2), nics(1)});
  sweep({"nic remove, live", with_guest(true), requests::remove_nic("web1", "nic0"), nics(0),
         nics(1)});
}

TEST(KillSweep, AddAndRemoveFolder) {
  const auto folders = [](std::size_t count) {
    return has([count](const model::VmSpec& spec) { return spec.shares.size() == count; });
  };
  for (const bool running : {false, true}) {
    const auto with_one = [running](SimCluster& cluster) {
      with_guest(running)(cluster);
      ask_and_wait(cluster, cluster.host("alpha"),
                   requests::add_share({"web1", "/srv/data", "data", true}));
    };
    sweep({running ? "share add, live" : "share add", with_guest(running),
           requests::add_share({"web1", "/srv/data", "data", true}), folders(1), folders(0)});
    sweep({running ? "share remove, live" : "share remove", with_one,
           requests::remove_share("web1", "data"), folders(0), folders(1)});
  }
}

TEST(KillSweep, AddAndRemoveUsb) {
  const auto devices = [](std::size_t count) {
    return has([count](const model::VmSpec& spec) { return spec.usb.size() == count; });
  };
  const auto add = requests::add_usb({.vm = "web1", .device = "1050:0407"});
  const auto with_it = [add](SimCluster& cluster) {
    with_guest(true)(cluster);
    ask_and_wait(cluster, cluster.host("alpha"), add);
  };
  sweep({"usb add, live", with_guest(true), add, devices(1), devices(0)});
  sweep(
      {"usb remove, live", with_it, requests::remove_usb("web1", "usb0"), devices(0), devices(1)});
}

TEST(KillSweep, AddPci) {
  const auto devices = [](std::size_t count) {
    return has([count](const model::VmSpec& spec) { return spec.pci.size() == count; });
  };
  sweep({"pci add", with_guest(true), requests::add_pci({.vm = "web1", .address = "0000:3b:00.0"}),
         devices(1), devices(0)});
}

TEST(KillSweep, SetCpusAndMemory) {
  const auto roomy = [](SimCluster& cluster) {
    model::CreateVm request;
    request.name = "web1";
    request.image = "demo";
    request.memory = mib(256);
    request.memory_max = gib(1);
    request.start = true;
    ask_and_wait(cluster, cluster.host("alpha"), requests::create(request));
  };
  const auto grow = [](model::VmEdit& edit) {
    edit.cpus = 3;
    edit.memory = mib(512);
  };
  const auto is = [](std::uint32_t cpus, Bytes memory) {
    return has(
        [=](const model::VmSpec& spec) { return spec.cpus == cpus && spec.memory == memory; });
  };
  sweep({"set, live", roomy, requests::edit("web1", grow), is(3, mib(512)), is(1, mib(256))});
}

}  // namespace
}  // namespace ruche::sim
