"""Many guests with one command: a task for the whole, one for each, and what became of them."""

import json
import os
import pty
import subprocess
import time
import unittest

import harness
from harness import SystemTest, wait_for


class Bulk(SystemTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for name in ("app-1", "app-2", "app-3", "db-1"):
            cls.daemon.ruche("vm", "create", name, "--image", "demo", "--memory", "128MiB", "--tag",
                             name.split("-")[0])

    def setUp(self):
        self.daemon.ruche("vm", "stop", "app-1", "app-2", "app-3", "db-1", expect=None)

    def states(self, *names):
        return [self.daemon.state(name) for name in names]

    def parts(self, task):
        return {part["object"]["name"]: part for part in task["parts"]}

    def ask_on_terminal(self, answer, *arguments):
        """The command with a terminal as its input and for its questions."""
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            [os.path.join(harness.BIN, "ruche"), "--socket", self.daemon.socket, *arguments],
            stdin=theirs, stdout=subprocess.PIPE, stderr=theirs, text=True)
        os.close(theirs)
        seen = ""
        while "[y/N]" not in seen:
            seen += os.read(ours, 4096).decode()
        os.write(ours, (answer + "\n").encode())
        out, _ = process.communicate(timeout=harness.PATIENCE)
        os.close(ours)
        return seen, out, process.returncode

    def test_names_and_filters(self):
        done = self.daemon.ruche("vm", "start", "app-1", "db-1")
        self.assertEqual(done.stdout, "app-1: done\ndb-1: done\n")
        self.assertEqual(self.states("app-1", "app-2", "db-1"), ["running", "stopped", "running"])
        done = self.daemon.ruche("vm", "start", "--filter", "tag=app,state=stopped")
        self.assertEqual(done.stdout, "app-2: done\napp-3: done\n")
        done = self.daemon.ruche("vm", "stop", "--filter", "name~app-")
        self.assertEqual(done.stdout, "app-1: done\napp-2: done\napp-3: done\n")
        self.assertEqual(self.states("app-1", "app-2", "app-3", "db-1"), ["stopped"] * 3 + ["running"])

    def test_one_that_refuses(self):
        self.daemon.ruche("vm", "start", "app-2")
        done = self.daemon.ruche("vm", "start", "--filter", "tag=app", expect=9)
        self.assertEqual(done.stdout, "app-1: done\napp-2: failed: app-2 is running already\napp-3: done\n")
        self.assertIn("1 of 3 failed: app-2", done.stderr)
        task = json.loads(self.daemon.ruche("vm", "start", "app-1", "app-2", "-o", "json", expect=9).stdout)
        self.assertEqual(task["state"], "failed")
        self.assertEqual(task["error"]["reason"], "some-failed")
        self.assertEqual(task["progress"]["parts"], 2)
        self.assertEqual(task["progress"]["parts_ended"], 2)
        part = self.parts(task)["app-1"]
        self.assertEqual(part["error"]["reason"], "wrong-state")
        own = self.daemon.api("GET", f"/v1/tasks/{part['task']}", expect=200).json
        self.assertEqual(own["parent"], task["id"])
        self.assertEqual(own["method"], "vm.start")
        children = self.daemon.ruche_json("task", "list", "--filter", f"parent={task['id']}")["items"]
        self.assertEqual(len(children), 2)
        self.assertIn("app-1", self.daemon.ruche("task", "show", task["id"]).stdout)
        self.assertIn("Start 2 VMs", self.daemon.ruche("task", "list").stdout)

    def test_a_dry_run_changes_nothing(self):
        self.daemon.ruche("vm", "start", "app-1")
        spare = os.path.join(self.daemon.directory, "spare")
        self.daemon.ruche("datastore", "create", "spare", "--path", spare)
        before = self.daemon.ruche_json("task", "list")["items"]
        for verb, *more in (("delete",), ("delete", "--stop", "--purge"), ("stop",), ("reset",),
                            ("shutdown",), ("start",)):
            plan = self.daemon.ruche("vm", verb, "--filter", "tag=app", *more, "--dry-run").stdout
            self.assertIn("app-1", plan)
            self.assertIn("app-3", plan)
            self.assertEqual("be refused" in plan, (verb, *more) != ("delete", "--stop", "--purge"))
        for command in (("vm", "delete", "app-2", "--purge"), ("vm", "stop", "app-1"),
                        ("vm", "reset", "app-1"), ("vm", "shutdown", "app-1"),
                        ("datastore", "delete", "spare")):
            self.assertIn("would:", self.daemon.ruche(*command, "--dry-run").stdout)
        # Refused as the real one would be: guests stand on it.
        self.daemon.ruche("image", "delete", "demo", "--dry-run", expect=9)
        self.assertEqual(self.daemon.ruche_json("task", "list")["items"], before)
        self.assertEqual(self.states("app-1", "app-2", "app-3"), ["running", "stopped", "stopped"])

    def test_what_makes_no_sense(self):
        done = self.daemon.ruche("vm", "start", "--filter", "tag=none", expect=6)
        self.assertIn("no VM matches tag=none", done.stderr)
        done = self.daemon.ruche("vm", "start", "app-1", "none", expect=6)
        self.assertIn("no VM none", done.stderr)
        self.assertEqual(self.daemon.state("app-1"), "stopped")
        self.daemon.ruche("vm", "start", "app-1", "--filter", "tag=app", expect=2)
        self.daemon.ruche("vm", "start", expect=2)
        self.daemon.api("POST", "/v1/vms/bulk", {"action": "start", "vms": ["app-1"], "purge": True},
                        expect=400)

    def test_a_person_is_asked(self):
        self.daemon.ruche("vm", "start", "--filter", "tag=app")
        seen, out, code = self.ask_on_terminal("n", "vm", "stop", "--filter", "tag=app")
        self.assertIn("Stop 3 VMs: app-1, app-2, app-3?", seen)
        self.assertNotEqual(code, 0)
        self.assertEqual(self.states("app-1", "app-2", "app-3"), ["running"] * 3)
        seen, out, code = self.ask_on_terminal("y", "vm", "stop", "--filter", "tag=app")
        self.assertEqual((code, out), (0, "app-1: done\napp-2: done\napp-3: done\n"))

    def test_cancelling_the_whole(self):
        # The firmware does not hear the power button, so these take their time.
        self.daemon.ruche("vm", "create", "blank-1", "--disk-size", "1MiB", "--memory", "32MiB", "--start")
        self.daemon.ruche("vm", "create", "blank-2", "--disk-size", "1MiB", "--memory", "32MiB", "--start")
        task = self.daemon.ruche("vm", "shutdown", "blank-1", "blank-2", "--timeout", "10m",
                                 "--no-wait").stdout.strip()

        def view():
            return self.daemon.api("GET", f"/v1/tasks/{task}", expect=200).json

        wait_for(lambda: all("task" in part for part in view()["parts"]))
        self.daemon.ruche("task", "cancel", task, expect=None)
        ended = wait_for(lambda: view() if view()["state"] == "cancelled" else None, explain=view)
        self.assertEqual([part["state"] for part in ended["parts"]], ["cancelled", "cancelled"])
        self.assertEqual(self.states("blank-1", "blank-2"), ["running", "running"])
        self.daemon.ruche("vm", "delete", "blank-1", "blank-2", "--stop", "--purge")

    def test_the_daemon_is_killed_over_it(self):
        self.daemon.ruche("vm", "start", "app-1")
        answer = self.daemon.api("POST", "/v1/vms/bulk", {"action": "start", "filter": "name~-"}, expect=202)
        self.daemon.restart()
        task = answer.json["id"]

        def view():
            return self.daemon.api("GET", f"/v1/tasks/{task}", expect=200).json

        ended = wait_for(lambda: view() if view()["state"] == "failed" else None, explain=view)
        self.assertEqual(ended["error"]["message"], "1 of 4 failed: app-1")
        self.assertEqual(self.states("app-1", "app-2", "app-3", "db-1"), ["running"] * 4)

    def test_many(self):
        count = int(os.environ.get("RUCHE_BULK_GUESTS", "40"))
        for i in range(count):
            self.daemon.ruche("vm", "create", f"many-{i}", "--disk-size", "1MiB", "--memory", "32MiB")
        begin = time.monotonic()
        done = self.daemon.ruche("vm", "delete", "--filter", "name~many-", "--purge", timeout=600)
        print(f"{count} purged in {time.monotonic() - begin:.1f} s", flush=True)
        self.assertEqual(done.stdout.count(": done\n"), count)
        self.assertEqual(self.daemon.ruche_json("vm", "list", "--filter", "name~many-")["items"], [])


if __name__ == "__main__":
    unittest.main()
