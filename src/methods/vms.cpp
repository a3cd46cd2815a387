#include "methods/tables.hpp"

namespace ruche::methods {

namespace {

std::vector<Method> reading() {
  return {
      list_of<model::VmView>({
          .id = "vm.list",
          .path = "/v1/vms",
          .request = &type_of<ListVms>,
          .summary = "List virtual machines",
          .description = "Items of a list leave `status.qemu_argv` out; ask for one VM to see it.",
          .command = "vm list",
          .examples = {{"All of them", "ruche vm list"},
                       {"Those that run and whose name holds `web`, the newest first",
                        "ruche vm list --filter state=running,name~web --sort -created_at"},
                       {"Templates", "ruche vm list --filter template=true"},
                       {"The recycle bin", "ruche vm list --deleted"}},
          .columns = {{"NAME", "name"},
                      {"STATE", "status.state"},
                      {"CPUS", "spec.cpus"},
                      {"MEMORY", "spec.memory_bytes"},
                      {"HOST", "placement.host"},
                      {"IMAGE", "image"},
                      {"POOL", "pool"},
                      {"AGE", "created_at"}},
          .list_fields = {"id", "name", "display_name", "description", "tag", "image", "datastore",
                          "pool", "host", "state", "cpus", "memory_bytes", "autostart", "template",
                          "address", "created_at", "deleted_at"},
      }),
      value_of<model::VmRef, model::VmView>({
          .id = "vm.show",
          .path = "/v1/vms/{vm}",
          .summary = "Show a virtual machine",
          .description = "Its hardware, what its owner observed and where it is. The answer's ETag "
                         "goes into If-Match of a change.",
          .command = "vm show",
          .examples = {{"For people", "ruche vm show web1"},
                       {"For programs", "ruche vm show web1 -o json"}},
      }),
      {
          .id = "vm.console",
          .path = "/v1/vms/{vm}/console",
          .role = Role::operator_,
          .answer = Answer::websocket,
          .request = &type_of<model::ConsoleVm>,
          .recorded_first = true,
          .summary = "Open the serial console",
          .description =
              "A WebSocket. Binary frames are the serial line's bytes in both directions, the "
              "first ones being the last 64 KiB from before. Text frames are control messages: the "
              "server says {\"gap_bytes\": n} where output was lost because the reader was slow, a "
              "client may say {\"resize\": {\"columns\": c, \"rows\": r}}. Another of its serial "
              "ports is chosen by `port`; one that it was started without is refused.",
          .command = {},
          .examples = {},
      },
  };
}

std::vector<Method> screens() {
  return {
      {
          .id = "vm.vnc",
          .path = "/v1/vms/{vm}/vnc",
          .role = Role::operator_,
          .answer = Answer::websocket,
          .request = &type_of<model::VmRef>,
          .recorded_first = true,
          .summary = "Open the screen",
          .description =
              "A WebSocket whose binary frames are the RFB protocol (RFC 6143) in both directions, "
              "cut anywhere: what noVNC speaks. There is no password, because nobody else reaches "
              "the guest's VNC server. Whoever reads slowly gets fewer pictures; the guest never "
              "waits.",
          .command = {},
          .examples = {},
      },
      {
          .id = "vm.screenshot",
          .path = "/v1/vms/{vm}/screenshot",
          .role = Role::operator_,
          .answer = Answer::bytes,
          .request = &type_of<model::VmRef>,
          .media = "image/png",
          .summary = "Take a picture of the screen",
          .description = "A PNG of what the guest shows now; also of a paused guest.",
          .command = "vm screenshot",
          .examples = {{"Into a file", "ruche vm screenshot web1 -o web1.png"}},
      },
  };
}

Method registering() {
  return task_of<model::RegisterVm>({
      .id = "vm.register",
      .verb = Verb::post,
      .path = "/v1/vms/register",
      .role = Role::administrator,
      .summary = "Take in a virtual machine from its files",
      .description =
          "A guest whose files lie on a datastore and that the store does not know: after the "
          "loss of a host's state, or on a disk that came from elsewhere. Its files are "
          "checked as if an enemy had written them. Disks stay where they are; user id and "
          "addresses are new, a password or user-data for its first boot is gone.",
      .command = "vm register",
      .examples = {{"By its name (ruche datastore guests shows what is there)",
                    "ruche vm register web1", R"({"guest": "web1"})"},
                   {"From another datastore, under another name",
                    "ruche vm register web1 --datastore old --name web1-old"},
                   {"Only look what would happen", "ruche vm register web1 --dry-run"}},
  });
}

Method bulk() {
  return task_of<model::BulkVms>({
      .id = "vm.bulk",
      .verb = Verb::post,
      .path = "/v1/vms/bulk",
      .role = Role::operator_,
      .summary = "Do something to many virtual machines",
      .description =
          "One task, which makes a task for each of them and waits for all: some at a time on each "
          "host. One that refuses or fails does not stop the others; the task's `parts` tell what "
          "became of each, and it fails when not all are done. Cancelling it cancels those that "
          "are under way; what is done stays done. A dry run tells for each what would happen, or "
          "why it would refuse.",
      .command = {},
      .examples = {{"Those with a tag", "ruche vm start --filter tag=web",
                    R"({"action": "start", "filter": "tag=web"})"},
                   {"By name", "ruche vm shutdown web1 web2 --timeout 2m",
                    R"({"action": "shutdown", "vms": ["web1", "web2"], "timeout_ms": 120000})"}},
  });
}

std::vector<Method> life() {
  return {
      task_of<model::CreateVm>({
          .id = "vm.create",
          .verb = Verb::post,
          .path = "/v1/vms",
          .role = Role::operator_,
          .summary = "Create a virtual machine",
          .description =
              "Makes its volumes and, with `start`, starts it. What could never run here "
              "is refused before anything happens.",
          .command = "vm create",
          .examples =
              {{"From an image, running when the command ends",
                "ruche vm create web1 --image demo --cpus 1 --memory 256MiB --start --wait running",
                R"({"name": "web1", "image": "demo", "cpus": 1, )"
                R"("memory_bytes": 268435456, "start": true})"},
               {"With a second disk and a forwarded port",
                "ruche vm create db1 --image demo --disk size=4GiB,bus=sata --forward 8080:80"},
               {"A real system that lets you in, ready when the command ends",
                "ruche vm create db1 --image debian12 --memory 1GiB --ssh-key "
                "~/.ssh/id_ed25519.pub "
                "--start --wait agent"},
               {"Through UEFI, from an installation medium",
                "ruche vm create win1 --system windows --secure-boot --tpm --cdrom installer "
                "--cpus 2 "
                "--memory 4GiB --disk-size 64GiB --start"},
               {"From a template, three of them",
                "ruche vm create web --from-template golden --count 3 --start"},
               {"Only look what would happen", "ruche vm create web2 --image demo --dry-run"}},
      }),
      {
          .id = "vm.set",
          .verb = Verb::patch,
          .path = "/v1/vms/{vm}",
          .role = Role::operator_,
          .answer = Answer::task,
          .request = &type_of<model::VmEdit>,
          .result = &type_of<model::TaskView>,
          .patch = true,
          .summary = "Change a virtual machine",
          .description =
              "A merge patch (RFC 7396): what is absent stays, lists are replaced whole. "
              "A VM that runs follows at once where it can; what has to wait for its next start is "
              "told by the task and by `vm show`.",
          .command = "vm set",
          .examples = {{"More memory", "ruche vm set web1 --memory 512MiB",
                        R"({"memory_bytes": 536870912})"},
                       {"Another name and two tags",
                        "ruche vm set web1 --name front1 --tag web --tag prod"}},
      },
      task_of<model::VmRef>({
          .id = "vm.start",
          .verb = Verb::post,
          .path = "/v1/vms/{vm}/start",
          .role = Role::operator_,
          .urgent = true,
          .summary = "Start a virtual machine",
          .description =
              "Ends when its CPUs run. Refused when the host cannot promise its memory now.",
          .command = "vm start",
          .examples = {{"Start it", "ruche vm start web1"},
                       {"Several", "ruche vm start web1 web2 web3"},
                       {"All that a filter finds", "ruche vm start --filter tag=web"}},
      }),
  };
}

std::vector<Method> ending_and_moving() {
  return {
      task_of<model::DeleteVm>({
          .id = "vm.delete",
          .verb = Verb::delete_,
          .path = "/v1/vms/{vm}",
          .role = Role::operator_,
          .summary = "Delete a virtual machine",
          .description = "Into the recycle bin, where it stays for `recycle_bin` (`setting show`; "
                         "seven days at first); `undelete` takes it out again. With `purge` its "
                         "disks go at once and for good.",
          .command = "vm delete",
          .examples = {{"Into the recycle bin", "ruche vm delete web1"},
                       {"What would happen", "ruche vm delete web1 --dry-run"},
                       {"For good, even if it runs", "ruche vm delete web1 --stop --purge --yes"},
                       {"What would happen to all that a filter finds",
                        "ruche vm delete --filter name~app- --dry-run"}},
      }),
      task_of<model::UndeleteVm>({
          .id = "vm.undelete",
          .verb = Verb::post,
          .path = "/v1/vms/{vm}/undelete",
          .role = Role::operator_,
          .summary = "Take a virtual machine out of the recycle bin",
          .description = "It comes back stopped, with its disks as they were.",
          .command = "vm undelete",
          .examples = {{"Bring it back", "ruche vm undelete web1"},
                       {"Its name was taken meanwhile",
                        "ruche vm undelete web1 --new-name web1-old"},
                       {"Several", "ruche vm undelete web1 web2"}},
      }),
      task_of<model::MoveVm>({
          .id = "vm.move",
          .verb = Verb::post,
          .path = "/v1/vms/{vm}/move",
          .role = Role::operator_,
          .summary = "Move a stopped virtual machine to another host",
          .description = "Its volumes must be on a datastore that both hosts see.",
          .command = "vm move",
          .examples = {{"To host2", "ruche vm move web1 --host host2", R"({"host": "host2"})"}},
      }),
  };
}

std::vector<Method> power() {
  return {
      task_of<model::ShutdownVm>({
          .id = "vm.shutdown",
          .verb = Verb::post,
          .path = "/v1/vms/{vm}/shutdown",
          .role = Role::operator_,
          .urgent = true,
          .summary = "Shut a virtual machine down in order",
          .description =
              "Asks its agent, or presses the power button (ACPI) where none answers, and waits. A "
              "guest that does not power off in time stays as it is and the task says so, unless "
              "`then_stop` is given.",
          .command = "vm shutdown",
          .examples = {{"Give it two minutes, then stop it",
                        "ruche vm shutdown web1 --timeout 2m --then-stop",
                        R"({"timeout_ms": 120000, "then_stop": true})"},
                       {"All that a filter finds", "ruche vm shutdown --filter tag=web"}},
      }),
      task_of<model::StopVm>({
          .id = "vm.stop",
          .verb = Verb::post,
          .path = "/v1/vms/{vm}/stop",
          .role = Role::operator_,
          .urgent = true,
          .summary = "Stop a virtual machine at once",
          .description =
              "Like pulling the plug. With `force` it first cancels whatever task holds the "
              "VM's power state.",
          .command = "vm stop",
          .examples = {{"Stop it", "ruche vm stop web1"},
                       {"Whatever else is going on", "ruche vm stop web1 --force"},
                       {"All that a filter finds, without a question",
                        "ruche vm stop --filter tag=test --yes"}},
      }),
      task_of<model::VmRef>({
          .id = "vm.reset",
          .verb = Verb::post,
          .path = "/v1/vms/{vm}/reset",
          .role = Role::operator_,
          .urgent = true,
          .summary = "Reset a virtual machine",
          .description = "Like the reset button: no orderly shutdown, the process stays.",
          .command = "vm reset",
          .examples = {{"Press reset", "ruche vm reset web1"}},
      }),
      task_of<model::VmRef>({
          .id = "vm.pause",
          .verb = Verb::post,
          .path = "/v1/vms/{vm}/pause",
          .role = Role::operator_,
          .urgent = true,
          .summary = "Pause a virtual machine",
          .description = "Its CPUs stand still; its memory stays.",
          .command = "vm pause",
          .examples = {{"Freeze it, or several", "ruche vm pause web1 web2"}},
      }),
  };
}

std::vector<Method> suspension() {
  return {
      task_of<model::VmRef>({
          .id = "vm.resume",
          .verb = Verb::post,
          .path = "/v1/vms/{vm}/resume",
          .role = Role::operator_,
          .urgent = true,
          .summary = "Resume a paused or suspended virtual machine",
          .description = "Its CPUs go on where they stood. One that was suspended gets a process "
                         "again, with the memory that was saved; `start` does the same to it.",
          .command = "vm resume",
          .examples = {{"Go on", "ruche vm resume web1"},
                       {"All that are paused", "ruche vm resume --filter state=paused"}},
      }),
      task_of<model::VmRef>({
          .id = "vm.suspend",
          .verb = Verb::post,
          .path = "/v1/vms/{vm}/suspend",
          .role = Role::operator_,
          .summary = "Suspend a virtual machine to disk",
          .description =
              "Saves its memory and the state of its devices beside its disks and ends its "
              "process: "
              "it uses no memory and no CPU any more, also after a restart of the host, until "
              "`resume` lets it go on where it stood. Its hardware cannot change meanwhile. A "
              "device that cannot be saved is named in the refusal (`vm devices`).",
          .command = "vm suspend",
          .examples = {{"Save it, go on later", "ruche vm suspend web1 && ruche vm resume web1"},
                       {"All that a filter finds", "ruche vm suspend --filter tag=lab"}},
      }),
      task_of<model::VmRef>({
          .id = "vm.discard",
          .verb = Verb::post,
          .path = "/v1/vms/{vm}/discard",
          .role = Role::operator_,
          .summary = "Give up the memory of a suspended virtual machine",
          .description = "It is stopped then, and its next start is like one after a power cut: "
                         "what was in its memory only is lost.",
          .command = "vm discard",
          .examples = {{"Forget what it did", "ruche vm discard web1"}},
      }),
  };
}

std::vector<Method> agent() {
  return {
      value_of<model::ExecVm, model::ExecResult>({
          .id = "vm.exec",
          .verb = Verb::post,
          .path = "/v1/vms/{vm}/exec",
          .role = Role::operator_,
          .recorded_first = true,
          .summary = "Run a command inside a virtual machine",
          .description =
              "Through the guest's agent, as the agent's user, without a shell. Answers when the "
              "command has ended. The agent keeps the first 16 MiB of each stream and says when it "
              "cut one off; both together may have about 18 MiB here.",
          .command = {},
          .examples = {{"Which kernel", "ruche vm exec web1 -- uname -a",
                        R"({"command": ["uname", "-a"]})"}},
      }),
      task_of<model::FreezeVm>({
          .id = "vm.freeze",
          .verb = Verb::post,
          .path = "/v1/vms/{vm}/freeze",
          .role = Role::operator_,
          .summary = "Freeze a virtual machine's file systems",
          .description =
              "Flushes them and holds their writes, through the guest's agent, so that a "
              "copy of the disks is consistent. They are thawed by `thaw`, and by "
              "themselves after `hold`, whatever happened to whoever asked.",
          .command = "vm freeze",
          .examples = {{"For at most ten seconds", "ruche vm freeze web1 --hold 10s",
                        R"({"hold_ms": 10000})"}},
      }),
      task_of<model::VmRef>({
          .id = "vm.thaw",
          .verb = Verb::post,
          .path = "/v1/vms/{vm}/thaw",
          .role = Role::operator_,
          .summary = "Thaw a virtual machine's file systems",
          .description = "Not frozen is not an error.",
          .command = "vm thaw",
          .examples = {{"Go on writing", "ruche vm thaw web1"}},
      }),
  };
}

}  // namespace

std::vector<Method> vm_methods() {
  std::vector<Method> methods = reading();
  methods.push_back(registering());
  methods.push_back(bulk());
  for (const auto& part : {screens(), life(), ending_and_moving(), power(), suspension(), agent()})
    methods.insert(methods.end(), part.begin(), part.end());
  return methods;
}

}  // namespace ruche::methods
