"""Guests that are suspended to disk and go on from there: real ones, through the command line."""

import os
import re
import subprocess
import time

from harness import SystemTest, wait_for


class Suspend(SystemTest):
    def create(self, name, *more):
        self.daemon.ruche("vm", "create", name, "--image", "demo", "--memory", "256MiB", *more,
                          "--start", "--wait", "running")
        self.last_tick(name)

    def last_tick(self, name):
        seen = self.daemon.ruche("vm", "console", name, "--no-input", "--until", "tick [0-9]+",
                                 "--timeout", "120s").stdout
        return max(int(number) for number in re.findall(r"tick (\d+)", seen))

    def in_guest(self, name, command):
        mark = f"mark{time.monotonic_ns()}"
        done = self.daemon.ruche(
            "vm", "console", name, "--until", f"end [0-9]+ of {mark}", "--timeout", "120s",
            stdin=f"\ntouch /tmp/quiet; echo begin of {mark}; {command}; echo end $? of {mark}\n")
        return done.stdout.replace("\r", "").rsplit(f"begin of {mark}\n", 1)[-1].rsplit("end ", 1)[0]

    def memory_files(self):
        found = []
        for folder, _, files in os.walk(self.daemon.directory):
            found += [os.path.join(folder, name) for name in files if name.endswith(".memory")]
        return found

    def test_a_guest_goes_on_where_it_stood(self):
        self.create("web1")
        self.in_guest("web1", "mkdir -p /tmp/kept; echo still-here > /tmp/kept/note; sync")
        pid = self.daemon.vm("web1")["status"]["pid"]
        self.daemon.ruche("vm", "suspend", "web1")
        shown = self.daemon.vm("web1")
        self.assertEqual(shown["status"]["state"], "suspended")
        self.assertFalse(os.path.exists(f"/proc/{pid}"))
        self.assertEqual(shown["placement"]["reserved"]["memory_bytes"], 0)
        files = self.memory_files()
        self.assertEqual(len(files), 1)
        used = os.stat(files[0]).st_blocks * 512
        self.assertLessEqual(used, 300 << 20)
        self.assertAlmostEqual(shown["status"]["saved"]["size_bytes"], used, delta=1 << 20)
        self.assertEqual(os.stat(files[0]).st_mode & 0o077, 0, "others can read its memory")
        # The daemon may go meanwhile.
        self.daemon.kill()
        self.daemon.start()
        self.assertEqual(self.daemon.vm("web1")["status"]["state"], "suspended")
        self.daemon.ruche("vm", "resume", "web1")
        # What was in its memory only is there: it has not booted.
        self.assertIn("still-here", self.in_guest("web1", "cat /tmp/kept/note"))
        self.assertEqual(self.memory_files(), [])
        self.assertEqual(self.daemon.vm("web1")["status"]["state"], "running")

    def test_devices_that_came_while_it_ran_come_back(self):
        self.create("web2", "--cpus-max", "4", "--memory-max", "1GiB", "--memory-min", "128MiB")
        self.daemon.ruche("vm", "disk", "add", "web2", "--size", "64MiB", "--bus", "virtio-scsi")
        self.daemon.ruche("vm", "disk", "add", "web2", "--size", "64MiB")
        self.daemon.ruche("vm", "nic", "add", "web2", "--network", "user")
        self.daemon.ruche("vm", "set", "web2", "--cpus", "2", "--memory", "512MiB")
        wait_for(lambda: "vdb" in self.in_guest("web2", "ls /sys/class/block"))
        self.in_guest("web2", "echo written-before > /dev/vdb; sync")
        wait_for(lambda: "2" in self.in_guest("web2", "nproc"))
        self.in_guest("web2", "cat /proc/uptime")  # what it says of its boot is over
        before = self.in_guest("web2", "grep MemTotal /proc/meminfo; nproc; ls /sys/class/net")
        self.daemon.ruche("vm", "suspend", "web2")
        refused = self.daemon.ruche("vm", "disk", "remove", "web2", "disk1", "--yes", expect=None)
        self.assertIn("suspended", refused.stderr)
        self.daemon.ruche("vm", "start", "web2")
        after = self.in_guest("web2", "grep MemTotal /proc/meminfo; nproc; ls /sys/class/net")
        self.assertEqual(after, before)
        self.assertIn("written-before", self.in_guest("web2", "head -c 14 /dev/vdb; echo"))
        # What came can go again, now as before.
        self.daemon.ruche("vm", "set", "web2", "--memory", "256MiB")
        self.daemon.ruche("vm", "disk", "remove", "web2", "disk2", "--yes")
        self.daemon.ruche("vm", "disk", "remove", "web2", "disk1", "--yes")
        self.daemon.ruche("vm", "suspend", "web2")
        self.daemon.ruche("vm", "resume", "web2")
        self.assertNotIn("vdb", self.in_guest("web2", "ls /sys/class/block"))

    def test_memory_that_was_damaged_is_refused_and_can_be_given_up(self):
        self.create("web3")
        self.daemon.ruche("vm", "suspend", "web3")
        with open(self.memory_files()[0], "r+b") as file:
            file.truncate(100)
        refused = self.daemon.ruche("vm", "resume", "web3", expect=None)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("vm discard", refused.stderr)
        self.assertEqual(self.daemon.vm("web3")["status"]["state"], "suspended")
        self.daemon.ruche("vm", "discard", "web3", "--yes")
        self.daemon.ruche("vm", "start", "web3", "--wait", "running")
        self.last_tick("web3")

    def test_a_device_that_cannot_be_saved_is_named(self):
        self.create("web4")
        self.daemon.ruche("vm", "disk", "add", "web4", "--size", "64MiB", "--bus", "nvme")
        refused = self.daemon.ruche("vm", "suspend", "web4", expect=None)
        self.assertIn("disk1", refused.stderr)
        self.assertEqual(self.daemon.vm("web4")["status"]["state"], "running")

    def test_a_daemon_that_is_killed_while_it_saves_saves_all_the_same(self):
        self.create("web5")
        self.in_guest("web5", "mkdir -p /tmp/kept; echo still-here > /tmp/kept/note")
        for delay in (0.0, 0.05, 0.15, 0.3):
            with self.subTest(delay=delay):
                self.daemon.ruche("vm", "suspend", "web5", "--no-wait")
                time.sleep(delay)
                self.daemon.kill()
                self.daemon.start()
                self.daemon.wait_state("web5", "suspended")
                self.daemon.ruche("vm", "resume", "web5", "--no-wait")
                time.sleep(delay)
                self.daemon.kill()
                self.daemon.start()
                self.daemon.wait_state("web5", "running")
                self.assertIn("still-here", self.in_guest("web5", "cat /tmp/kept/note"))
                wait_for(lambda: self.memory_files() == [])
