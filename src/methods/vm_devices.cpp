// Devices of virtual machines.
#include "methods/tables.hpp"
#include "model/device_abilities.hpp"
#include "model/device_requests.hpp"

namespace ruche::methods {

namespace {

std::vector<Method> reading() {
  return {
      list_of<model::DeviceView>({
          .id = "vm.devices",
          .path = "/v1/vms/{vm}/devices",
          .request = &type_of<model::VmRef>,
          .summary = "List the devices of a virtual machine",
          .description = "With what each allows, and why not: coming and going while the VM runs, "
                         "snapshots with memory, suspending, instant clones, live migration.",
          .command = "vm devices",
          .examples = {{"What stands in the way of what", "ruche vm devices web1"}},
          .columns = {{"NAME", "name"},
                      {"KIND", "kind"},
                      {"HOT-PLUG", "hot_plug"},
                      {"MEMORY SNAPSHOT", "memory_snapshot"},
                      {"SUSPEND", "suspend"},
                      {"INSTANT CLONE", "instant_clone"},
                      {"MIGRATE", "migrate"}},
      }),
      value_of<model::VmRef, model::MemoryView>({
          .id = "vm.memory",
          .path = "/v1/vms/{vm}/memory",
          .summary = "Show the memory of a virtual machine",
          .description =
              "Of one that runs. What its own system says needs a balloon (`memory_min`) and a "
              "driver for it, and comes a few seconds after it was first asked for.",
          .command = "vm memory",
          .examples = {{"At the moment", "ruche vm memory web1"}},
      }),
  };
}

std::vector<Method> disks() {
  return {
      task_of<model::AddDisk>({
          .id = "vm.disk.add",
          .verb = Verb::post,
          .path = "/v1/vms/{vm}/disks",
          .role = Role::operator_,
          .summary = "Add a blank disk to a virtual machine",
          .description = "A VM that runs follows at once; what has to wait for its next start is "
                         "told by the task and by `vm show`. SATA disks wait.",
          .command = "vm disk add",
          .examples = {{"While it runs", "ruche vm disk add web1 --size 4GiB --bus virtio-scsi",
                        R"({"size_bytes": 4294967296, "bus": "virtio-scsi"})"},
                       {"At most 500 operations in a second",
                        "ruche vm disk add web1 --size 4GiB --limits iops=500",
                        R"({"size_bytes": 4294967296, "limits": {"iops": 500}})"}},
      }),
      task_of<model::DiskRef>({
          .id = "vm.disk.remove",
          .verb = Verb::delete_,
          .path = "/v1/vms/{vm}/disks/{disk}",
          .role = Role::operator_,
          .summary = "Remove a disk with what is on it",
          .description = "A VM that runs is asked to let go of it first; while it does not, "
                         "nothing is removed. What is on the disk goes for good.",
          .command = "vm disk remove",
          .examples = {{"What would happen", "ruche vm disk remove web1 disk1 --dry-run"},
                       {"For good", "ruche vm disk remove web1 disk1 --yes"}},
      }),
      task_of<model::GrowDiskRequest>({
          .id = "vm.disk.grow",
          .verb = Verb::post,
          .path = "/v1/vms/{vm}/disks/{disk}/grow",
          .role = Role::operator_,
          .summary = "Make a disk larger",
          .description = "Also while the VM runs; its system sees the new size at once and has to "
                         "grow what is on the disk. A disk never becomes smaller.",
          .command = "vm disk grow",
          .examples = {{"To 8 GiB", "ruche vm disk grow web1 disk1 8GiB",
                        R"({"size_bytes": 8589934592})"}},
      }),
      {
          .id = "vm.disk.set",
          .verb = Verb::patch,
          .path = "/v1/vms/{vm}/disks/{disk}",
          .role = Role::operator_,
          .answer = Answer::task,
          .request = &type_of<model::DiskEdit>,
          .result = &type_of<model::TaskView>,
          .patch = true,
          .summary = "Change a disk",
          .description = "A merge patch (RFC 7396). Limits take effect at once; caches and discard "
                         "wait for the next start.",
          .command = "vm disk set",
          .examples = {{"At most 100 MiB in a second",
                        "ruche vm disk set web1 disk0 --limits bandwidth=100MiB",
                        R"({"limits": {"bandwidth_bytes": 104857600}})"},
                       {"No page cache of the host", "ruche vm disk set web1 disk0 --cache none",
                        R"({"cache": "none"})"}},
      },
  };
}

std::vector<Method> adapters() {
  return {
      task_of<model::AddNic>({
          .id = "vm.nic.add",
          .verb = Verb::post,
          .path = "/v1/vms/{vm}/nics",
          .role = Role::operator_,
          .summary = "Add a network adapter to a virtual machine",
          .description = "A VM that runs follows at once; what has to wait for its next start is "
                         "told by the task and by `vm show`.",
          .command = "vm nic add",
          .examples = {{"On the default network", "ruche vm nic add web1 --network default",
                        R"({"network": "default"})"}},
      }),
      task_of<model::NicRef>({
          .id = "vm.nic.remove",
          .verb = Verb::delete_,
          .path = "/v1/vms/{vm}/nics/{nic}",
          .role = Role::operator_,
          .summary = "Remove a network adapter",
          .description =
              "A VM that runs is asked to let go of it first. Its addresses become free.",
          .command = "vm nic remove",
          .examples = {{"The second one", "ruche vm nic remove web1 nic1"}},
      }),
      {
          .id = "vm.nic.set",
          .verb = Verb::patch,
          .path = "/v1/vms/{vm}/nics/{nic}",
          .role = Role::operator_,
          .answer = Answer::task,
          .request = &type_of<model::NicEdit>,
          .result = &type_of<model::TaskView>,
          .patch = true,
          .summary = "Change a network adapter",
          .description = "A merge patch (RFC 7396). The cable is pulled and plugged at once; "
                         "another hardware address waits for the next start.",
          .command = "vm nic set",
          .examples = {{"Pull the cable", "ruche vm nic set web1 nic1 --link down",
                        R"({"link": "down"})"}},
      },
  };
}

std::vector<Method> drives() {
  return {
      task_of<model::AddDrive>({
          .id = "vm.cdrom.add",
          .verb = Verb::post,
          .path = "/v1/vms/{vm}/cdroms",
          .role = Role::operator_,
          .summary = "Add a CD-ROM drive to a virtual machine",
          .description = "Of a VM that runs it waits for the next start.",
          .command = "vm cdrom add",
          .examples = {{"With a medium in it", "ruche vm cdrom add web1 --image installer",
                        R"({"image": "installer"})"}},
      }),
      task_of<model::DriveRef>({
          .id = "vm.cdrom.remove",
          .verb = Verb::delete_,
          .path = "/v1/vms/{vm}/cdroms/{cdrom}",
          .role = Role::operator_,
          .summary = "Remove a CD-ROM drive",
          .description = "Of a VM that is stopped.",
          .command = "vm cdrom remove",
          .examples = {{"Remove it", "ruche vm cdrom remove web1 cdrom0"}},
      }),
      task_of<model::InsertMedium>({
          .id = "vm.cdrom.insert",
          .verb = Verb::post,
          .path = "/v1/vms/{vm}/cdroms/{cdrom}/insert",
          .role = Role::operator_,
          .summary = "Put a CD into a drive",
          .description = "Also while the VM runs; what was in the drive comes out, even when the "
                         "guest locked it.",
          .command = "vm cdrom insert",
          .examples = {{"The installer", "ruche vm cdrom insert web1 cdrom0 installer",
                        R"({"image": "installer"})"}},
      }),
      task_of<model::DriveRef>({
          .id = "vm.cdrom.eject",
          .verb = Verb::post,
          .path = "/v1/vms/{vm}/cdroms/{cdrom}/eject",
          .role = Role::operator_,
          .summary = "Take the CD out of a drive",
          .description = "Also while the VM runs, and when the guest locked it. An empty drive is "
                         "not an error.",
          .command = "vm cdrom eject",
          .examples = {{"Take it out", "ruche vm cdrom eject web1 cdrom0"}},
      }),
  };
}

// They open files of the host to a guest.
std::vector<Method> folders() {
  return {
      task_of<model::AddShare>({
          .id = "vm.share.add",
          .verb = Verb::post,
          .path = "/v1/vms/{vm}/shares",
          .role = Role::administrator,
          .summary = "Let a virtual machine mount a folder of its host",
          .description =
              "From the next start on, with virtiofs: `mount -t virtiofs NAME /mnt`. On the host "
              "the VM is its own user (`uid` in `vm show -o json`): let it into the folder.",
          .command = "vm share add",
          .examples = {{"For reading", "ruche vm share add web1 /srv/data --name data --read-only",
                        R"({"path": "/srv/data", "name": "data", "read_only": true})"}},
      }),
      task_of<model::ShareRef>({
          .id = "vm.share.remove",
          .verb = Verb::delete_,
          .path = "/v1/vms/{vm}/shares/{share}",
          .role = Role::administrator,
          .summary = "Take a folder of its host from a virtual machine",
          .description = "What is in the folder stays. A VM that runs keeps it until its next "
                         "start.",
          .command = "vm share remove",
          .examples = {{"Take it away", "ruche vm share remove web1 data"}},
      }),
  };
}

std::vector<Method> devices_of_the_host() {
  return {
      task_of<model::AddUsb>({
          .id = "vm.usb.add",
          .verb = Verb::post,
          .path = "/v1/vms/{vm}/usb",
          .role = Role::administrator,
          .summary = "Give a virtual machine a USB device of its host",
          .description =
              "By what it is, wherever it is plugged in. A VM that runs follows at once, "
              "unless it was started without a USB controller. One that is not plugged "
              "in when the VM starts is left out; remove it and add it again then.",
          .command = "vm usb add",
          .examples = {{"By vendor and product", "ruche vm usb add web1 046d:c52b",
                        R"({"device": "046d:c52b"})"},
                       {"Where several are alike",
                        "ruche vm usb add web1 0403:6001 --serial A50285BI",
                        R"({"device": "0403:6001", "serial": "A50285BI"})"}},
      }),
      task_of<model::UsbRef>({
          .id = "vm.usb.remove",
          .verb = Verb::delete_,
          .path = "/v1/vms/{vm}/usb/{usb}",
          .role = Role::administrator,
          .summary = "Take a USB device of the host away from a virtual machine",
          .description = "Also while the VM runs, as if it was pulled out.",
          .command = "vm usb remove",
          .examples = {{"The first one", "ruche vm usb remove web1 usb0"}},
      }),
      task_of<model::AddPci>({
          .id = "vm.pci.add",
          .verb = Verb::post,
          .path = "/v1/vms/{vm}/pci",
          .role = Role::administrator,
          .summary = "Give a virtual machine a PCI device of its host",
          .description =
              "The VM drives it itself, behind the host's IOMMU, so it keeps all of its memory in "
              "place. Of a VM that runs it waits for the next start. `host devices` says which can "
              "be given, and what stands in the way of the others.",
          .command = "vm pci add",
          .examples = {{"A whole device", "ruche vm pci add web1 0000:3b:00.0",
                        R"({"address": "0000:3b:00.0"})"},
                       {"A part that its driver made",
                        "ruche vm pci add web1 0000:3b:00.0 --mediated "
                        "83b8f4f2-509f-382f-3c1e-e6bfe0fa1001",
                        R"({"address": "0000:3b:00.0", )"
                        R"("mediated": "83b8f4f2-509f-382f-3c1e-e6bfe0fa1001"})"}},
      }),
      task_of<model::PciRef>({
          .id = "vm.pci.remove",
          .verb = Verb::delete_,
          .path = "/v1/vms/{vm}/pci/{pci}",
          .role = Role::administrator,
          .summary = "Take a PCI device of the host away from a virtual machine",
          .description = "Of a VM that runs it waits for the next start.",
          .command = "vm pci remove",
          .examples = {{"The first one", "ruche vm pci remove web1 pci0"}},
      }),
  };
}

}  // namespace

std::vector<Method> vm_device_methods() {
  auto methods = reading();
  for (const auto& part : {disks(), adapters(), drives(), folders(), devices_of_the_host()}) {
    methods.insert(methods.end(), part.begin(), part.end());
  }
  return methods;
}

}  // namespace ruche::methods
