"""Where a newcomer may have cloned to, and as whom: below a directory that only root may enter, and
without root at all."""

import os
import shutil
import subprocess
import tempfile
import unittest

import harness
from harness import Daemon, SystemTest, is_alive

NOBODY = 65534


class Place(SystemTest):
    """The programs and the data of this instance are in a directory of its own, mode 0700."""

    owner = 0

    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.mkdtemp(prefix="ruche-place-")
        cls.addClassCleanup(shutil.rmtree, cls.directory, ignore_errors=True)
        programs = os.path.join(cls.directory, "bin")
        shutil.copytree(harness.BIN, programs)
        if cls.owner:
            real = os.path.join(programs, "real")
            os.mkdir(real)
            for name in ("ruched", "jail", "pump"):
                os.rename(os.path.join(programs, name), os.path.join(real, name))
            with open(os.path.join(programs, "ruched"), "w") as script:
                script.write(f'#!/bin/sh\nexec setpriv --reuid {cls.owner} --regid {cls.owner} '
                             f'--clear-groups {real}/ruched "$@"\n')
            os.chmod(script.name, 0o755)
            subprocess.run(["chown", "-R", str(cls.owner), cls.directory], check=True)
        cls.addClassCleanup(setattr, harness, "BIN", harness.BIN)
        harness.BIN = programs
        cls.daemon_options = {"directory": cls.directory}
        super().setUpClass()

    def check_a_guest(self, user):
        vm = self.create("web1")
        pid = vm["status"]["pid"]
        self.assertEqual(os.stat(f"/proc/{pid}").st_uid == self.owner, user == "daemon")
        self.assertNotEqual(os.stat(f"/proc/{pid}").st_uid, 0)
        self.assertGreaterEqual(self.tick("web1"), 1)
        self.daemon.restart()
        self.assertEqual(self.daemon.vm("web1")["status"]["pid"], pid)
        self.daemon.ruche("vm", "delete", "web1", "--stop", "--purge", "--yes")
        self.assertFalse(is_alive(pid))


@unittest.skipIf(os.getuid(), "only root can lock others out")
class BelowAPrivateDirectory(Place):
    def test_guests_and_consoles_start(self):
        self.assertEqual(os.stat(self.directory).st_mode & 0o777, 0o700)
        self.check_a_guest(user="guest")


@unittest.skipIf(os.getuid(), "only root can become somebody else; all other tests ran without it")
class WithoutRoot(Place):
    owner = NOBODY

    def test_guests_run_as_the_daemons_user(self):
        self.check_a_guest(user="daemon")


del Place, SystemTest  # not tests of their own

if __name__ == "__main__":
    unittest.main()
