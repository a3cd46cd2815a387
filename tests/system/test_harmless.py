"""Whatever happens to the daemon or around it, guests go on and nothing is left behind."""

import json
import os
import signal
import subprocess
import time
import unittest

from harness import BIN, Daemon, SystemTest, is_alive, wait_for


class Harmless(SystemTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.create(cls, "web1")

    def pid(self, name="web1"):
        return self.daemon.vm(name)["status"]["pid"]

    def test_a_stopped_daemon_does_not_slow_the_guest(self):
        """With a watcher on the console: the serial line of a guest must never fill up."""
        watcher = subprocess.Popen(
            [os.path.join(BIN, "ruche"), "--socket", self.daemon.socket, "vm", "console", "web1",
             "--no-input", "--until", "never printed", "--timeout", "120s"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            # Uptime is counted by the guest itself: a stalled serial line would stop its ticks.
            before, at = self.tick("web1"), time.monotonic()
            self.daemon.process.send_signal(signal.SIGSTOP)
            time.sleep(20)
            self.daemon.process.send_signal(signal.SIGCONT)
            # Old output comes first; a guest that stood still for 20 s could not catch up in 10.
            wait_for(lambda: self.tick("web1") - before > (time.monotonic() - at) * 0.7, 10)
        finally:
            watcher.kill()
            watcher.wait()

    def test_b_a_killed_guest_is_crashed_with_its_reason(self):
        self.create("victim")
        os.kill(self.pid("victim"), signal.SIGKILL)
        self.daemon.wait_state("victim", "crashed")
        status = self.daemon.vm("victim")["status"]
        self.assertTrue(status["last_error"])
        self.assertNotIn("pid", status)
        self.daemon.ruche("vm", "start", "victim")
        self.assertGreaterEqual(self.tick("victim"), 1)
        self.daemon.ruche("vm", "delete", "victim", "--stop", "--purge", "--yes")

    def test_c_a_guest_killed_while_the_daemon_is_dead(self):
        self.create("victim2")
        pid = self.pid("victim2")
        self.daemon.kill()
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not is_alive(pid))
        self.daemon.start()
        self.daemon.wait_state("victim2", "crashed")
        self.assertEqual(self.daemon.state("web1"), "running")
        self.daemon.ruche("vm", "delete", "victim2", "--purge", "--yes")

    def test_d_a_guest_that_powers_off_while_the_daemon_is_dead(self):
        self.create("sleeper")
        pid = self.pid("sleeper")
        qmp = subprocess.Popen(
            [os.path.join(BIN, "ruche"), "--socket", self.daemon.socket, "vm", "shutdown",
             "sleeper", "--no-wait"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        qmp.wait()
        time.sleep(0.3)
        self.daemon.kill()
        time.sleep(5)
        self.daemon.start()
        self.daemon.wait_state("sleeper", "stopped")
        wait_for(lambda: not is_alive(pid))
        self.assertEqual(self.daemon.vm("sleeper")["placement"]["wish"], "off")
        self.daemon.ruche("vm", "delete", "sleeper", "--purge", "--yes")

    def test_e_a_hanging_monitor_blocks_nobody_else(self):
        self.create("stuck")
        pid = self.pid("stuck")
        os.kill(pid, signal.SIGSTOP)
        try:
            started = time.monotonic()
            self.assertEqual(self.daemon.state("web1"), "running")
            self.assertLess(time.monotonic() - started, 2)
            paused = self.daemon.ruche("vm", "pause", "stuck", expect=None, timeout=120)
            self.assertNotEqual(paused.returncode, 0)
            self.assertGreaterEqual(self.tick("web1"), 1)
            self.daemon.ruche("vm", "stop", "stuck", "--force", timeout=120)
            wait_for(lambda: not is_alive(pid))
        finally:
            if is_alive(pid):
                os.kill(pid, signal.SIGCONT)
        self.daemon.ruche("vm", "delete", "stuck", "--purge", "--yes")

    def test_f_a_truncated_volume_is_a_clear_error(self):
        vm = self.create("cut", start=False)
        path = vm["spec"]["disks"][0]["layer"]
        found = subprocess.run(["find", self.daemon.data, "-name", f"{path}*"],
                               capture_output=True, text=True).stdout.split()
        self.assertEqual(len(found), 1)
        os.truncate(found[0], 10)
        done = self.daemon.ruche("vm", "start", "cut", expect=None)
        self.assertNotEqual(done.returncode, 0)
        self.assertTrue(done.stderr.strip())
        self.assertEqual(self.daemon.state("cut"), "stopped")
        reserved = self.daemon.vm("cut")["placement"]["reserved"]["memory_bytes"]
        self.assertEqual(reserved, 0)
        self.daemon.ruche("vm", "delete", "cut", "--purge", "--yes")

    def test_g_leaks_json_is_the_truth(self):
        def listed():
            with open(os.path.join(self.daemon.data, "leaks.json")) as file:
                return json.load(file)

        wait_for(lambda: sorted(p["pid"] for p in listed()["processes"]) ==
                 sorted(vm["status"]["pid"] for vm in
                        self.daemon.api("GET", "/v1/vms").json["items"] if vm["status"].get("pid")),
                 explain=lambda: listed())
        for cgroup in listed()["cgroups"]:
            self.assertTrue(os.path.isdir(cgroup), cgroup)
        self.assertEqual(listed()["bridges"] + listed()["mounts"], [])

    def test_h_an_unwritable_store_is_a_clear_error_and_guests_run_on(self):
        tiny = Daemon(program="ruched")
        os.makedirs(tiny.data)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", tiny.data], check=True)
        try:
            tiny.start()
            filler = os.path.join(tiny.data, "filler")
            with open(filler, "wb", buffering=0) as file:
                try:
                    while True:
                        file.write(b"x" * 4096)
                except OSError:
                    pass
            done = tiny.ruche("vm", "create", "full", "--disk-size", "64MiB", expect=None)
            self.assertNotEqual(done.returncode, 0)
            self.assertRegex(done.stderr, r"(full|space|free|store)")
            os.unlink(filler)
            wait_for(lambda: tiny.api("GET", "/v1/hosts").status == 200)
            self.assertEqual(tiny.api("GET", "/v1/vms", expect=200).json["items"], [])
        finally:
            tiny.kill()
            subprocess.run(["umount", tiny.data], check=True)
            tiny.clean_up()

    def test_i_two_instances_do_not_touch_each_other(self):
        other = Daemon().start()
        try:
            self.assertEqual(other.api("GET", "/v1/vms", expect=200).json["items"], [])
            other.ruche("vm", "create", "web1", "--disk-size", "1MiB", "--memory", "32MiB", "--start")
            self.assertNotEqual(other.vm("web1")["status"]["pid"], self.pid())
            other.ruche("vm", "delete", "web1", "--stop", "--purge", "--yes")
            self.assertEqual(self.daemon.state("web1"), "running")
        finally:
            other.clean_up()

    def test_j_a_second_daemon_on_the_same_directory_is_refused(self):
        second = Daemon(directory=self.daemon.directory)
        second.log = os.path.join(self.daemon.directory, "second.log")
        second.start(expect_failure=True)
        self.assertIsNone(second.first_line)
        self.assertIn("another ruched", second.log_tail())
        self.assertEqual(self.daemon.state("web1"), "running")


if __name__ == "__main__":
    unittest.main()
