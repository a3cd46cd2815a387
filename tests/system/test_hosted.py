"""Hosted use: a daemon of an ordinary user. Guests run, what is reduced is said, and what confines a
guest without root's help does."""

import json
import os
import shutil
import socket
import subprocess
import tempfile
import unittest

import harness
from harness import SystemTest

ORDINARY = 65534


class Qmp:
    """QEMU's monitor, free while no daemon holds it."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(harness.PATIENCE)
        self.socket.connect(path)
        self.lines = self.socket.makefile("r")
        self.lines.readline()  # the greeting
        self.ask("qmp_capabilities")

    def ask(self, command, **arguments):
        self.socket.sendall(json.dumps({"execute": command, "arguments": arguments}).encode())
        while True:
            answer = json.loads(self.lines.readline())
            if "event" not in answer:
                return answer

    def close(self):
        self.lines.close()
        self.socket.close()


@unittest.skipIf(os.getuid(), "only root can become somebody else; all other tests ran without it")
class Hosted(SystemTest):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.mkdtemp(prefix="ruche-hosted-")
        cls.addClassCleanup(shutil.rmtree, cls.directory, ignore_errors=True)
        real = os.path.join(cls.directory, "real")
        programs = os.path.join(cls.directory, "bin")
        os.mkdir(real)
        os.mkdir(programs)
        for name in ("ruched", "jail", "pump", "fetch"):
            shutil.copy(os.path.join(harness.BIN, name), real)
        shutil.copy(os.path.join(harness.BIN, "ruche"), programs)
        with open(os.path.join(programs, "ruched"), "w") as script:
            script.write(f'#!/bin/sh\nexec setpriv --reuid {ORDINARY} --regid {ORDINARY} '
                         f'--clear-groups {real}/ruched "$@"\n')
        os.chmod(script.name, 0o755)
        subprocess.run(["chown", "-R", str(ORDINARY), cls.directory], check=True)
        cls.addClassCleanup(setattr, harness, "BIN", harness.BIN)
        harness.BIN = programs
        cls.daemon_options = {"directory": cls.directory}
        super().setUpClass()

    def test_1_what_is_reduced_is_said(self):
        check = self.daemon.api("GET", "/v1/hosts/self/check", expect=200).json
        reduced = " ".join(entry["what"] for entry in check["reduced"])
        for word in ("own user", "bridge", "control groups"):
            self.assertIn(word, reduced)
        self.assertTrue(all(entry["remedy"] for entry in check["reduced"]))
        self.assertEqual(self.daemon.api("GET", "/v1/hosts/self").json["reduced"],
                         check["reduced"])
        said = self.daemon.ruche("host", "check").stdout
        self.assertIn("Reduced here:", said)
        self.assertIn(check["reduced"][0]["remedy"], said)

    def test_2_a_guest_runs_and_is_confined(self):
        vm = self.create("web1")
        pid = vm["status"]["pid"]
        self.assertGreaterEqual(self.tick("web1"), 1)
        with open(f"/proc/{pid}/status") as file:
            status = dict(line.split(":\t") for line in file.read().splitlines() if ":\t" in line)
        self.assertEqual(status["Uid"].split()[0], str(ORDINARY))
        self.assertEqual(status["NoNewPrivs"], "1")
        self.assertEqual(status["Seccomp"], "2")
        self.assertEqual(int(status["CapEff"], 16), 0)
        self.assertEqual(vm["status"]["cgroup"], "")

    def test_3_landlock_keeps_the_guest_from_what_its_user_may_read(self):
        guest = self.daemon.vm("web1")["id"]
        path = os.path.join(self.daemon.data, "run", guest, "qmp")
        self.daemon.kill()
        try:
            qmp = Qmp(path)
            answer = qmp.ask("blockdev-add", driver="file", **{"node-name": "stolen"},
                             filename="/etc/hostname", **{"read-only": True})
            qmp.close()
        finally:
            self.daemon.start()
        self.assertIn("Permission denied", answer.get("error", {}).get("desc", str(answer)))
        self.assertGreaterEqual(self.tick("web1"), 1)


del SystemTest  # not a test of its own

if __name__ == "__main__":
    unittest.main()
