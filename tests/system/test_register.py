"""A guest from its files alone: the host's state is lost, the datastore is not."""

import os
import re
import shutil
import subprocess
import tempfile
import unittest

from harness import PATIENCE, Daemon, wait_for


class Register(unittest.TestCase):
    """One after the other on the same files: test_1 leaves what test_2 goes on with."""

    @classmethod
    def setUpClass(cls):
        cls.store = tempfile.mkdtemp(prefix="ruche-register-")
        cls.addClassCleanup(shutil.rmtree, cls.store, ignore_errors=True)
        os.chmod(cls.store, 0o755)
        cls.disk = os.path.join(cls.store, "disk")
        lost = Daemon().start()
        try:
            lost.ruche("datastore", "create", "old", "--path", cls.disk)
            lost.ruche("image", "build", "demo", "--datastore", "old")
            lost.ruche("vm", "create", "web1", "--image", "demo", "--datastore", "old", "--memory",
                       "128MiB", "--disk-size", "1GiB", "--tag", "web", "--start", "--wait", "running")
            cls.boots_before = boots_of(lost, "web1")
            cls.before = lost.vm("web1")
            lost.ruche("vm", "shutdown", "web1")
        finally:
            lost.clean_up()
        cls.daemon = Daemon().start()
        cls.addClassCleanup(cls.daemon.clean_up)

    def refusal(self, *arguments):
        done = self.daemon.ruche(*arguments, expect=None)
        self.assertNotEqual(done.returncode, 0, done.stdout)
        return done.stderr

    def test_1_a_datastore_is_taken_over_only_when_that_is_said(self):
        refusal = self.refusal("datastore", "create", "old", "--path", self.disk)
        self.assertIn("another datastore", refusal)
        self.assertIn("--adopt", refusal)
        self.daemon.ruche("datastore", "create", "old", "--path", self.disk, "--adopt")

    def test_2_what_lies_there_is_listed(self):
        shown = self.daemon.ruche("datastore", "guests", "old").stdout
        self.assertIn("web1", shown)
        self.assertIn(self.before["id"], shown)
        found = self.daemon.api("GET", "/v1/datastores/old/guests", expect=200).json["items"]
        self.assertEqual([g["name"] for g in found], ["web1"])
        self.assertEqual(found[0]["problem"], "")

    def test_3_a_dry_run_changes_nothing(self):
        note = self.note()
        shown = self.daemon.ruche("vm", "register", "web1", "--datastore", "old", "--dry-run").stdout
        self.assertIn("take it in", shown)
        self.assertEqual(self.daemon.api("GET", "/v1/vms").json["items"], [])
        self.assertEqual(self.note(), note)

    def test_4_hostile_files_are_refused_and_left_alone(self):
        guest = os.path.join(self.disk, "guests", self.before["id"])
        note = self.note()
        for bent in (note.replace('"cpus": 1', '"cpus": 100000'), note[:100], "",
                     note.replace(self.before["id"], "018f0000-0000-7000-8000-000000000001", 1),
                     note.replace('"name": "web1"', '"name": "../../../root"', 1)):
            self.write_note(bent)
            self.assertNotEqual(bent, note)
            refusal = self.refusal("vm", "register", self.before["id"], "--datastore", "old")
            self.assertIn("next:", refusal)
            listed = self.daemon.api("GET", "/v1/datastores/old/guests").json["items"]
            self.assertNotEqual(listed[0]["problem"], "")
        self.write_note(note)
        disk = next(os.path.join(guest, f) for f in os.listdir(guest) if f.endswith(".qcow2"))
        os.rename(disk, disk + ".kept")
        subprocess.run(["qemu-img", "create", "-q", "-u", "-f", "qcow2", "-b", "/etc/shadow", "-F",
                        "raw", disk, "1G"], check=True)
        refusal = self.refusal("vm", "register", "web1", "--datastore", "old")
        self.assertIn("no layer of this datastore", refusal)
        os.unlink(disk)
        os.symlink("/etc/shadow", disk)
        self.assertIn("plain file", self.refusal("vm", "register", "web1", "--datastore", "old"))
        os.unlink(disk)
        os.rename(disk + ".kept", disk)
        self.assertEqual(self.daemon.api("GET", "/v1/vms").json["items"], [])
        self.assertEqual(self.daemon.api("GET", "/v1/images").json["items"], [])

    def test_5_it_comes_back_boots_and_its_disk_goes_on(self):
        self.daemon.ruche("vm", "register", "web1", "--datastore", "old")
        now = self.daemon.vm("web1")
        for field in ("id", "name", "tags", "created_at"):
            self.assertEqual(now[field], self.before[field])
        self.assertEqual(now["spec"]["disks"], self.before["spec"]["disks"])
        self.assertEqual(now["spec"]["nics"][0]["mac"], self.before["spec"]["nics"][0]["mac"])
        self.assertNotEqual(now["spec"]["generation_id"], self.before["spec"]["generation_id"])
        images = self.daemon.api("GET", "/v1/images").json["items"]
        self.assertEqual([i["state"] for i in images], ["ready"])
        self.assertIn("web1", images[0]["description"])
        self.daemon.ruche("vm", "start", "web1", "--wait", "running")
        self.assertEqual(boots_of(self.daemon, "web1"), self.boots_before + 1)

    def test_6_once_is_enough(self):
        self.assertIn("registered already",
                      self.refusal("vm", "register", self.before["id"], "--datastore", "old"))
        self.assertEqual(self.daemon.api("GET", "/v1/datastores/old/guests").json["items"], [])
        history = self.daemon.ruche("vm", "history", "web1").stdout
        self.assertIn("vm.register", history)

    def test_7_then_it_is_a_guest_like_any_other(self):
        self.daemon.ruche("vm", "create", "web2", "--image",
                          self.daemon.api("GET", "/v1/images").json["items"][0]["name"],
                          "--datastore", "old", "--memory", "128MiB", "--start", "--wait", "running")
        self.daemon.ruche("vm", "delete", "web2", "--stop", "--purge", "--yes")
        self.daemon.ruche("vm", "delete", "web1", "--stop", "--purge", "--yes")
        image = self.daemon.api("GET", "/v1/images").json["items"][0]["name"]
        self.daemon.ruche("image", "delete", image)
        left = [f for _, _, files in os.walk(self.disk) for f in files]
        self.assertEqual(left, [".ruche-datastore"])

    def note(self):
        with open(self.note_path()) as file:
            return file.read()

    def write_note(self, text):
        with open(self.note_path(), "w") as file:
            file.write(text)

    def note_path(self):
        return os.path.join(self.disk, "guests", self.before["id"], "guest.json")


def boots_of(daemon, name):
    """How often the guest's disk says that it was booted."""
    done = daemon.ruche("vm", "console", name, "--no-input", "--until", "boot [0-9]+ of disk",
                        "--timeout", f"{int(PATIENCE)}s")
    return int(re.findall(r"boot (\d+) of disk", done.stdout)[-1])


if __name__ == "__main__":
    unittest.main()
