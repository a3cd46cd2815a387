"""Snapshots of real guests that count: at every instant, and after every way to break off, their
disks hold what they must, byte for byte, and nothing is left over."""

import os
import shutil
import signal
import subprocess
import time
import unittest

from counting_guest import MIB, CountingTest, guest_files, rows_of
from harness import Daemon, wait_for

FILL = 64  # MiB of a layer, so that a merge takes its time
UEFI = "/usr/share/OVMF/OVMF_CODE_4M.fd"
by_schedule = None  # a daemon that takes them all the while, for the last test


def setUpModule():
    global by_schedule
    by_schedule = Daemon().start()
    unittest.addModuleCleanup(by_schedule.clean_up)
    by_schedule.ruche("vm", "create", "web1", "--disk-size", "1MiB", "--memory", "32MiB")
    by_schedule.ruche("snapshot", "schedule", "set", "web1", "often", "--every", "1m", "--keep", "1")
    by_schedule.ruche("snapshot", "schedule", "set", "web1", "hourly", "--every", "1h", "--keep", "24")


class Snapshots(CountingTest):
    def take(self, name, snapshot, *more):
        self.daemon.ruche("snapshot", "create", name, snapshot, *more)
        return self.snapshots(name)[snapshot]

    def go_back(self, name, snapshot, *more):
        self.daemon.ruche("snapshot", "revert", name, snapshot, *more)

    def delete(self, name, snapshot, *more):
        self.daemon.ruche("snapshot", "delete", name, snapshot, *more)

    def check_stopped(self, name, low, high=None, fills=()):
        self.daemon.ruche("vm", "stop", name)
        return self.check_disk(self.top_of(name), low, high, fills)

    def check_flat(self, name):
        """Without snapshots each disk is what it was made of: one layer, and its image."""
        self.assertEqual(self.snapshots(name), {})
        chain = [row["what"] for row in self.layers_of_disk(name)]
        self.assertEqual(chain, ["current"])
        chain = [row["what"] for row in self.layers_of_disk(name, "disk0")]
        self.assertEqual(chain, ["current", "image demo"])

    def goes_on(self, name, before):
        """The same process, which has never been away and counts on."""
        pid, started = before
        status = self.daemon.vm(name)["status"]
        self.assertIn("pid", status, status)
        self.assertEqual((status["pid"], status["started_at"]), (pid, started))
        self.wait_counter(name, self.counter(name) + 2, 120)

    def process(self, name):
        status = self.daemon.vm(name)["status"]
        return status["pid"], status["started_at"]

    # --- the instant --------------------------------------------------------------------------

    def test_memory_and_disks_are_of_one_instant(self):
        self.make("web1")
        self.begin("web1")
        before = self.wait_counter("web1", 5)
        process = self.process("web1")
        row = self.take("web1", "first", "--memory", "--description", "while it counts")
        self.goes_on("web1", process)
        after = self.counter("web1")
        self.assertTrue(row["memory"])
        self.assertTrue(row["current"])
        self.assertFalse(row["crash_consistent"])
        self.assertEqual(row["description"], "while it counts")
        self.assertGreater(row["memory_size_bytes"], MIB)
        memory = [f for f in guest_files(self.daemon.directory) if f.endswith(".memory")]
        self.assertEqual(len(memory), 1)
        self.assertEqual(os.stat(memory[0]).st_mode & 0o077, 0, "others can read its memory")
        kept = self.check_disk(self.layer_of_snapshot("web1", "first"), before, after)
        self.wait_counter("web1", after + 30)
        for state in ("running", "stopped"):  # the memory stays, so it can be gone back to again
            with self.subTest(state=state):
                if state == "stopped":
                    self.daemon.ruche("vm", "stop", "web1")
                self.go_back("web1", "first")
                self.assertEqual(self.daemon.state("web1"), "running")
                # It does not boot: it goes on counting from what it remembers, and looks whether
                # its disk agrees.
                self.assertGreaterEqual(self.counter("web1"), kept - 1)
                self.assertEqual(self.check_disk(self.layer_of_snapshot("web1", "first"), 0), kept)
                number = self.wait_counter("web1", kept + 5)
        number = self.halt("web1")
        self.assertEqual(self.check_stopped("web1", number, number), number)
        self.check_nothing_leaks()
        self.delete("web1", "first")
        self.assertEqual(self.check_disk(self.top_of("web1"), number, number), number)
        self.check_flat("web1")
        self.check_nothing_leaks()
        self.assertEqual([f for f in guest_files(self.daemon.directory) if f.endswith(".memory")], [])

    def test_without_memory(self):
        self.make("web2", fill=4, start=False)
        fills = self.fills(4)
        self.assertFalse(self.take("web2", "never-ran")["crash_consistent"])
        self.boot("web2")
        self.begin("web2")
        before = self.wait_counter("web2", 5)
        self.assertTrue(self.take("web2", "live")["crash_consistent"])
        live = self.check_disk(self.layer_of_snapshot("web2", "live"), before,
                               self.counter("web2"), fills)
        self.wait_counter("web2", live + 10)
        stopped = self.check_stopped("web2", live + 10, None, fills)
        self.assertFalse(self.take("web2", "stopped")["crash_consistent"])
        self.write_at("web2", MIB, 4 * MIB, 0x11)
        self.check_disk(self.top_of("web2"), stopped, stopped, ((MIB, 4 * MIB, 0x11),))
        self.go_back("web2", "stopped")
        self.assertEqual(self.daemon.state("web2"), "stopped")
        self.check_disk(self.top_of("web2"), stopped, stopped, fills)
        self.go_back("web2", "live", "--start")
        self.daemon.wait_state("web2", "running")
        self.booted("web2")
        self.begin("web2", live)  # what the guest itself reads is that, too
        number = self.wait_counter("web2", live + 5)
        self.check_stopped("web2", number, None, fills)
        self.go_back("web2", "never-ran")
        self.check_disk(self.top_of("web2"), 0, 0, fills)
        for snapshot in ("live", "never-ran", "stopped"):
            self.delete("web2", snapshot)
            self.check_disk(self.top_of("web2"), 0, 0, fills)
        self.check_flat("web2")
        self.check_nothing_leaks()

    def test_a_tree(self):
        self.make("tree1")
        self.begin("tree1")
        self.wait_counter("tree1", 3)
        self.take("tree1", "a", "--memory")
        a = self.check_disk(self.layer_of_snapshot("tree1", "a"), 3)
        self.wait_counter("tree1", a + 5)
        self.take("tree1", "b")
        b = self.check_disk(self.layer_of_snapshot("tree1", "b"), a + 5)
        self.go_back("tree1", "a")
        self.wait_counter("tree1", a + 3)
        self.take("tree1", "c", "--memory")
        c = self.check_disk(self.layer_of_snapshot("tree1", "c"), a + 3)
        rows = self.snapshots("tree1")
        self.assertEqual({n: rows[n].get("parent", "") for n in rows}, {"a": "", "b": "a", "c": "a"})
        self.assertEqual([n for n in rows if rows[n]["current"]], ["c"])
        drawn = self.daemon.ruche("snapshot", "tree", "tree1").stdout
        self.assertRegex(drawn, r"^tree1\n├─ a .*\n│  └─ b .*\n├─ c .*\n└─ \* you are here\n$")
        self.assertTrue(self.daemon.ruche_json("snapshot", "show", "tree1", "b")["crash_consistent"])
        table = self.daemon.ruche("vm", "layers", "tree1").stdout
        for words in ("disk0", "disk1", "current", "snapshot a", "snapshot b", "snapshot c", "image demo"):
            self.assertIn(words, table)
        # In the middle, while it writes: b and c stand on what a keeps, so the layer stays theirs.
        process = self.process("tree1")
        self.delete("tree1", "a")
        self.goes_on("tree1", process)
        rows = self.snapshots("tree1")
        self.assertEqual({n: rows[n].get("parent", "") for n in rows}, {"b": "", "c": ""})
        for snapshot, number in (("b", b), ("c", c)):
            self.check_disk(self.layer_of_snapshot("tree1", snapshot), number, number)
        self.check_nothing_leaks()
        self.delete("tree1", "b")  # now c alone needs what a kept
        self.check_disk(self.layer_of_snapshot("tree1", "c"), c, c)
        self.assertEqual([row["what"] for row in self.layers_of_disk("tree1")], ["current", "snapshot c"])
        self.go_back("tree1", "c")
        self.wait_counter("tree1", c + 3)
        self.delete("tree1", "c")
        number = self.halt("tree1")
        self.check_stopped("tree1", number, number)
        self.check_flat("tree1")
        self.check_nothing_leaks()

    def test_fifty_deep(self):
        self.make("deep1")
        self.begin("deep1")
        numbers = {}
        for i in range(50):
            self.daemon.ruche("snapshot", "create", "deep1", f"s{i}")
        before = 0
        for i in range(50):
            numbers[i] = before = self.check_disk(self.layer_of_snapshot("deep1", f"s{i}"), before)
        self.assertEqual(len(self.layers_of_disk("deep1")), 51)
        process = self.process("deep1")
        for i in (25, 0, 49, *range(1, 20, 2)):
            self.delete("deep1", f"s{i}")
        left = self.snapshots("deep1")
        self.assertEqual(len(left), 37)
        for i in (2, 24, 26, 48):
            self.check_disk(self.layer_of_snapshot("deep1", f"s{i}"), numbers[i], numbers[i])
        self.assertEqual(len(self.layers_of_disk("deep1")), 38)
        self.delete("deep1", "s2", "--children")
        self.goes_on("deep1", process)
        self.check_flat("deep1")
        number = self.halt("deep1")
        self.check_stopped("deep1", number, number)
        self.check_nothing_leaks()

    def test_standing_still_loses_nothing(self):
        """A guest that waits for one answer at a time gets each, whenever it is stopped (ADR 27)."""
        self.make("still1")
        self.begin("still1")
        vm = self.daemon.vm("still1")["id"]
        for _ in range(10):
            before = self.wait_counter("still1", 1)
            for _ in range(20):
                for verb in ("pause", "resume"):
                    path = f"/v1/vms/{vm}/{verb}?wait=30s"
                    task = self.daemon.api("POST", path, {}, expect=200).json
                    self.assertEqual(task["state"], "done", task)
            self.wait_counter("still1", before + 2, 60)
        number = self.halt("still1")
        self.check_stopped("still1", number, number)

    # --- broken off ---------------------------------------------------------------------------

    def kill_daemon(self, delay):
        time.sleep(delay)
        self.daemon.kill()
        self.daemon.start()
        self.settle()

    def test_the_daemon_is_killed(self):
        self.make("web3", fill=FILL, start=False)
        self.take("web3", "base")
        self.boot("web3")
        self.begin("web3")
        self.wait_counter("web3", 3)
        for i, delay in enumerate((0.0, 0.05, 0.2, 0.6)):
            with self.subTest(delay=delay, what="create"):
                process, low = self.process("web3"), self.counter("web3")
                self.ask_for("snapshot", "create", "web3", f"s{i}", "--memory")
                self.kill_daemon(delay)
                self.goes_on("web3", process)
                self.check_nothing_leaks()
                if f"s{i}" not in self.snapshots("web3"):
                    self.take("web3", f"s{i}", "--memory")
                self.assertEqual(self.snapshots("web3")[f"s{i}"]["state"], "ready")
                kept = self.check_disk(self.layer_of_snapshot("web3", f"s{i}"), low, None,
                                       self.fills(FILL))
            with self.subTest(delay=delay, what="revert"):
                task = self.ask_for("snapshot", "revert", "web3", f"s{i}")
                self.kill_daemon(delay)
                self.assertEqual(self.ended(task)["state"], "done")
                self.daemon.wait_state("web3", "running")
                self.wait_counter("web3", kept + 2)
                self.check_nothing_leaks()
        for i, delay in enumerate((0.0, 0.1, 0.3)):
            with self.subTest(delay=delay, what="delete"):
                process = self.process("web3")
                # The first has all that was written before the others; the rest is small.
                victim = ("base", "s0", "s1")[i]
                self.ask_for("snapshot", "delete", "web3", victim)
                self.kill_daemon(delay)
                self.goes_on("web3", process)
                if victim in self.snapshots("web3"):
                    self.delete("web3", victim)
                self.check_nothing_leaks()
        self.delete("web3", "s2", "--children")
        self.check_flat("web3")
        number = self.halt("web3")
        self.check_stopped("web3", number, number, self.fills(FILL))

    def test_a_merge_that_breaks_off(self):
        self.make("web4", fill=FILL, start=False)
        number = 0
        for way in ("qemu", "both", "stop", "cancel", "afterwards"):
            with self.subTest(way=way):
                self.take("web4", "base")
                self.boot("web4")
                self.begin("web4", number)
                low = self.wait_counter("web4", number + 3)
                pid, _ = self.process("web4")
                if way == "afterwards":
                    low = self.halt("web4")  # so that no write of the guest's makes QEMU flush
                task = self.ask_for("snapshot", "delete", "web4", "base")
                if way == "afterwards":
                    self.assertEqual(self.ended(task)["state"], "done")
                    self.check_flat("web4")
                else:
                    time.sleep(0.15)
                if way == "stop":
                    begun = time.monotonic()
                    self.daemon.ruche("vm", "stop", "web4")  # it waits for no merge
                    self.assertLess(time.monotonic() - begun, 10)
                elif way == "cancel":
                    self.daemon.ruche("task", "cancel", task, expect=None)
                    self.wait_counter("web4", low + 5)
                else:
                    if way == "both":  # nobody sees it go
                        self.daemon.process.send_signal(signal.SIGSTOP)
                    os.kill(pid, signal.SIGKILL)
                    if way == "both":
                        self.daemon.restart()
                self.settle()
                if way == "cancel":
                    self.halt("web4")
                    self.daemon.ruche("vm", "stop", "web4")
                else:
                    self.daemon.wait_state("web4", "stopped" if way == "stop" else "crashed")
                number = self.check_disk(self.top_of("web4"), low, None, self.fills(FILL))
                self.check_nothing_leaks()
                if "base" in self.snapshots("web4"):
                    self.delete("web4", "base")
                self.check_flat("web4")
                self.check_disk(self.top_of("web4"), number, number, self.fills(FILL))
                self.check_nothing_leaks()

    def test_taking_one_is_cancelled(self):
        """At once, in the middle, and by a daemon that dies before it has done anything about it."""
        self.make("web5", memory="256MiB")
        self.begin("web5")
        self.ask("web5", "dd if=/dev/urandom of=/tmp/noise bs=1M count=64 2> /dev/null")
        low = self.wait_counter("web5", 3)
        process = self.process("web5")
        for delay, killed in ((0.0, False), (0.1, False), (0.05, True), (0.2, True)):
            with self.subTest(delay=delay, killed=killed):
                task = self.ask_for("snapshot", "create", "web5", "given-up", "--memory")
                time.sleep(delay)
                self.daemon.ruche("task", "cancel", task, "--no-wait", expect=None)
                if killed:
                    self.daemon.restart()
                ended = self.ended(task)
                self.settle()
                self.goes_on("web5", process)
                self.assertEqual("given-up" in self.snapshots("web5"), ended["state"] == "done", ended)
                self.check_nothing_leaks()
                if ended["state"] == "done":
                    self.delete("web5", "given-up")
        # A cut whose snapshot never came is merged by itself; a new daemon looks at once.
        self.daemon.restart()
        wait_for(lambda: len(self.layers_of_disk("web5")) == 1, 90, lambda: self.layers("web5"))
        self.settle()
        self.goes_on("web5", process)
        self.check_flat("web5")
        number = self.halt("web5")
        self.assertGreater(self.check_stopped("web5", number, number), low)
        self.check_nothing_leaks()

    # --- what can be wrong with the surroundings ----------------------------------------------

    def wait_saving(self, folder):
        """Until some memory is in a file; looks often, because it is a matter of moments."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            for path in guest_files(folder):
                if path.endswith(".memory") and os.stat(path).st_blocks * 512 > 4 * MIB:
                    return
        self.fail("no memory is saved")

    def test_a_datastore_that_fills(self):
        small = os.path.join(self.daemon.directory, "small")
        os.mkdir(small)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1800m", "small", small], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", small])
        self.daemon.ruche("datastore", "create", "small", "--path", os.path.join(small, "store"))
        self.daemon.ruche("image", "build", "demo", "--name", "demo2", "--datastore", "small")
        self.make("full1", "--datastore", "small", image="demo2", memory="512MiB")
        self.ask("full1", "dd if=/dev/urandom of=/tmp/noise bs=1M count=150 2> /dev/null")
        self.begin("full1")
        low = self.wait_counter("full1", 3)
        process = self.process("full1")
        task = self.ask_for("snapshot", "create", "full1", "too-large", "--memory")
        self.wait_saving(small)
        os.kill(process[0], signal.SIGSTOP)  # so that it is not ready sooner
        ballast = os.path.join(small, "ballast")
        with open(ballast, "wb", buffering=0) as file:
            file.seek(free_in(small) // MIB * MIB)
            os.posix_fallocate(file.fileno(), 0, file.tell())
            try:
                while True:
                    file.write(b"\1" * 4096)
            except OSError:
                pass  # now it is full
        os.kill(process[0], signal.SIGCONT)
        ended = self.ended(task)
        self.assertEqual(ended["state"], "failed", ended)
        self.assertRegex(ended["error"]["message"], r"(?i)space|full")
        os.unlink(ballast)
        self.daemon.wait_state("full1", "running")
        self.goes_on("full1", process)
        self.assertEqual(self.snapshots("full1"), {})
        self.check_nothing_leaks()
        self.assertEqual([f for f in guest_files(small) if f.endswith(".memory")], [])
        # What would not fit anyhow is refused before anything happens.
        with open(ballast, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, free_in(small) - 16 * MIB)
        before = self.layers("full1")
        refused = self.daemon.ruche("snapshot", "create", "full1", "no-room", "--memory", expect=None)
        self.assertNotEqual(refused.returncode, 0)
        self.assertRegex(refused.stderr, r"(?i)space|full|room")
        os.unlink(ballast)
        self.daemon.wait_state("full1", "running")
        self.assertEqual(len(self.layers("full1")), len(before))
        self.take("full1", "fits", "--memory")
        self.delete("full1", "fits")
        number = self.halt("full1")
        self.assertGreater(self.check_stopped("full1", number, number), low)
        self.remove("full1")
        self.daemon.ruche("image", "delete", "demo2")
        self.daemon.ruche("datastore", "delete", "small")

    def test_a_layer_that_was_damaged(self):
        self.make("cut1", start=False)
        self.make("cut2", start=False)
        for name in ("cut1", "cut2"):
            self.take(name, "base")
        path = self.layer_of_snapshot("cut1", "base")
        kept = os.path.join(self.daemon.directory, "kept")
        shutil.copyfile(path, kept)
        os.truncate(path, 100)
        refused = self.refused("vm", "start", "cut1")
        self.assertRegex(refused, f"disk1|{os.path.basename(path)[:36]}")
        self.assertEqual(self.daemon.state("cut1"), "stopped")
        self.assertEqual(self.ended(self.ask_for("snapshot", "delete", "cut1", "base"))["state"], "failed")
        self.assertIn("base", self.snapshots("cut1"))
        self.daemon.restart()
        self.daemon.ruche("vm", "layers", "cut1")  # looking at it does no harm
        self.daemon.ruche("vm", "start", "cut2", "--wait", "running")
        self.daemon.ruche("vm", "stop", "cut2")
        self.delete("cut2", "base")
        # Once it is whole again everything goes on.
        shutil.copyfile(kept, path)  # into the same file, which keeps its owner
        self.delete("cut1", "base")
        self.daemon.ruche("vm", "start", "cut1", "--wait", "running")
        self.check_nothing_leaks()

    def test_firmware_and_tpm(self):
        if not shutil.which("swtpm") or not os.path.exists(UEFI):
            self.skipTest("the packages swtpm and ovmf are not installed")
        self.daemon.ruche("vm", "create", "uefi1", "--disk-size", "1MiB", "--boot", "uefi", "--tpm",
                          "--memory", "256MiB")
        self.addCleanup(self.remove, "uefi1")

        def own(kind):
            spec = self.daemon.vm("uefi1")["spec"]
            layer = spec["boot"]["uefi_vars"] if kind == "vars" else spec["tpm"]["state"]
            found = [f for f in guest_files(self.daemon.directory) if os.path.basename(f) == f"{layer}.{kind}"]
            self.assertEqual(len(found), 1)
            return found[0]

        def content(kind):
            with open(own(kind), "rb") as file:
                return file.read()

        blank = {kind: content(kind) for kind in ("vars", "tpm")}
        self.take("uefi1", "blank")
        self.daemon.ruche("vm", "start", "uefi1", "--wait", "running")
        # The chip makes its keys at its first start, and the firmware writes its variables.
        wait_for(lambda: content("tpm") != blank["tpm"] and content("vars") != blank["vars"], 90)
        pid = self.daemon.vm("uefi1")["status"]["pid"]
        self.take("uefi1", "live", "--memory")
        self.assertEqual(self.daemon.vm("uefi1")["status"]["pid"], pid)
        self.go_back("uefi1", "live")
        self.assertEqual(self.daemon.state("uefi1"), "running")
        self.check_nothing_leaks()
        self.daemon.ruche("vm", "stop", "uefi1")
        used = {kind: content(kind) for kind in ("vars", "tpm")}
        self.take("uefi1", "used")
        self.go_back("uefi1", "blank")
        self.assertEqual(self.daemon.state("uefi1"), "stopped")
        for kind in ("vars", "tpm"):
            self.assertTrue(content(kind) == blank[kind], f"{kind} is not as it was")
        self.go_back("uefi1", "used")
        for kind in ("vars", "tpm"):
            self.assertTrue(content(kind) == used[kind], f"{kind} is not as it was")
        self.delete("uefi1", "blank", "--children")
        self.assertEqual(self.snapshots("uefi1"), {})
        kinds = sorted(f.rsplit(".", 1)[1] for f in guest_files(self.daemon.directory)
                       if self.daemon.vm("uefi1")["id"] in f)
        self.assertEqual(kinds, ["json", "qcow2", "tpm", "vars"])
        self.daemon.ruche("vm", "start", "uefi1", "--wait", "running")
        self.check_nothing_leaks()

    # --- refusals -----------------------------------------------------------------------------

    def test_refusals(self):
        self.make("no1", "--disk", "size=8MiB,bus=nvme", start=False)
        self.assertIn("memory", self.refused("snapshot", "create", "no1", "s", "--memory"))
        self.daemon.ruche("vm", "start", "no1", "--wait", "running")
        self.assertIn("disk2", self.refused("snapshot", "create", "no1", "s", "--memory"))
        self.assertIn("agent", self.refused("snapshot", "create", "no1", "s", "--quiesce"))
        self.refused("snapshot", "create", "no1", "Not A Name")
        self.assertEqual(self.snapshots("no1"), {})
        self.assertEqual(self.layers_of_disk("no1")[0]["what"], "current")
        self.assertEqual(len(self.layers_of_disk("no1")), 1)
        self.take("no1", "s")  # without memory it may
        before = self.layers("no1")
        self.assertIn("s", self.refused("snapshot", "create", "no1", "s"))
        said = self.refused("snapshot", "revert", "no1", "unknown")
        self.assertIn("unknown", said)
        self.assertIn("snapshot", said)
        self.refused("snapshot", "delete", "no1", "unknown")
        self.refused("snapshot", "list", "unknown")
        plan = self.daemon.ruche("snapshot", "delete", "no1", "s", "--dry-run").stdout
        self.assertTrue(plan.strip())
        plan = self.daemon.ruche("snapshot", "revert", "no1", "s", "--dry-run").stdout
        self.assertTrue(plan.strip())
        self.daemon.ruche("snapshot", "create", "no1", "t", "--dry-run")
        self.assertEqual(list(self.snapshots("no1")), ["s"])
        self.assertEqual([row["id"] for row in self.layers("no1")], [row["id"] for row in before])
        self.assertEqual(self.daemon.state("no1"), "running")
        self.check_nothing_leaks()


def free_in(folder):
    room = os.statvfs(folder)
    return room.f_bavail * room.f_bsize


class SnapshotsByThemselves(unittest.TestCase):
    """The last, so that time has passed."""

    def test_they_are_taken_and_only_the_newest_are_kept(self):
        refused = by_schedule.ruche("snapshot", "schedule", "set", "web1", "hasty", "--every", "1s",
                                    expect=None)
        self.assertNotEqual(refused.returncode, 0)
        rows = rows_of(by_schedule.ruche_json("snapshot", "schedule", "list", "web1"))
        rows = {row["name"]: row for row in rows}
        self.assertEqual(sorted(rows), ["hourly", "often"])
        self.assertEqual((rows["hourly"]["every_ms"], rows["hourly"]["keep"]), (3_600_000, 24))

        def taken():
            found = rows_of(by_schedule.ruche_json("snapshot", "list", "web1"))
            return [s["name"] for s in found if s["schedule"] == "often" and s["state"] == "ready"]

        first = wait_for(taken, 90)[0]
        self.assertTrue(first.startswith("often-"))
        # The next one comes, and the one before it goes.
        wait_for(lambda: len(taken()) == 1 and taken()[0] != first, 150, taken)


if __name__ == "__main__":
    unittest.main()
