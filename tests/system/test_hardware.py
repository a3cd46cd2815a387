"""Hardware that changes while a real guest runs, seen from inside the guest and by QEMU."""

import itertools
import json
import os
import re
import subprocess
import time

from harness import SystemTest, wait_for

MARKS = itertools.count(1)
GIB = 1 << 30


class Hardware(SystemTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.daemon.ruche("vm", "create", "web1", "--image", "demo", "--cpus", "1",
                         "--cpus-max", "4", "--memory", "256MiB", "--memory-max", "1GiB", "--memory-min", "128MiB",
                         "--start", "--wait", "running")
        cls.daemon.ruche("vm", "console", "web1", "--no-input", "--until", "tick [0-9]+",
                         "--timeout", "120s")

    def in_guest(self, command, name="web1", timeout=120):
        """Types a command on the guest's console; what it printed, ticks left out."""
        mark = f"mark{next(MARKS)}"
        done = self.daemon.ruche(
            "vm", "console", name, "--until", f"end [0-9]+ of {mark}", "--timeout", f"{timeout}s",
            stdin=f"\ntouch /tmp/quiet; echo begin of {mark}; {command}; echo end $? of {mark}\n",
            timeout=timeout + 30)
        text = done.stdout.replace("\r", "")
        return text.rsplit(f"begin of {mark}\n", 1)[-1].rsplit("end ", 1)[0]

    def number(self, command):
        return int(re.findall(r"\d+", self.in_guest(command))[-1])

    def pending(self, name="web1"):
        return self.daemon.vm(name)["pending"]

    def qemu_files(self, name="web1"):
        """What QEMU has open, below the daemon's directory."""
        pid = self.daemon.vm(name)["status"]["pid"]
        found = set()
        for number in os.listdir(f"/proc/{pid}/fd"):
            try:
                target = os.readlink(f"/proc/{pid}/fd/{number}")
            except OSError:
                continue
            if target.startswith(self.daemon.directory):
                found.add(target)
        return found

    def test_01_cpus_come(self):
        self.assertEqual(self.number("nproc"), 1)
        self.daemon.ruche("vm", "set", "web1", "--cpus", "3")
        wait_for(lambda: self.number("nproc") == 3, explain=lambda: self.in_guest("nproc"))
        # Under emulation none goes again: QEMU would end at the next one that comes.
        refused = self.daemon.ruche("vm", "set", "web1", "--cpus", "1", expect=None)
        self.assertIn("under emulation", refused.stderr)
        self.assertEqual(self.number("nproc"), 3)
        self.assertEqual(self.pending(), [])

    def test_02_memory_comes_and_goes(self):
        before = self.number("awk '/MemTotal/{print $2}' /proc/meminfo")
        self.daemon.ruche("vm", "set", "web1", "--memory", "640MiB")
        after = self.number("awk '/MemTotal/{print $2}' /proc/meminfo")
        self.assertAlmostEqual(after - before, 384 << 10, delta=8 << 10)
        self.daemon.ruche("vm", "set", "web1", "--memory", "256MiB")
        self.assertLess(self.number("awk '/MemTotal/{print $2}' /proc/meminfo"), before + (8 << 10))
        shown = self.daemon.ruche_json("vm", "memory", "web1")
        self.assertEqual(shown["plugged_bytes"], 256 << 20)

    def test_03_the_balloon_takes_memory_back(self):
        before = self.number("awk '/MemFree/{print $2}' /proc/meminfo")
        self.daemon.ruche("vm", "set", "web1", "--memory-target", "192MiB")
        wait_for(lambda: self.number("awk '/MemTotal/{print $2}' /proc/meminfo") < 196 << 10,
                 explain=lambda: self.in_guest("cat /proc/meminfo"))
        self.assertLess(self.number("awk '/MemFree/{print $2}' /proc/meminfo"), before)
        wait_for(lambda: self.daemon.ruche_json("vm", "memory", "web1").get("guest_free_bytes"))
        self.assertEqual(self.daemon.ruche_json("vm", "memory", "web1")["available_bytes"], 192 << 20)
        refused = self.daemon.ruche("vm", "set", "web1", "--memory-target", "32MiB", expect=None)
        self.assertIn("memory_min", refused.stderr)
        self.daemon.ruche("vm", "set", "web1", "--memory-target", "0")
        wait_for(lambda: self.daemon.ruche_json("vm", "memory", "web1")["available_bytes"] ==
                 256 << 20)

    def test_04_disks_come_grow_and_go(self):
        for bus, device in (("virtio-blk", "vd[b-z]"), ("virtio-scsi", "sd[a-z]"),
                            ("nvme", "nvme0n1")):
            with self.subTest(bus=bus):
                files = self.qemu_files()
                self.daemon.ruche("vm", "disk", "add", "web1", "--size", "64MiB", "--bus", bus)
                blocks = wait_for(lambda: re.findall(
                    rf"size (\d+)", self.in_guest(f"echo size $(cat /sys/class/block/{device}/size)")))
                self.assertEqual(int(blocks[-1]) * 512, 64 << 20)
                more = self.qemu_files() - files
                self.assertEqual(len(more), 1, more)
                disk = self.daemon.vm("web1")["spec"]["disks"][-1]["name"]
                if bus == "nvme":
                    refused = self.daemon.ruche("vm", "disk", "grow", "web1", disk, "128MiB",
                                                expect=None)
                    self.assertIn("only while web1 is stopped", refused.stderr)
                else:
                    self.daemon.ruche("vm", "disk", "grow", "web1", disk, "128MiB")
                    wait_for(lambda: self.number(f"cat /sys/class/block/{device}/size") * 512 ==
                             128 << 20)
                self.daemon.ruche("vm", "disk", "remove", "web1", disk, "--yes")
                self.assertEqual(self.in_guest(f"ls -d /sys/class/block/{device} 2>/dev/null").strip(),
                                 "")
                self.assertEqual(self.qemu_files(), files)
                self.assertFalse(os.path.exists(more.pop()), "its volume stays")

    def test_05_what_is_written_survives_the_daemon_and_a_removal_half_way(self):
        self.daemon.ruche("vm", "disk", "add", "web1", "--size", "64MiB")
        wait_for(lambda: "vdb" in self.in_guest("ls /sys/class/block"))
        self.in_guest("echo ruche-was-here > /dev/vdb; sync")
        self.daemon.kill()
        self.daemon.start()
        self.daemon.wait_state("web1", "running")
        self.assertIn("ruche-was-here", self.in_guest("head -c 15 /dev/vdb; echo"))
        self.daemon.ruche("vm", "disk", "remove", "web1", "disk1", "--yes")
        self.assertNotIn("vdb", self.in_guest("ls /sys/class/block"))

    def test_06_a_limit_holds(self):
        self.daemon.ruche("vm", "disk", "add", "web1", "--size", "64MiB", "--limits",
                          "bandwidth=4MiB")
        wait_for(lambda: "vdb" in self.in_guest("ls /sys/class/block"))
        begin = time.monotonic()
        self.in_guest("dd if=/dev/zero of=/dev/vdb bs=1M count=24 oflag=direct 2>/dev/null")
        self.assertGreater(time.monotonic() - begin, 3.5)
        self.daemon.ruche("vm", "disk", "set", "web1", "disk1", "--limits", "bandwidth=0")
        begin = time.monotonic()
        self.in_guest("dd if=/dev/zero of=/dev/vdb bs=1M count=24 oflag=direct 2>/dev/null")
        self.assertLess(time.monotonic() - begin, 3.5)
        self.daemon.ruche("vm", "disk", "remove", "web1", "disk1", "--yes")

    def test_07_adapters_come_lose_their_cable_and_go(self):
        self.daemon.ruche("vm", "nic", "add", "web1", "--network", "user", "--mac",
                          "52:54:00:12:34:56")
        wait_for(lambda: "52:54:00:12:34:56" in self.in_guest("cat /sys/class/net/eth1/address"))
        wait_for(lambda: "10.0.2" in self.in_guest("ip address show dev eth1"))
        self.daemon.ruche("vm", "nic", "set", "web1", "nic1", "--link", "down")
        self.assertEqual(self.number("cat /sys/class/net/eth1/carrier"), 0)
        self.daemon.ruche("vm", "nic", "set", "web1", "nic1", "--link", "up")
        wait_for(lambda: self.number("cat /sys/class/net/eth1/carrier") == 1)
        self.daemon.ruche("vm", "nic", "remove", "web1", "nic1")
        self.assertNotIn("eth1", self.in_guest("ls /sys/class/net"))

    def test_08_what_waits_is_told_and_comes_with_the_next_start(self):
        done = self.daemon.ruche("vm", "set", "web1", "--cpu-baseline", "x86-64-v3", "--memory",
                                 "2GiB")
        self.assertIn("waits for a restart", done.stdout + done.stderr)
        self.assertEqual({change["device"] for change in self.pending()},
                         {"cpu_baseline", "memory", "memory_max"})
        self.assertIn("at the next start", self.daemon.ruche("vm", "show", "web1").stdout)
        self.daemon.ruche("vm", "set", "web1", "--memory", "256MiB", "--memory-max", "1GiB")
        self.daemon.ruche("vm", "stop", "web1")
        self.daemon.ruche("vm", "start", "web1", "--wait", "running")
        self.tick("web1")
        self.assertEqual(self.pending(), [])
        wait_for(lambda: "avx2" in self.in_guest("grep -o -m1 avx2 /proc/cpuinfo"))

    def test_09_devices_say_what_they_allow(self):
        rows = self.daemon.ruche_json("vm", "devices", "web1")
        rows = rows["items"] if isinstance(rows, dict) else rows
        by_name = {row["name"]: row for row in rows}
        self.assertEqual(by_name["disk0"]["migrate"], "yes")
        self.assertTrue(by_name["balloon"]["instant_clone"].startswith("no"))

    def test_10_a_full_disk_stops_the_guest_until_there_is_room(self):
        small = os.path.join(self.daemon.directory, "small")
        os.mkdir(small)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1200m", "small", small], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", small])
        self.daemon.ruche("datastore", "create", "small", "--path", os.path.join(small, "store"))
        self.daemon.ruche("image", "build", "demo", "--name", "demo2", "--datastore", "small")
        self.daemon.ruche("vm", "create", "full1", "--image", "demo2", "--memory", "128MiB",
                          "--start", "--wait", "running")
        self.daemon.ruche("vm", "disk", "add", "full1", "--size", "1GiB")
        self.tick("full1")
        wait_for(lambda: "vdb" in self.in_guest("ls /sys/class/block", name="full1"))
        ballast = os.path.join(small, "ballast")
        free = os.statvfs(small).f_bavail * os.statvfs(small).f_bsize
        with open(ballast, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, free - (8 << 20))
        writing = subprocess.Popen(
            [self.daemon_bin("ruche"), "--socket", self.daemon.socket, "vm", "console", "full1",
             "--until", "written [0-9]+", "--timeout", "300s"], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True)
        writing.stdin.write("\ndd if=/dev/urandom of=/tmp/noise bs=1M count=24 2>/dev/null; "
                            "dd if=/tmp/noise of=/dev/vdb bs=1M oflag=direct; sync; "
                            "echo written $?\n")
        writing.stdin.flush()
        self.daemon.wait_state("full1", "paused", patience=120)
        vm = self.daemon.vm("full1")
        self.assertEqual(vm["status"]["pause_cause"], "no-space")
        self.assertIn("no-space", self.daemon.ruche("vm", "show", "full1").stdout)
        os.unlink(ballast)
        self.daemon.wait_state("full1", "running", patience=120)
        self.assertIn("written 0", writing.communicate(timeout=300)[0])
        sums = re.findall(r"[0-9a-f]{32}", self.in_guest(
            "md5sum /tmp/noise; head -c 25165824 /dev/vdb | md5sum", name="full1"))
        self.assertEqual(len(set(sums)), 1, sums)
        self.daemon.ruche("vm", "delete", "full1", "--stop", "--purge", "--yes")

    def pinned_to(self, threads, name):
        """How many threads of its QEMU may run on exactly these hardware threads."""
        pid = self.daemon.vm(name)["status"]["pid"]
        count = 0
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/status") as file:
                count += f"Cpus_allowed_list:\t{threads}\n" in file.read()
        return count

    def test_11_the_board_is_as_it_was_asked_for(self):
        self.daemon.ruche("vm", "create", "board1", "--image", "demo", "--cpus", "2",
                          "--cpus-max", "4", "--memory", "256MiB", "--numa", "nodes=2",
                          "--smbios", "serial=4711,asset_tag=rack-7", "--sound", "hda",
                          "--display", "virtio", "--boot-order", "disk0", "--cpu-pin", "0",
                          "--start", "--wait", "running")
        self.tick("board1")
        nodes = self.in_guest("cat /sys/devices/system/node/node[01]/cpulist", name="board1")
        self.assertEqual(nodes.split()[-2:], ["0", "1"])
        board = self.in_guest("cat /sys/class/dmi/id/product_serial "
                              "/sys/class/dmi/id/chassis_asset_tag", name="board1")
        self.assertEqual(board.split()[-2:], ["4711", "rack-7"])
        sound = self.in_guest("cat /sys/bus/pci/devices/0000:00:19.0/class", name="board1")
        self.assertIn("0x040300", sound)
        self.assertEqual(self.pinned_to("0", "board1"), 2)
        self.daemon.ruche("vm", "set", "board1", "--cpus", "3")
        self.assertEqual(self.pinned_to("0", "board1"), 3)
        self.daemon.ruche("vm", "set", "board1", "--cpu-pin", "")
        if os.cpu_count() > 1:
            self.assertEqual(self.pinned_to("0", "board1"), 0)
        self.daemon.ruche("vm", "delete", "board1", "--stop", "--purge", "--yes")

    def test_12_huge_pages_that_are_not_there_are_counted(self):
        with open("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages") as file:
            if int(file.read()) > 64:
                self.skipTest("this host has huge pages to spare")
        self.daemon.ruche("vm", "create", "huge1", "--image", "demo", "--memory", "256MiB",
                          "--huge-pages", "2m")
        refused = self.daemon.ruche("vm", "start", "huge1", expect=None)
        self.assertIn("128 huge pages of 2 MiB", refused.stderr)
        self.daemon.ruche("vm", "delete", "huge1", "--purge", "--yes")

    def on_second_port(self, until, *more, **how):
        return self.daemon.ruche("vm", "console", "lines1", "--port", "1", "--until", until,
                                 "--timeout", "60s", *more, **how).stdout.replace("\r", "")

    def test_13_a_second_serial_port_talks_both_ways(self):
        self.create("lines1", "--serial-ports", "2")
        self.tick("lines1")
        self.in_guest("echo hello > /dev/ttyS1", name="lines1")
        self.assertNotIn("tick", self.on_second_port("hello", "--no-input"))
        self.in_guest("{ (exec 3<>/dev/ttyS1; echo listening >&3; read -r line <&3; "
                      "echo heard $line >&3) & }", name="lines1")
        self.on_second_port("listening", "--no-input")
        self.on_second_port("heard bees", stdin="bees\n")
        self.assertNotIn("bees", self.in_guest("true", name="lines1"))
        self.daemon.kill()
        self.daemon.start()
        self.daemon.wait_state("lines1", "running")
        kept = self.on_second_port("heard bees", "--no-input")
        self.assertEqual(kept.splitlines()[:4], ["hello", "listening", "bees", "heard bees"])
        refused = self.daemon.ruche("vm", "console", "lines1", "--port", "2", "--no-input",
                                    expect=None)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("it has ports 0 to 1", refused.stderr)
        self.daemon.ruche("vm", "set", "lines1", "--serial-ports", "4")
        self.assertEqual([change["device"] for change in self.pending("lines1")], ["serial_ports"])
        self.daemon.ruche("vm", "stop", "lines1")
        self.daemon.ruche("vm", "start", "lines1", "--wait", "running")
        self.tick("lines1")
        self.assertEqual(self.pending("lines1"), [])
        self.in_guest("for port in 1 2 3; do echo on $port > /dev/ttyS$port; done", name="lines1")
        for port in ("1", "2", "3"):
            self.daemon.ruche("vm", "console", "lines1", "--port", port, "--no-input", "--until",
                              f"^on {port}", "--timeout", "60s")
        self.daemon.ruche("vm", "delete", "lines1", "--stop", "--purge", "--yes")

    @staticmethod
    def daemon_bin(name):
        from harness import BIN
        return os.path.join(BIN, name)
