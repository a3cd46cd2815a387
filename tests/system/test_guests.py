"""A real system in a guest: cloud-init, the agent, SSH, freezing, UEFI. One Debian guest is shared by
all tests, because a boot takes up to a minute without KVM; the tests run in the order of their names."""

import os
import shutil
import socket
import subprocess
import tempfile
import unittest

import harness
from harness import SystemTest, wait_for

BOOT = 600.0


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class DebianGuest(SystemTest):
    needs_demo = False

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.files = tempfile.mkdtemp(prefix="ruche-guests-")
        cls.addClassCleanup(shutil.rmtree, cls.files, ignore_errors=True)
        cls.key = os.path.join(cls.files, "key")
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", cls.key], check=True)
        with open(os.path.join(cls.files, "user-data"), "w") as file:
            file.write("#cloud-config\nwrite_files:\n  - path: /etc/ruche-test\n"
                       "    content: written by cloud-init\n")
        cls.daemon.debian_image("debian12")
        cls.port = free_port()
        cls.daemon.ruche(
            "vm", "create", "db1", "--image", "debian12", "--cpus", "2", "--memory", "1GiB",
            "--boot", "uefi", "--ssh-key", cls.key + ".pub", "--user", "admin", "--host-name",
            "database", "--user-data", file.name, "--forward", f"{cls.port}:22", "--start",
            "--wait", "agent", timeout=BOOT)

    def exec(self, *command, expect=0):
        return self.daemon.ruche("vm", "exec", "db1", "--", *command, expect=expect)

    def agent(self):
        return self.daemon.vm("db1")["status"].get("agent", {})

    def test_1_cloud_init_is_done_and_the_document_says_so(self):
        wait_for(lambda: self.agent().get("initialized"), BOOT, lambda: str(self.agent()))
        wait_for(lambda: self.agent().get("host_name") == "database", 60, lambda: str(self.agent()))
        self.assertIn("Debian", self.agent()["os"])
        self.assertEqual(self.exec("cat", "/etc/ruche-test").stdout, "written by cloud-init")
        with open(self.key + ".pub") as file:
            public = file.read().split()[1]
        self.assertIn(public,
                      self.exec("cat", "/home/admin/.ssh/authorized_keys").stdout)
        self.assertIn("10.0.2.15", self.daemon.vm("db1")["status"]["addresses"])
        shown = self.daemon.ruche("vm", "show", "db1").stdout
        self.assertIn("database", shown)

    def test_2_it_was_booted_by_uefi(self):
        self.exec("test", "-d", "/sys/firmware/efi")

    def test_3_commands_give_their_output_and_their_exit_code(self):
        done = self.exec("sh", "-c", "echo out; echo err >&2; exit 7", expect=7)
        self.assertEqual((done.stdout, done.stderr), ("out\n", "err\n"))
        piped = self.daemon.ruche("vm", "exec", "-i", "db1", "--", "wc", "-c", stdin="12345")
        self.assertEqual(piped.stdout.strip(), "5")
        late = self.daemon.ruche("vm", "exec", "--timeout", "1s", "db1", "--", "sleep", "60",
                                 expect=13)
        self.assertIn("did not end", late.stderr)
        large = self.exec("head", "-c", "3000000", "/dev/zero")
        self.assertEqual(len(large.stdout), 3000000)

    def test_4_ssh_lets_its_key_in(self):
        wait_for(lambda: self.agent().get("ssh_host_keys"), BOOT)
        environment = dict(os.environ, XDG_STATE_HOME=self.files)
        done = wait_for(lambda: self.ssh(environment), BOOT)
        self.assertEqual(done, "admin")
        known = os.listdir(os.path.join(self.files, "ruche", "ssh"))
        self.assertEqual(known, [self.daemon.vm("db1")["id"]])

    def ssh(self, environment):
        done = subprocess.run(
            [os.path.join(harness.BIN, "ruche"), "--socket", self.daemon.socket, "vm", "ssh", "db1",
             "-i", self.key, "--", "whoami"],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment, timeout=120)
        return done.stdout.strip()

    def test_5_a_freeze_ends_without_its_daemon(self):
        self.daemon.ruche("vm", "freeze", "db1", "--hold", "20s")
        self.assertIn("thaw_at", self.daemon.vm("db1")["status"])
        refused = self.exec("true", expect=9)
        self.assertIn("frozen", refused.stderr)
        self.daemon.restart()
        wait_for(lambda: "thaw_at" not in self.daemon.vm("db1")["status"], 120)
        wait_for(lambda: self.agent().get("connected"), 120)
        self.exec("touch", "/root/thawed")
        self.daemon.ruche("vm", "freeze", "db1")
        self.daemon.ruche("vm", "thaw", "db1")
        self.exec("sync")

    def test_6_what_cloud_init_would_refuse_changes_nothing(self):
        path = os.path.join(self.files, "broken")
        with open(path, "w") as file:
            file.write("#cloud-config\npackages:\n  nginx: yes\n")
        refused = self.daemon.ruche("vm", "create", "db2", "--image", "debian12", "--user-data", path,
                                    expect=3)
        self.assertIn("line 3: packages must be a list", refused.stderr)
        self.assertIn("--user-data", refused.stderr)
        names = [vm["name"] for vm in self.daemon.api("GET", "/v1/vms", expect=200).json["items"]]
        self.assertEqual(names, ["db1"])

    def test_7_nothing_secret_is_shown_or_exported(self):
        path = os.path.join(self.files, "password")
        with open(path, "w") as file:
            file.write("swordfish\n")
        self.daemon.ruche("vm", "create", "db3", "--image", "debian12", "--password-file", path)
        vm = self.daemon.vm("db3")
        self.assertTrue(vm["spec"]["cloud_init"]["has_password"])
        self.assertNotIn("$6$", str(vm))
        found = subprocess.run(["grep", "-rl", "--include=guest.json", "-F", "$6$", self.daemon.data],
                               capture_output=True, text=True).stdout
        self.assertEqual(found, "")
        self.assertNotIn("swordfish", self.daemon.log_tail(1 << 20))
        self.daemon.ruche("vm", "delete", "db3", "--purge", "--yes")

    def test_8_it_shuts_down_through_its_agent(self):
        self.daemon.ruche("vm", "shutdown", "db1", "--timeout", "5m", timeout=400)
        self.assertEqual(self.daemon.state("db1"), "stopped")
        self.assertNotIn("agent", self.daemon.vm("db1")["status"])
        self.daemon.ruche("vm", "delete", "db1", "--purge", "--yes")
        left = subprocess.run(["find", self.daemon.data, "-name", "*.vars"], capture_output=True,
                              text=True).stdout
        self.assertEqual(left, "")


if __name__ == "__main__":
    unittest.main()
