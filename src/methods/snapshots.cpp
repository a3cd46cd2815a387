// Snapshots of virtual machines, their copies, and templates.
#include "methods/tables.hpp"
#include "model/snapshot_requests.hpp"

namespace ruche::methods {

namespace {

std::vector<Method> reading() {
  return {
      list_of<model::SnapshotView>({
          .id = "snapshot.list",
          .path = "/v1/vms/{vm}/snapshots",
          .request = &type_of<model::VmRef>,
          .summary = "List the snapshots of a virtual machine",
          .description = "In the order of their tree: each comes after the one that it was taken "
                         "after, and those taken after the same one by age.",
          .command = "snapshot list",
          .examples = {{"All of them", "ruche snapshot list web1"}},
          .columns = {{"NAME", "name"},
                      {"PARENT", "parent"},
                      {"CURRENT", "current"},
                      {"MEMORY", "memory_size_bytes"},
                      {"QUIESCED", "quiesced"},
                      {"DISKS", "disks_bytes"},
                      {"STATE", "state"},
                      {"SCHEDULE", "schedule"},
                      {"AGE", "created_at"}},
      }),
      value_of<model::SnapshotRef, model::SnapshotView>({
          .id = "snapshot.show",
          .path = "/v1/vms/{vm}/snapshots/{snapshot}",
          .summary = "Show a snapshot",
          .description = "What is part of it, how long the VM stood still for it, and after which "
                         "other it was taken.",
          .command = "snapshot show",
          .examples = {{"One of them", "ruche snapshot show web1 before"}},
      }),
      list_of<model::LayerView>({
          .id = "vm.layers",
          .path = "/v1/vms/{vm}/layers",
          .request = &type_of<model::VmRef>,
          .summary = "List what a virtual machine has on its datastores",
          .description =
              "Each disk's chain of layers, from the one that is written to down to the image, and "
              "the layers that only snapshots need; then the files of firmware and TPM, and saved "
              "memory. With what each takes, as far as its datastore answers.",
          .command = "vm layers",
          .examples = {{"What takes how much", "ruche vm layers web1"},
                       {"For programs", "ruche vm layers web1 -o json"}},
          .columns = {{"DISK", "disk"},
                      {"WHAT", "what"},
                      {"OWNER", "owner"},
                      {"USED", "used_bytes"},
                      {"SIZE", "size_bytes"},
                      {"USERS", "users"},
                      {"PATH", "path"}},
      }),
  };
}

std::vector<Method> taking() {
  return {
      task_of<model::CreateSnapshot>({
          .id = "snapshot.create",
          .verb = Verb::post,
          .path = "/v1/vms/{vm}/snapshots",
          .role = Role::operator_,
          .summary = "Take a snapshot of a virtual machine",
          .description =
              "All disks at one instant, with the firmware's variables and the TPM's state; with "
              "`memory` also the memory of that same instant, so that it goes on from there later. "
              "The VM runs on meanwhile where the host can track what it writes; else it stands "
              "still, which a dry run says beforehand. Without memory the disks of one that runs "
              "are as after a power cut, unless its agent freezes the file systems (`quiesce`).",
          .command = "snapshot create",
          .examples = {{"Of the disks", "ruche snapshot create web1 before",
                        R"({"name": "before"})"},
                       {"With the memory", "ruche snapshot create web1 before --memory",
                        R"({"name": "before", "memory": true})"},
                       {"With file systems that its agent froze for the instant",
                        "ruche snapshot create web1 before --quiesce"},
                       {"Only look what would happen",
                        "ruche snapshot create web1 before --memory --dry-run"}},
      }),
      task_of<model::RevertToSnapshot>({
          .id = "snapshot.revert",
          .verb = Verb::post,
          .path = "/v1/vms/{vm}/snapshots/{snapshot}/revert",
          .role = Role::operator_,
          .summary = "Take a virtual machine back to a snapshot",
          .description =
              "Its disks and its hardware become what they were. What it had become since, and no "
              "other snapshot holds, is lost. From one with memory it goes on where it stood; else "
              "it is stopped, or starts with `start`.",
          .command = "snapshot revert",
          .examples = {{"What would happen", "ruche snapshot revert web1 before --dry-run"},
                       {"And start it", "ruche snapshot revert web1 before --start --yes",
                        R"({"start": true})"}},
      }),
      task_of<model::DeleteSnapshot>({
          .id = "snapshot.delete",
          .verb = Verb::delete_,
          .path = "/v1/vms/{vm}/snapshots/{snapshot}",
          .role = Role::operator_,
          .summary = "Delete a snapshot",
          .description =
              "The VM stays as it is, also while it runs, and the snapshots after it stay good: "
              "what they still need is merged upwards. A layer on which a copy of the VM stands "
              "is kept until that has gone. When the VM is stopped meanwhile the merge fails, and "
              "deleting the snapshot again goes on from there.",
          .command = "snapshot delete",
          .examples = {{"What would happen", "ruche snapshot delete web1 before --dry-run"},
                       {"Without a question", "ruche snapshot delete web1 before --yes"},
                       {"With all that were taken after it",
                        "ruche snapshot delete web1 before --children --yes"}},
      }),
  };
}

std::vector<Method> copying() {
  return {
      task_of<model::CloneVm>({
          .id = "vm.clone",
          .verb = Verb::post,
          .path = "/v1/vms/{vm}/clone",
          .role = Role::operator_,
          .summary = "Copy a virtual machine",
          .description =
              "The copy has its hardware and its disks, but addresses of its own, and where "
              "cloud-init set it up also a host name, SSH keys and a machine id. A linked one is "
              "made at once, because its disks stand on those of the original and hold only what "
              "differs; the original cannot be purged until its linked copies are gone or "
              "flattened. With `count` one task makes several, of a template or of a snapshot.",
          .command = "vm clone",
          .examples = {{"In full", "ruche vm clone web1 web2", R"({"name": "web2"})"},
                       {"Linked, and running when the command ends",
                        "ruche vm clone web1 web2 --linked --start --wait running",
                        R"({"name": "web2", "linked": true, "start": true})"},
                       {"As it was at a snapshot", "ruche vm clone web1 web2 --snapshot before"},
                       {"Ten of a template", "ruche vm clone golden web --linked --count 10"}},
      }),
      task_of<model::TemplateVm>({
          .id = "vm.template",
          .verb = Verb::post,
          .path = "/v1/vms/{vm}/template",
          .role = Role::operator_,
          .summary = "Make a virtual machine a template",
          .description =
              "A template never starts and its disks never change, so any number of copies may "
              "stand on them. With `undo` it becomes an ordinary VM again, unless copies stand on "
              "its disks.",
          .command = "vm template",
          .examples = {{"From now on", "ruche vm template golden"},
                       {"An ordinary one again", "ruche vm template golden --undo",
                        R"({"undo": true})"}},
      }),
      task_of<model::FlattenVm>({
          .id = "vm.flatten",
          .verb = Verb::post,
          .path = "/v1/vms/{vm}/flatten",
          .role = Role::operator_,
          .summary = "Let the disks of a virtual machine stand on nothing",
          .description =
              "All that its disks stand on is copied into them, the image's data as well. "
              "Afterwards a linked copy needs its original no longer. It may take long and needs "
              "the room; a dry run says which layers it takes in.",
          .command = "vm flatten",
          .examples = {{"What would happen", "ruche vm flatten web2 --dry-run"},
                       {"Free of its original", "ruche vm flatten web2"}},
      }),
  };
}

std::vector<Method> schedules() {
  return {
      list_of<model::ScheduleView>({
          .id = "snapshot.schedule.list",
          .path = "/v1/vms/{vm}/schedules",
          .request = &type_of<model::VmRef>,
          .summary = "List the schedules of a virtual machine's snapshots",
          .description = "With how many snapshots each has taken that are still there, and when "
                         "the next is due.",
          .command = "snapshot schedule list",
          .examples = {{"All of them", "ruche snapshot schedule list web1"}},
          .columns = {{"NAME", "name"},
                      {"EVERY", "every_ms"},
                      {"KEEP", "keep"},
                      {"SNAPSHOTS", "snapshots"},
                      {"MEMORY", "memory"},
                      {"QUIESCE", "quiesce"},
                      {"NEXT", "next_at"}},
      }),
      task_of<model::SetSchedule>({
          .id = "snapshot.schedule.set",
          .verb = Verb::post,
          .path = "/v1/vms/{vm}/schedules",
          .role = Role::operator_,
          .summary = "Take snapshots of a virtual machine by themselves",
          .description = "Its snapshots are called after the schedule and the time. When there are "
                         "more than `keep`, the oldest of the schedule's own goes; one that "
                         "somebody took is never touched. A schedule of the same name is replaced.",
          .command = "snapshot schedule set",
          .examples = {{"Every hour, for a day",
                        "ruche snapshot schedule set web1 hourly --every 1h --keep 24",
                        R"({"name": "hourly", "every_ms": 3600000, "keep": 24})"},
                       {"With file systems that its agent freezes",
                        "ruche snapshot schedule set web1 nightly --every 24h --keep 7 --quiesce"}},
      }),
      task_of<model::ScheduleRef>({
          .id = "snapshot.schedule.remove",
          .verb = Verb::delete_,
          .path = "/v1/vms/{vm}/schedules/{schedule}",
          .role = Role::operator_,
          .summary = "End a schedule",
          .description = "The snapshots that it took stay.",
          .command = "snapshot schedule remove",
          .examples = {{"No more of them", "ruche snapshot schedule remove web1 hourly"}},
      }),
  };
}

}  // namespace

std::vector<Method> snapshot_methods() {
  auto methods = reading();
  for (const auto& part : {taking(), copying(), schedules()}) {
    methods.insert(methods.end(), part.begin(), part.end());
  }
  return methods;
}

}  // namespace ruche::methods
