"""What a new user types, in this order."""

import json
import os
import time
import unittest

from harness import SystemTest, is_alive, wait_for


class Newcomer(SystemTest):
    def test_1_create_start_and_look(self):
        daemon = self.daemon
        daemon.ruche("vm", "create", "web1", "--image", "demo", "--cpus", "1", "--memory",
                     "256MiB", "--start", "--wait", "running")
        self.assertIn("web1", daemon.ruche("vm", "list").stdout)
        vm = json.loads(daemon.ruche("vm", "show", "web1", "-o", "json").stdout)
        for key in ("id", "name", "display_name", "spec", "status", "placement"):
            self.assertIn(key, vm)
        for key in ("state", "pid", "qemu_argv", "addresses", "disks", "cgroup", "last_error"):
            self.assertIn(key, vm["status"])
        self.assertTrue(os.path.exists(vm["status"]["disks"][0]["path"]))
        self.assertIn("host", vm["placement"])
        self.assertIn("epoch", vm["placement"])
        self.assertEqual(vm["status"]["state"], "running")
        self.assertTrue(is_alive(vm["status"]["pid"]))
        self.assertGreaterEqual(self.tick("web1"), 1)

    def test_2_dry_run_changes_nothing(self):
        before = self.daemon.vm("web1")
        out = self.daemon.ruche("vm", "delete", "web1", "--dry-run").stdout
        self.assertIn("recycle bin", out)
        self.assertIn("--stop", out)  # it runs: the real one is refused without
        self.assertEqual(before, self.daemon.vm("web1"))

    def test_3_a_killed_daemon_harms_nobody(self):
        pid = self.daemon.vm("web1")["status"]["pid"]
        self.daemon.kill()
        self.assertTrue(is_alive(pid))
        self.daemon.start()
        vm = self.daemon.vm("web1")
        self.assertEqual((vm["status"]["state"], vm["status"]["pid"]), ("running", pid))
        self.assertGreaterEqual(self.tick("web1"), 1)

    def test_4_too_big_is_refused_with_what_is_free(self):
        done = self.daemon.ruche("vm", "create", "big", "--image", "demo", "--memory", "10TiB",
                                 expect=None)
        self.assertNotEqual(done.returncode, 0)
        self.assertRegex(done.stderr, r"free")
        self.assertNotIn("big", self.daemon.ruche("vm", "list").stdout)

    def test_5_pause_resume_reset(self):
        self.daemon.ruche("vm", "pause", "web1")
        self.assertEqual(self.daemon.state("web1"), "paused")
        self.daemon.ruche("vm", "resume", "web1")
        self.assertEqual(self.daemon.state("web1"), "running")
        before = self.tick("web1")
        wait_for(lambda: self.tick("web1") > max(before, 3))
        self.daemon.ruche("vm", "reset", "web1")
        self.assertEqual(self.daemon.state("web1"), "running")
        # It counts from one again, and only then hears its power button.
        wait_for(lambda: self.tick("web1") <= 2)

    def test_6_orderly_shutdown_and_start(self):
        started = time.monotonic()
        self.daemon.ruche("vm", "shutdown", "web1", "--timeout", "60s")
        self.assertLess(time.monotonic() - started, 60)
        vm = self.daemon.vm("web1")
        self.assertEqual(vm["status"]["state"], "stopped")
        self.assertEqual(vm["placement"]["wish"], "off")
        self.daemon.ruche("vm", "start", "web1")
        self.assertGreaterEqual(self.tick("web1"), 1)

    def test_7_delete_undelete_purge(self):
        disk = self.daemon.vm("web1")["status"]["disks"][0]["path"]
        refused = self.daemon.ruche("vm", "delete", "web1", expect=None)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("--stop", refused.stderr)
        self.daemon.ruche("vm", "delete", "web1", "--stop")
        self.assertNotIn("web1", self.daemon.ruche("vm", "list").stdout)
        self.daemon.ruche("vm", "undelete", "web1")
        self.assertEqual(self.daemon.state("web1"), "stopped")
        self.daemon.ruche("vm", "start", "web1")
        self.assertGreaterEqual(self.tick("web1"), 1)
        self.daemon.ruche("vm", "delete", "web1", "--stop", "--purge", "--yes")
        self.assertFalse(os.path.exists(disk))
        wait_for(lambda: self.daemon.pids() == [])


if __name__ == "__main__":
    unittest.main()
