"""The daemon ends by itself before and after every commit of an operation, with real files and a
real QEMU; the next daemon must bring everything to an end, with nothing left over.

Uses the sanitized build, which has the crash points (RUCHE_KILL_AT_COMMIT)."""

import http.client
import os
import subprocess
import unittest

import harness
from harness import SOURCE, Daemon, SystemTest, is_alive, wait_for

harness.BIN = os.path.join(os.environ.get("RUCHE_DEV_BUILD", os.path.join(SOURCE, "build", "dev")), "bin")

MOST_COMMITS = 16


class KillSweep(SystemTest):
    needs_demo = False

    def setUp(self):
        self.counter = 0

    def settle(self):
        """No open task, and the documents agree with the machine."""
        def open_tasks():
            # One answer: a task changes its state between two.
            tasks = self.daemon.api("GET", "/v1/tasks?limit=1000", expect=200).json["items"]
            return [t for t in tasks if t["state"] in ("waiting", "running", "reverting")]

        wait_for(lambda: not open_tasks(), explain=open_tasks)

    def check_nothing_leaks(self):
        vms = self.daemon.api("GET", "/v1/vms?limit=1000").json["items"]
        host = self.daemon.api("GET", "/v1/hosts/self").json
        reserved = sum(vm["placement"]["reserved"]["memory_bytes"] for vm in vms)
        self.assertEqual(host["ledger"]["memory_reserved_bytes"], reserved)
        layers = sorted(disk["layer"] for vm in vms for disk in vm["spec"]["disks"])
        deleted = self.daemon.api("GET", "/v1/vms?limit=1000&deleted=true").json["items"]
        layers = sorted(set(layers) | {d["layer"] for vm in deleted for d in vm["spec"]["disks"]})
        files = subprocess.run(["find", self.daemon.data, "-path", "*/guests/*", "-type", "f",
                                "-not", "-name", "guest.json"],
                               capture_output=True, text=True).stdout.split()
        self.assertEqual(sorted(os.path.basename(f).split(".")[0] for f in files), layers)
        for vm in vms:
            running = vm["status"]["state"] == "running"
            self.assertEqual(running, bool(vm["status"].get("pid")))
            if running:
                self.assertTrue(is_alive(vm["status"]["pid"]))
        pids = sorted(vm["status"]["pid"] for vm in vms if vm["status"].get("pid"))
        wait_for(lambda: sorted(self.daemon.pids()) == pids, explain=self.daemon.pids)
        self.assertEqual(qemu_processes(self.daemon), pids)

    def sweep(self, prepare, operate, accept):
        """operate(name) under a daemon that dies at commit k, for every k until it lives."""
        survived = 0
        for k in range(1, MOST_COMMITS):
            for moment in ("before", "after"):
                self.counter += 1
                name = f"{self._testMethodName[5:]}-{self.counter}"
                self.daemon.stop()
                self.daemon.start()
                prepare(name)
                self.daemon.stop()
                self.daemon.start({"RUCHE_KILL_AT_COMMIT": f"{k}:{moment}"}, expect_failure=True)
                if self.daemon.process.poll() is None:
                    operate(name)
                died = self.daemon.process.poll() is not None
                if died:
                    self.daemon.start()
                self.settle()
                with self.subTest(commit=k, moment=moment, died=died):
                    accept(name, died)
                    self.check_nothing_leaks()
                survived += not died
                self.ask("DELETE", f"/v1/vms/{name}?stop=true&purge=true&wait=60s")
            if survived >= 2:
                return
        self.fail("the operation never came to its end")

    def ask(self, method, path, body=None):
        """Asks and waits for the end of the task; the daemon may die meanwhile."""
        try:
            self.daemon.raw(method, path, body, {"Content-Type": "application/json"})
        except (OSError, http.client.HTTPException):
            self.daemon.process.wait(harness.PATIENCE)  # the answer was lost with the daemon

    def exists(self, name):
        return self.daemon.api("GET", f"/v1/vms/{name}").status == 200

    def make(self, name):
        self.daemon.ruche("vm", "create", name, "--disk-size", "1MiB", "--memory", "32MiB")

    def test_create(self):
        def accept(name, died):
            if not died:
                self.assertEqual(self.daemon.state(name), "stopped")
            elif self.exists(name):
                self.assertEqual(self.daemon.state(name), "stopped")

        self.sweep(lambda name: None,
                   lambda name: self.ask("POST", "/v1/vms?wait=60s", {
                       "name": name, "disk_size_bytes": 1 << 20, "memory_bytes": 32 << 20}), accept)

    def test_start(self):
        def accept(name, died):
            allowed = ("running",) if not died else ("running", "stopped")
            self.assertIn(self.daemon.state(name), allowed)

        self.sweep(self.make, lambda name: self.ask("POST", f"/v1/vms/{name}/start?wait=60s", {}), accept)

    def test_bulk(self):
        def prepare(name):
            # Not sooner: the daemon of the round before may still be about to die.
            for old in others:
                self.daemon.ruche("vm", "delete", old, "--stop", "--purge")
            others[:] = [name + "-b"]
            self.make(name)
            self.make(name + "-b")

        def accept(name, died):
            # What was accepted is brought to its end, for both; what was not has not begun.
            tasks = self.daemon.api("GET", "/v1/tasks?filter=method=vm.bulk&sort=-created_at&limit=1").json
            mine = [t for t in tasks["items"] if t["id"] not in seen]
            seen.update(t["id"] for t in mine)
            expected = "running" if mine or not died else "stopped"
            self.assertEqual([t["state"] for t in mine], ["done"] * len(mine))
            self.assertEqual([self.daemon.state(name), self.daemon.state(name + "-b")], [expected] * 2)
            parts = self.daemon.api("GET", "/v1/tasks?limit=1000").json["items"]
            self.assertEqual(sum(p.get("parent") in [t["id"] for t in mine] for p in parts), 2 * len(mine))

        seen, others = set(), []
        self.sweep(prepare, lambda name: self.ask("POST", "/v1/vms/bulk?wait=60s", {
            "action": "start", "vms": [name, name + "-b"]}), accept)

    def test_stop(self):
        def prepare(name):
            self.make(name)
            self.daemon.ruche("vm", "start", name)

        def accept(name, died):
            allowed = ("stopped",) if not died else ("running", "stopped")
            self.assertIn(self.daemon.state(name), allowed)

        self.sweep(prepare, lambda name: self.ask("POST", f"/v1/vms/{name}/stop?wait=60s", {}),
                   accept)

    def test_delete(self):
        def deleted(name):
            found = self.daemon.api("GET", "/v1/vms?limit=1000&deleted=true", expect=200)
            return any(vm["name"] == name for vm in found.json["items"])

        def accept(name, died):
            self.assertNotEqual(self.exists(name), deleted(name))  # here or in the bin, never lost
            if not died:
                self.assertTrue(deleted(name))

        self.sweep(self.make, lambda name: self.ask("DELETE", f"/v1/vms/{name}?wait=60s"), accept)

    def test_purge(self):
        def prepare(name):
            self.make(name)
            self.daemon.ruche("vm", "start", name)

        def accept(name, died):
            if not died:
                self.assertFalse(self.exists(name))

        self.sweep(prepare, lambda name: self.ask(
            "DELETE", f"/v1/vms/{name}?stop=true&purge=true&wait=60s"), accept)


def qemu_processes(daemon):
    """QEMU processes whose standard error is a file of this instance."""
    mine = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            target = os.readlink(f"/proc/{entry}/fd/2")
            name = os.readlink(f"/proc/{entry}/exe")
        except OSError:
            continue
        if "qemu-system" in name and target.startswith(daemon.data) and is_alive(int(entry)):
            mine.append(int(entry))
    return sorted(mine)


if __name__ == "__main__":
    unittest.main()
