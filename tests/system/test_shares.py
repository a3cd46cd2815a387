"""A guest that mounts folders of its host, served by the virtiofsd that is installed here."""

import itertools
import os
import signal
import tempfile
import shutil
import unittest

from harness import SystemTest, wait_for

PROGRAMS = ("/usr/libexec/virtiofsd", "/usr/lib/qemu/virtiofsd")
MARKS = itertools.count(1)


def servers_of(folder):
    """Processes of virtiofsd that serve this folder, and those that wait for them."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                words = file.read()
        except OSError:
            continue  # it has just ended
        if b"virtiofsd" in words and folder.encode() in words:
            found.append(int(pid))
    return sorted(found)


@unittest.skipUnless(os.getuid() == 0, "only root can confine virtiofsd")
@unittest.skipUnless(any(os.access(path, os.X_OK) for path in PROGRAMS), "virtiofsd is not installed")
class Shares(SystemTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.files = tempfile.mkdtemp(prefix="ruche-shares-")
        cls.addClassCleanup(shutil.rmtree, cls.files, ignore_errors=True)
        os.chmod(cls.files, 0o755)
        cls.reading = os.path.join(cls.files, "reading")
        cls.writing = os.path.join(cls.files, "writing")
        for folder in (cls.reading, cls.writing):
            os.mkdir(folder)
            os.chmod(folder, 0o777)
            with open(os.path.join(folder, "hello"), "w", encoding="utf-8") as file:
                file.write("hello from the host\n")
            os.chmod(os.path.join(folder, "hello"), 0o644)
        os.symlink("/etc/hostname", os.path.join(cls.writing, "way-out"))
        cls.daemon.ruche("vm", "create", "web1", "--image", "demo", "--memory", "128MiB")
        cls.daemon.ruche("vm", "share", "add", "web1", cls.reading, "--name", "data", "--read-only")
        cls.daemon.ruche("vm", "share", "add", "web1", cls.writing)
        cls.daemon.ruche("vm", "start", "web1", "--wait", "running")
        cls.daemon.ruche("vm", "console", "web1", "--no-input", "--until", "tick [0-9]+",
                         "--timeout", "120s")

    def in_guest(self, command, timeout=120):
        mark = f"mark{next(MARKS)}"
        done = self.daemon.ruche(
            "vm", "console", "web1", "--until", f"end [0-9]+ of {mark}", "--timeout", f"{timeout}s",
            stdin=f"\ntouch /tmp/quiet; echo begin of {mark}; {command}; echo end $? of {mark}\n",
            timeout=timeout + 30)
        text = done.stdout.replace("\r", "")
        return text.rsplit(f"begin of {mark}\n", 1)[-1].rsplit("end ", 1)[0]

    def test_1_it_reads_and_writes_what_it_may(self):
        said = self.in_guest("mkdir -p /r /w; mount -t virtiofs data /r && "
                             "mount -t virtiofs share0 /w && cat /r/hello /w/hello")
        self.assertEqual(said.count("hello from the host"), 2, said)
        self.assertIn("Read-only", self.in_guest("echo no > /r/new"))
        self.in_guest("echo yes > /w/new; sync")
        made = os.path.join(self.writing, "new")
        with open(made, encoding="utf-8") as file:
            self.assertEqual(file.read(), "yes\n")
        self.assertEqual(os.stat(made).st_uid, self.daemon.vm("web1")["uid"])
        self.assertIn("can't open", self.in_guest("cat /w/way-out"))
        self.in_guest("mknod /w/disk b 8 0")
        self.assertFalse(os.path.exists(os.path.join(self.writing, "disk")))

    def test_2_it_outlives_the_daemon(self):
        before = servers_of(self.writing)
        self.assertTrue(before)
        self.daemon.kill()
        self.daemon.start()
        wait_for(lambda: self.daemon.state("web1") == "running", 60)
        self.assertEqual(servers_of(self.writing), before)
        self.assertIn("hello from the host", self.in_guest("cat /w/hello"))

    def test_3_what_a_folder_stands_in_the_way_of_is_told(self):
        refused = self.daemon.ruche("vm", "suspend", "web1", expect=None).stderr
        self.assertIn("virtiofsd", refused)
        self.daemon.ruche("vm", "share", "remove", "web1", "share0")
        self.assertIn("share0 removed: at the next start",
                      self.daemon.ruche("vm", "show", "web1").stdout)
        self.daemon.ruche("vm", "share", "add", "web1", self.writing)

    def test_4_it_ends_with_its_guest(self):
        os.kill(self.daemon.vm("web1")["status"]["pid"], signal.SIGKILL)
        wait_for(lambda: not servers_of(self.files), 30)
        wait_for(lambda: self.daemon.state("web1") == "crashed", 60)

    def test_5_a_folder_that_is_gone_is_the_error(self):
        os.rename(self.reading, self.reading + "-away")
        refused = self.daemon.ruche("vm", "start", "web1", expect=None).stderr
        self.assertIn("is no folder of this host", refused)
        self.assertEqual(servers_of(self.files), [])
        os.rename(self.reading + "-away", self.reading)
        self.daemon.ruche("vm", "start", "web1", "--wait", "running")

    def test_6_folders_of_ruche_are_refused(self):
        refused = self.daemon.ruche("vm", "share", "add", "web1", self.daemon.data, expect=None)
        self.assertIn("datastore", refused.stderr)


if __name__ == "__main__":
    unittest.main()
